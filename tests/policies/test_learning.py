"""Credit assignment: a reward belongs to the context in which its action was chosen."""

from __future__ import annotations

import numpy as np
import pytest
from recorder import Recorder, episode_of

from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass as E
from sqlbench.episodes.repair import ARMS
from sqlbench.episodes.repair import RepairAction as A
from sqlbench.policies import make_policy
from sqlbench.policies.learning import learn, relabelled_rewards


def test_a_reward_is_credited_to_the_error_seen_before_the_repair():
    taught = Recorder()
    learn(
        taught,
        episode_of(
            ("generate", E.SYNTAX_ERROR), ("fix_syntax", E.NO_SUCH_COLUMN), ("fix_column", None)
        ),
        hindsight=0.0,
    )
    assert [(c.error_class, a) for c, a, _ in taught.updates] == [
        (E.SYNTAX_ERROR, A.FIX_SYNTAX),
        (E.NO_SUCH_COLUMN, A.FIX_COLUMN),
    ]
    # −0.1 −0.1 +0.2 (5 → 2) +0.1 (changed); then 1.0 −0.2.
    assert [r for _, _, r in taught.updates] == [0.1, 0.8]


def test_linucb_learns_in_the_choosing_context_and_not_in_the_resulting_one():
    policy = make_policy("linucb")
    learn(policy, episode_of(("generate", E.OTHER), ("fix_table", E.TIMEOUT)), hindsight=0.0)
    moved = policy.arms.b[ARMS.index(A.FIX_TABLE)]
    assert moved[list(E).index(E.OTHER)] != 0
    assert moved[list(E).index(E.TIMEOUT)] == 0
    assert not policy.arms.b[[i for i, a in enumerate(ARMS) if a != A.FIX_TABLE]].any()


def test_generate_and_custom_sql_teach_nothing():
    taught = Recorder()
    learn(taught, episode_of(("generate", None)))
    learn(taught, episode_of(("generate", E.OTHER), ("custom", E.OTHER), ("generate", None)))
    assert taught.updates == []
    assert taught.episodes == 0, "alpha decays only after an episode that had a repair"


def test_every_repair_teaches_exactly_once():
    taught = Recorder()
    learn(taught, episode_of(("generate", E.OTHER), *[("rewrite_cte", E.OTHER)] * 4))
    assert len(taught.updates) == 4
    assert taught.episodes == 1


def test_hindsight_rewards_the_steps_that_led_to_a_success():
    solved = episode_of(
        ("generate", E.OTHER), ("fix_syntax", E.OTHER), ("fix_table", E.OTHER), ("fix_column", None)
    )
    plain = [r for _, r in relabelled_rewards(solved, hindsight=0.0)]
    relabelled = [r for _, r in relabelled_rewards(solved, hindsight=0.3)]
    assert np.subtract(relabelled, plain) == pytest.approx([0.1, 0.2, 0.0])


def test_hindsight_gives_nothing_for_a_failure_nor_where_a_person_solved_it():
    lost = episode_of(("generate", E.OTHER), ("fix_syntax", E.OTHER))
    by_hand = episode_of(("generate", E.OTHER), ("fix_syntax", E.OTHER), ("custom", None))
    for episode in (lost, by_hand):
        assert [r for _, r in relabelled_rewards(episode, 0.3)] == [
            s.reward for s in episode.steps if s.context
        ]


def test_alpha_decays_once_an_episode_down_to_its_floor():
    policy = make_policy("linucb")
    repaired = episode_of(("generate", E.OTHER), ("fix_syntax", E.OTHER), ("fix_table", None))
    learn(policy, repaired)
    assert policy.alpha == 1.5 * 0.995
    for _ in range(1000):
        policy.end_episode()
    assert policy.alpha == 0.3


def test_a_reward_that_is_not_finite_is_refused_and_poisons_nothing():
    policy = make_policy("linucb")
    before = policy.state()
    for reward in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite"):
            policy.update(Context(E.OTHER, 2), A.FIX_TABLE, reward)
    after = policy.state()
    assert all((before[k] == after[k]).all() for k in before)
