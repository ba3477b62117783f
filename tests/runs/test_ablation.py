"""Ablated learners break exactly the rule that they name."""

from __future__ import annotations

import asyncio

import pytest
from recorder import Recorder, episode_of

from sqlbench.episodes.errors import ErrorClass as E
from sqlbench.episodes.repair import RepairAction as A
from sqlbench.exceptions import UnknownNameError
from sqlbench.policies import make_policy
from sqlbench.policies.learning import learn
from sqlbench.runs.ablation import get_learner
from sqlbench.runs.experiment import run_experiment

EPISODE = episode_of(
    ("generate", E.SYNTAX_ERROR), ("fix_syntax", E.NO_SUCH_COLUMN), ("fix_column", None)
)


def taught(name: str) -> Recorder:
    recorder = Recorder()
    get_learner(name)(recorder, EPISODE, 0.3)
    return recorder


def test_the_resulting_error_gets_the_credit_and_nothing_else_changes():
    standard, ablated = taught("standard"), taught("resulting_error")
    assert [(c.error_class, a) for c, a, _ in ablated.updates] == [
        (E.NO_SUCH_COLUMN, A.FIX_SYNTAX),
        (None, A.FIX_COLUMN),
    ]
    assert [c.previous_action for c, *_ in ablated.updates] == [A.FIX_SYNTAX, A.FIX_COLUMN]
    assert [r for *_, r in ablated.updates] == [r for *_, r in standard.updates]
    assert ablated.episodes == standard.episodes == 1


def test_generate_is_credited_to_rewrite_full_and_nothing_else_changes():
    standard, ablated = taught("standard"), taught("generate_as_rewrite")
    (context, arm, reward), *rest = ablated.updates
    assert (context.error_class, context.attempt_number, arm) == (None, 1, A.REWRITE_FULL)
    assert reward == EPISODE.steps[0].reward
    assert rest == standard.updates


def test_a_run_learns_as_its_configuration_says():
    run = asyncio.run(run_experiment(learner="resulting_error", episodes=25, progress=False))
    wrong, right = make_policy("linucb"), make_policy("linucb")
    for episode in run.log:
        get_learner("resulting_error")(wrong, episode, 0.3)
        learn(right, episode)
    assert (run.policy.state()["b"] == wrong.state()["b"]).all()
    assert (run.policy.state()["b"] != right.state()["b"]).any()


def test_an_unknown_learner_is_refused():
    with pytest.raises(UnknownNameError, match="'no'"):
        asyncio.run(run_experiment(learner="no", episodes=1, progress=False))
