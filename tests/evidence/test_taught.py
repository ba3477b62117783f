"""A live policy that was taught a table knows what its stacked twin knows that was told it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sqlbench.episodes.context import FEATURE_NAMES, SIGNAL_FEATURES, Context, featurize
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS
from sqlbench.evidence.earlier import tell
from sqlbench.evidence.repair_table import RESAMPLE, RepairTable, TableError, obvious_rules
from sqlbench.evidence.stacked import stacked_policy
from sqlbench.evidence.taught import taught
from sqlbench.exceptions import ConfigError
from sqlbench.policies import load_policy, save_policy


@pytest.fixture(scope="module")
def table() -> RepairTable:
    rng = np.random.default_rng(3)
    classes = [ErrorClass(c) for c in rng.choice([str(c) for c in ErrorClass], 60)]
    arms = (*map(str, ARMS), RESAMPLE)
    right = rng.random((60, len(arms), 2)) < rng.random(len(arms))[None, :, None]
    return RepairTable(
        name="made",
        arms=arms,
        question_ids=tuple(f"q{i}" for i in range(60)),
        db_ids=("db",) * 60,
        contexts=tuple(map(str, classes)),
        features=np.array([featurize(Context(c, 2)) for c in classes]),
        feature_names=FEATURE_NAMES,
        successes=right,
        rewards=right + rng.normal(0, 0.1, right.shape),
        rules=obvious_rules(),
        tokens=rng.uniform(100, 900, right.shape),
    )


@pytest.mark.parametrize(
    "spec", ["ucb1", "table", "pooled", "linucb", "hybrid", "cost-aware?price=0.2", "halving"]
)
def test_what_is_taught_is_what_a_replayed_policy_is_told(table, spec):
    live, twin = taught(spec, table), stacked_policy(spec, table, 1)
    tell(twin, np.arange(len(table)))
    for row in range(len(table)):
        scores = live.scores(Context(ErrorClass(table.contexts[row]), 2))
        assert scores == pytest.approx(twin.scores(np.array([row]))[0], abs=1e-9)


def test_it_is_saved_as_any_policy_is(table, tmp_path):
    live = taught("hybrid", table)
    save_policy(live, tmp_path / "hybrid.npz")
    loaded = load_policy(tmp_path / "hybrid.npz")
    context = Context(ErrorClass.NO_SUCH_COLUMN, 2)
    assert (loaded.scores(context) == live.scores(context)).all()


def test_signals_are_part_of_what_it_sees(table):
    seen = np.random.default_rng(0).random((len(table), len(SIGNAL_FEATURES)))
    spec = "linucb?features=class,signals"
    one, other = (taught(spec, replace(table, signals=s)) for s in (seen, 1 - seen))
    context = Context(ErrorClass.WRONG_RESULT, 2, signals=tuple(seen[0]))
    assert (one.scores(context) != other.scores(context)).any()


def test_what_it_cannot_be_taught_is_said(table):
    with pytest.raises(ConfigError, match="'rules' learns nothing"):
        taught("rules", table)
    with pytest.raises(TableError, match="loaded without"):
        taught("linucb?features=class,signals", table)
    with pytest.raises(TableError, match="lacks"):
        taught("linucb?arms=keep,fix_column", table)
    with pytest.raises(TableError, match="the context 'none'"):
        taught("linucb", replace(table, contexts=("none",) * len(table)))
    with pytest.raises(TableError, match="what each call used"):
        taught("cost-aware", replace(table, tokens=None))
