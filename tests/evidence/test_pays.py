"""Worlds of measured failures and assumed matrices: what is in them, and what is read off them."""

from __future__ import annotations

import numpy as np
import pytest

from sqlbench.episodes.context import SIGNAL_FEATURES
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS, RepairAction
from sqlbench.evidence.pays import (
    BEST_FIXED,
    ORACLE,
    RANDOM,
    Paid,
    crossings,
    paid_table,
    play,
    play_all,
)
from sqlbench.evidence.sensitivity import sharpened
from sqlbench.evidence.worlds import POINTS_AT, Failures, make_world, pointed_at, shares_of
from sqlbench.exceptions import ConfigError
from sqlbench.models.simulated.profile import load_profile


def speaking(*kinds: str) -> list[float]:
    return [float(name in {f"speaks={k}" for k in kinds}) for name in SIGNAL_FEATURES]


@pytest.fixture(scope="module")
def failures() -> Failures:
    classes = (ErrorClass.WRONG_RESULT, ErrorClass.EMPTY_RESULT, ErrorClass.NO_SUCH_COLUMN)
    signals = np.array([speaking("columns"), speaking(), speaking("joins", "request")])
    return Failures("model", 0.6, classes, np.array([0.5, 0.25, 0.25]), signals)


def test_signals_point_at_the_arm_of_the_most_specific_kind_that_speaks():
    block = np.array([speaking("result", "joins"), speaking(), speaking("structure")])
    found = pointed_at(block).tolist()
    assert found == [ARMS.index(POINTS_AT["joins"]), -1, ARMS.index(RepairAction.ADD_GROUPBY)]
    assert set(POINTS_AT) == {n[7:] for n in SIGNAL_FEATURES if n.startswith("speaks=")}


@pytest.mark.parametrize("sharpness", [1.0, 0.25])
def test_a_world_holds_the_classes_at_their_shares_and_the_sharpened_matrix(failures, sharpness):
    world = make_world(failures, sharpness, np.random.default_rng(0), rows=4000, samples=2)
    matrix = sharpened(load_profile("default"), sharpness)
    for row, context in zip(world.expected, world.contexts, strict=True):
        assert row.tolist() == [matrix[context][str(a)] for a in ARMS]
    for name, share in shares_of(failures).items():
        assert world.contexts.count(name) / 4000 == pytest.approx(share, abs=0.03)
    assert world.successes.mean() == pytest.approx(world.expected.mean(), abs=0.01)
    assert world.simulated and world.signals is None


def test_in_the_world_of_signals_the_arm_they_point_at_helps_best_where_nothing_raised(failures):
    world = make_world(failures, 1.0, np.random.default_rng(0), signals=True, rows=300)
    matrix = sharpened(load_profile("default"), 1.0)
    for row, context, pointed in zip(
        world.expected, world.contexts, pointed_at(world.signals), strict=True
    ):
        plain = [matrix[context][str(a)] for a in ARMS]
        assert sorted(row) == sorted(plain), "as sharp as before"
        if context == "wrong_result":
            assert np.argmax(row) == pointed == ARMS.index(RepairAction.FIX_COLUMN)
        else:
            assert row.tolist() == plain, "raised, or nothing speaks"


def test_a_policy_that_sees_the_signals_learns_what_its_blind_twin_cannot(failures):
    mixed = Failures(
        "mixed",
        0.6,
        (ErrorClass.WRONG_RESULT,) * 3,
        np.ones(3) / 3,
        np.array([speaking("columns"), speaking("joins"), speaking("conditions")]),
    )
    found = play(mixed, "signals", ("hybrid", "rules"), seeds=range(4), decisions=600)
    assert found.values["hybrid"].mean() > found.values["hybrid, class alone"].mean() + 0.1
    with pytest.raises(ConfigError, match="not measured"):
        play(Failures.of_profile("chatgpt"), "signals", seeds=range(2), decisions=20)


def test_no_policy_beats_the_oracle_and_the_exact_ones_are_what_they_say(failures):
    found = play(failures, "half", ("table", "rules"), seeds=range(3), decisions=300)
    matrix = sharpened(load_profile("default"), 0.5)
    means = {c: np.array([matrix[c][str(a)] for a in ARMS]) for c in map(str, failures.classes)}
    assert (found.values[ORACLE] >= found.values["table"] - 1e-12).all()
    assert set(found.values[RANDOM].ravel().round(9)) <= {m.mean().round(9) for m in means.values()}
    assert found.values[BEST_FIXED].mean() <= found.values[ORACLE].mean()
    frame = paid_table([found]).set_index("policy")
    assert frame.loc[ORACLE, "gap_closed"] == pytest.approx(1.0)
    assert frame.loc[RANDOM, "gap_closed"] == pytest.approx(0.0)
    assert frame.loc["rules", "rules"] == frame.loc["rules", "rules_low"] == 0.0
    expected = 100 * (found.values["table"] - found.values["rules"]).mean()
    assert frame.loc["table", "rules"] == pytest.approx(expected)


def test_what_comes_out_depends_on_the_seed_and_not_on_company_or_processes(failures):
    models = [failures, Failures.of_profile("chatgpt")]
    options = {"seeds": range(3), "decisions": 60}
    together = play_all(models, ("full", "signals"), ("linucb",), **options)
    assert [(p.name, p.setting) for p in together] == [
        ("model", "full"),
        ("model", "signals"),
        ("chatgpt", "full"),
    ]
    apart = play_all(models, ("full", "signals"), ("linucb",), **options, processes=2)
    alone = play(models[1], "full", ("linucb", "table"), **options)
    for one, other in zip(together, apart, strict=True):
        assert (one.values["linucb"] == other.values["linucb"]).all()
    assert (alone.values["linucb"] == together[-1].values["linucb"]).all()


def test_the_crossing_is_where_the_sum_turns_and_stays():
    behind, ahead = np.full((4, 10), -1.0), np.full((4, 30), 1.0)
    curve = np.hstack([behind, ahead])
    world = Paid("m", "full", 0.5, {"a": curve, "b": np.zeros_like(curve)})
    assert world.crossing("a", "b") == (21.0, 21.0, 21.0), "ten behind, ten to make up"
    assert world.crossing("b", "a")[0] == np.inf
    late = world.values["a"].copy()
    late[:, -1] = -100.0
    falls = Paid("m", "full", 0.5, {"a": late, "b": np.zeros_like(curve)})
    assert falls.crossing("a", "b")[0] == np.inf, "ahead, but not to the end"
    frame = crossings([world], "a", ["b"])
    assert frame[["crossing", "low", "high"]].to_numpy().tolist() == [[21.0, 21.0, 21.0]]


@pytest.mark.parametrize(
    ("setting", "seeds", "said"), [("dull", 3, "dull"), ("full", 1, "at least")]
)
def test_a_wrong_setting_or_too_few_seeds_are_refused(failures, setting, seeds, said):
    with pytest.raises(ConfigError, match=said):
        play(failures, setting, seeds=range(seeds), decisions=10)
