"""Replays on repair tables: exact, like the live policies, and refused where they cannot be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS
from sqlbench.evidence.crossvalidate import cross_validate
from sqlbench.evidence.repair_table import RepairTable, TableError
from sqlbench.evidence.replay import replay, seeded_order
from sqlbench.evidence.sensitivity import first_win, sharpened, sweep
from sqlbench.evidence.stacked.linear import rotated
from sqlbench.evidence.synthetic import synthetic_table
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.models.simulated.profile import load_profile
from sqlbench.plots.evidence import replay_curves
from sqlbench.policies import make_policy
from sqlbench.policies.cost_aware import price_of
from sqlbench.policies.simple import OBVIOUS_ARM
from sqlbench.seeds import Role, generator


@pytest.fixture(scope="module")
def table() -> RepairTable:
    profile = load_profile("default")
    shares = {str(c): v for c, v in profile.first_attempt.items()}
    made = synthetic_table(sharpened(profile, 1.0), shares, 200, np.random.default_rng(0))
    return replace(made, tokens=np.random.default_rng(1).uniform(100, 900, made.rewards.shape))


LEARNERS = [
    "linucb",
    "linucb?alpha=0.7&decay=1&epsilon=0.2",
    "linucb?gamma=0.97",
    "linucb?gamma=0.9",
    "hybrid",
    "hybrid?alpha=1.2&decay=0.99&ridge=0.7&epsilon=0.1",
    "cost-aware?price=0.4",
    "pooled?alpha=0.8",
    "halving?budget=120",
    "epsilon-greedy",
    "table",
    "ucb1?c=0.5",
    "lints",
    "rules?epsilon=0.3",
    "random",
    "fixed:fix_column",
]


@pytest.mark.parametrize("spec", LEARNERS)
def test_a_replay_chooses_what_the_live_policy_would(table, spec):
    """The live policy, asked one decision after the other with the same random numbers."""
    found = replay(table, [spec], [3, 4], 400)
    rows, samples = seeded_order(np.arange(len(table)), 1, [4], 400)
    assert (rows[0] == found.rows[1]).all()
    policy = make_policy(spec)
    rng = generator(4, Role.POLICY, "replay")
    normals = rng.standard_normal((400, len(ARMS))) if spec.startswith("lints") else None
    uniforms = rng.random(400)
    chosen = []
    for t, row in enumerate(rows[0]):
        context = Context(ErrorClass(table.contexts[row]), 2)
        fake = _Numbers(None if normals is None else normals[t], uniforms[t])
        decision = policy.select(context, fake)  # type: ignore[arg-type]
        column = ARMS.index(decision.action)
        cell = row, column, samples[0, t]
        paid = price_of(policy) * table.tokens[cell] / 1000
        policy.update(context, decision.action, table.rewards[cell] - paid)
        policy.end_episode()
        chosen.append(column)
    assert chosen == found.chosen[spec][1].tolist()


class _Numbers:
    """Hands out given random numbers."""

    def __init__(self, normals, uniform):
        self.normals, self.uniform = normals, uniform

    def standard_normal(self, n):
        assert n == len(self.normals)
        return self.normals

    def random(self):
        return self.uniform


@pytest.mark.parametrize("spec", ["hybrid", "pooled", "halving?budget=60", "linucb", "random"])
def test_a_replay_chooses_among_the_arms_that_the_spec_names(table, spec):
    arms = ("fix_column", "rewrite_cte", "fix_syntax")
    named = f"{spec}{'&' if '?' in spec else '?'}arms={','.join(arms)}"
    found = replay(table, [named], [3, 4], 300)
    assert {table.arms[c] for c in found.chosen[named].ravel()} == set(arms)


def test_what_calls_used_must_be_known_where_it_costs(table):
    with pytest.raises(TableError, match="used"):
        replay(replace(table, tokens=None), ["cost-aware"], [0, 1])


def test_a_seed_gives_the_same_choices_whatever_the_other_seeds_are(table):
    one, two = replay(table, ["lints"], [5, 6], 150), replay(table, ["lints"], [9, 5], 150)
    assert (one.chosen["lints"][0] == two.chosen["lints"][1]).all()


def test_a_seed_that_is_named_twice_counts_once(table):
    """Else an interval over seeds would be as narrow as one wishes."""
    once, twice = (replay(table, ["random"], seeds, 50) for seeds in ([3, 4], [3, 4, 4, 3]))
    assert twice.seeds == (3, 4)
    assert twice.summary().equals(once.summary())


def test_policies_meet_the_same_rows_and_every_pass_asks_each_row_once(table):
    found = replay(table, ["random", "table"], [0, 1], 2 * len(table))
    for row in found.rows:
        assert sorted(row[: len(table)]) == list(range(len(table)))
        assert sorted(row[len(table) :]) == list(range(len(table)))
        assert (row[: len(table)] != row[len(table) :]).any(), "a fresh order on every pass"


def test_regret_is_taken_on_mean_outcomes_against_the_best_arm_of_each_class(table):
    found = replay(table, ["oracle", "random", "fixed:fix_column"], range(4))
    assert abs(found.regret("oracle")).max() < 1e-9
    matrix = load_profile("default").repair
    want = sum(
        max(matrix[ErrorClass(c)].values()) - matrix[ErrorClass(c)]["fix_column"]
        for c in table.contexts
    )
    assert found.regret("fixed:fix_column")[:, -1] == pytest.approx(want)
    summary = found.summary()
    assert summary["policy"].tolist()[0] == "oracle"
    (known,) = summary.dropna().to_dict("records")  # of the others all seeds agree
    assert known["policy"] == "random" and known["low"] <= known["fixed"] <= known["high"]


def test_learners_beat_chance_and_stay_below_the_best_policy(table):
    found = replay(table, ["linucb", "lints", "table", "random", "oracle"], range(10), 1000)
    value = found.summary().set_index("policy")["fixed"]
    assert value["random"] < value[["linucb", "lints", "table"]].min()
    assert value[["linucb", "lints", "table"]].max() < value["oracle"]


@pytest.mark.filterwarnings("error")
def test_where_all_seeds_agree_the_band_is_unknown_and_figures_leave_it_out(table):
    found = replay(table, ["fixed:fix_column", "oracle", "linucb"], [0, 1, 2], len(table))
    summary = found.summary().set_index("policy")
    fixed = summary.loc["fixed:fix_column"]  # one pass: each seed asks every row, in its own order
    assert np.isnan([fixed.low, fixed.high, fixed.regret_low, fixed.regret_high]).all()
    assert np.isfinite(summary.loc["linucb", ["low", "high", "regret_low"]].to_numpy(float)).all()
    assert tuple(summary.loc["oracle", ["regret_low", "regret_high"]]) == (0.0, 0.0)
    cells = {row[0]: row for row in found.grid().rows}
    assert "[interval unknown]" in cells["fixed:fix_column"][1]
    assert cells["oracle"][3] == "0.0 [0.0, 0.0]"
    FigureCanvasAgg(replay_curves(found).figure).draw()


def test_rotation_keeps_all_inner_products():
    rng = np.random.default_rng(1)
    features = rng.random((40, 3)) @ rng.random((3, 9))
    turned = rotated(features)
    assert turned.shape == (40, 3)
    assert np.allclose(turned @ turned.T, features @ features.T, atol=1e-12)


@pytest.mark.parametrize(
    ("specs", "seeds", "error", "said"),
    [
        (["linucb"], [0], ConfigError, "at least 2"),
        (["linucb"], [1, 1], ConfigError, "at least 2"),
        ([], [0, 1], ConfigError, "at least one policy"),
        (["linucbb"], [0, 1], UnknownNameError, "linucbb"),
        (["linucb?alfa=1"], [0, 1], UnknownNameError, "alfa"),
        (["linucb?alpha=-1"], [0, 1], ConfigError, "alpha"),
        (["linucb?gamma=0"], [0, 1], ConfigError, "gamma"),
        (["table?epsilon=2"], [0, 1], ConfigError, "epsilon"),
        (["resample"], [0, 1], TableError, "'resample'"),
        (["fixed:llm_exe"], [0, 1], TableError, "'llm_exe'"),
    ],
)
def test_what_cannot_be_replayed_is_refused_by_name(table, specs, seeds, error, said):
    with pytest.raises(error, match=said):
        replay(table, specs, seeds)


def test_rules_are_refused_where_the_table_has_none(table):
    with pytest.raises(TableError, match="rules"):
        replay(replace(table, rules=None), ["rules"], [0, 1])


def test_rewards_that_are_not_finite_are_refused(table):
    rewards = table.rewards.copy()
    rewards[0, 0, 0] = np.nan
    with pytest.raises(TableError, match="finite"):
        replace(table, rewards=rewards)


def test_where_all_arms_are_alike_no_policy_is_ahead():
    profile = load_profile("default")
    frame = sweep(
        profile,
        {"wrong_result": 1.0, "empty_result": 0.5},
        sharpness=[0.0, 1.0],
        policies=["table", "random"],
        seeds=range(5),
        decisions=600,
        checkpoints=[100, 600],
    )
    assert frame[frame["sharpness"] == 0]["difference"].abs().max() < 1e-9
    wins = first_win(frame, "random")
    assert wins[0.0] is None
    assert wins[1.0] in (100, 600)


def test_rules_have_an_arm_for_every_class_in_replays_and_with_databases_held_out():
    chances = {str(c): dict.fromkeys(map(str, ARMS), 0.5) for c in ErrorClass}
    shares = dict.fromkeys(chances, 1.0)
    table = synthetic_table(chances, shares, 200, np.random.default_rng(0))
    assert set(table.contexts) == set(chances)
    found = replay(table, ["rules", "random"], [0, 1], 50)
    told = {c: table.arm(str(OBVIOUS_ARM[ErrorClass(c)]), "rules") for c in chances}
    rows, _ = seeded_order(np.arange(200), 1, [0, 1], 50)
    expected = [[told[table.contexts[i]] for i in order] for order in rows]
    assert found.chosen["rules"].tolist() == expected
    apart = replace(table, db_ids=tuple(f"d{i % 2}" for i in range(200)))
    assert "rules" in cross_validate(apart, ["rules", "random"], [0, 1]).values
