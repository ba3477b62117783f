"""Policies that see the signals beside the error's class."""

from __future__ import annotations

import numpy as np
import pytest

from sqlbench.episodes.context import SIGNAL_FEATURES, Context
from sqlbench.episodes.errors import ErrorClass as E
from sqlbench.episodes.repair import RepairAction as A
from sqlbench.evidence.repair_table import TableError
from sqlbench.evidence.replay import replay
from sqlbench.evidence.synthetic import synthetic_table
from sqlbench.exceptions import ConfigError
from sqlbench.policies import load_policy, make_policy, save_policy

SPECS = [f"{name}?features=class,signals" for name in ("linucb", "lints", "epsilon-greedy")]
TABLE = "table?features=class,signals"


def context(doubt: float) -> Context:
    signals = (doubt, *([0.0] * (len(SIGNAL_FEATURES) - 1)))
    return Context(E.WRONG_RESULT, 2, signals=signals)


@pytest.mark.parametrize("spec", [*SPECS, TABLE])
def test_a_policy_learns_from_the_signals_what_the_class_does_not_tell(spec):
    """fix_column mends what is much doubted, relax_filter what is little doubted."""
    policy, rng = make_policy(spec), np.random.default_rng(3)
    blind = make_policy(spec.partition("?")[0])
    for _ in range(300):
        doubt = float(rng.choice([0.05, 0.95]))
        for learner in (policy, blind):
            action = learner.select(context(doubt), rng).action
            best = A.FIX_COLUMN if doubt > 0.5 else A.RELAX_FILTER
            learner.update(context(doubt), action, 1.0 if action == best else -0.2)

    def right(learner) -> float:
        chosen = [learner.probabilities(context(d)) for d in (0.05, 0.95)]
        arms = list(A)
        wanted = [arms.index(A.RELAX_FILTER), arms.index(A.FIX_COLUMN)]
        return float(np.mean([p[i] for p, i in zip(chosen, wanted, strict=True)]))

    assert right(policy) > 0.75 and right(blind) <= 0.6


@pytest.mark.parametrize("spec", [*SPECS, TABLE])
def test_a_policy_with_signals_refuses_a_context_without(spec):
    with pytest.raises(ValueError, match="has no signals"):
        make_policy(spec).select(Context(E.WRONG_RESULT, 2), np.random.default_rng(0))


def test_a_saved_policy_comes_back_and_another_block_is_refused_by_name(tmp_path):
    policy = make_policy(SPECS[0])
    policy.update(context(0.5), A.FIX_COLUMN, 0.5)
    save_policy(policy, tmp_path / "policy.npz")
    again = load_policy(tmp_path / "policy.npz")
    np.testing.assert_array_equal(again.scores(context(0.3)), policy.scores(context(0.3)))
    saved = dict(np.load(tmp_path / "policy.npz"))
    saved["_spec"] = np.array("linucb")
    np.savez(tmp_path / "other.npz", **saved)
    with pytest.raises(ConfigError, match=r"37 features .* not today's 23.*'doubt'"):
        load_policy(tmp_path / "other.npz")


@pytest.mark.parametrize("spec", ["rules?features=class", "linucb?features=signals"])
def test_features_where_there_is_no_choice_of_them_are_refused(spec):
    with pytest.raises((ConfigError, ValueError)):
        make_policy(spec)


def table(with_signals: bool):
    rng = np.random.default_rng(0)
    matrix = {str(E.WRONG_RESULT): {str(a): 0.3 for a in A}}
    made = synthetic_table(matrix, {str(E.WRONG_RESULT): 1.0}, 400, rng)
    doubt = rng.choice([0.05, 0.95], size=400)
    signals = np.zeros((400, len(SIGNAL_FEATURES)))
    signals[:, 0] = doubt
    best = np.where(doubt > 0.5, made.arms.index("fix_column"), made.arms.index("relax_filter"))
    right = np.zeros((400, len(made.arms), 1), dtype=bool)
    right[np.arange(400), best, 0] = True
    values = made.__dict__ | {
        "successes": right,
        "rewards": np.where(right, 0.9, -0.2),
        "expected": right[:, :, 0].astype(float),
        "signals": signals if with_signals else None,
    }
    return type(made)(**{k: v for k, v in values.items() if k in made.__dataclass_fields__})


@pytest.mark.parametrize("spec", ["linucb", "table"])
def test_a_replay_gains_from_signals_that_tell_the_arms_apart(spec):
    found = replay(table(True), [spec, f"{spec}?features=class,signals"], seeds=range(3))
    frame = found.summary().set_index("policy")
    column = next(c for c in frame.columns if frame[c].dtype == float)
    assert frame[column][f"{spec}?features=class,signals"] > frame[column][spec] + 0.1


def test_a_table_without_signals_is_refused_where_they_are_asked_for():
    with pytest.raises(TableError, match="loaded without"):
        replay(table(False), ["linucb?features=class,signals"], seeds=range(2))
