"""Earlier records: counts are read as they stand, and a policy is told no more than them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sqlbench.evidence.crossvalidate import BEST_EARLIER, BEST_ELSEWHERE, cross_validate
from sqlbench.evidence.earlier import check_others, joined, load_earlier, tell
from sqlbench.evidence.repair_counts import REPAIR_COUNTS
from sqlbench.evidence.repair_table import RepairTable, TableError
from sqlbench.evidence.replay import replay
from sqlbench.evidence.stacked import stacked_policy
from sqlbench.evidence.table_files import load_table
from sqlbench.evidence.traces import BIRD_TABLE
from sqlbench.exceptions import ConfigError


def _table(n: int, best: int = 1, *, seed: int = 0, name: str = "made", samples: int = 1):
    """The arm numbered ``best`` is right in nine of ten rows, the other in five."""
    rng = np.random.default_rng(seed)
    chance = np.where(np.arange(2) == best, 0.9, 0.5)
    right = rng.random((n, 2, samples)) < chance[None, :, None]
    return RepairTable(
        name=name,
        arms=("a", "b"),
        question_ids=tuple(f"{name}{i}" for i in range(n)),
        db_ids=tuple(f"{name}/db{i % 4}" for i in range(n)),
        contexts=("none",) * n,
        features=np.ones((n, 1)),
        feature_names=("bias",),
        successes=right,
        rewards=right.astype(float),
    )


@pytest.fixture(scope="module")
def bird(traces_dir) -> RepairTable:
    return load_table(traces_dir / BIRD_TABLE)


@pytest.mark.shared
def test_counts_hold_the_answers_that_the_table_does_not(traces_dir, bird):
    """Sums by hand from the file: 1,534 answers of the study, 668 of them right at first."""
    counts = load_earlier(traces_dir / REPAIR_COUNTS, bird)
    assert len(counts) == 1534 - 1035 and counts.arms == bird.arms
    right = dict(zip(counts.arms, counts.successes[:, :, 0].sum(axis=0).tolist(), strict=True))
    fixed_less_broken = {"rule_exe": 78 - 4, "llm_plain": 150 - 50}
    fixed_less_broken |= {"llm_exe": 160 - 51, "llm_value": 176 - 55}
    table = dict(zip(bird.arms, bird.successes[:, :, 0].sum(axis=0).tolist(), strict=True))
    assert right["keep"] == 668 - table["keep"] == 167
    for arm, net in fixed_less_broken.items():
        assert right[arm] == 668 + net - table[arm]
    raised = np.array(counts.contexts) != "none"
    assert raised.sum() == (1534 - 668 - 648) - 141
    assert counts.feature_names[0] == "bias"
    assert set(counts.feature_names) < set(bird.feature_names)
    assert not counts.simulated and "by class alone" in counts.notes[0]


@pytest.mark.shared
def test_every_policy_that_was_told_the_counts_ends_near_the_best_fixed_arm(traces_dir, bird):
    counts = load_earlier(traces_dir / REPAIR_COUNTS, bird)
    policies = ["ucb1", "linucb", "pooled"]
    alone = cross_validate(bird.changes(), policies, range(6)).summary().set_index("policy")
    told = cross_validate(bird.changes(), policies, range(6), earlier=counts.changes())
    summary = told.summary().set_index("policy")
    assert (summary.loc[policies, "difference"] > alone.loc[policies, "difference"]).all()
    assert summary.loc["ucb1", "difference"] >= -0.003, "the docs say so, of a hundred seeds"
    assert summary.loc[BEST_EARLIER, "difference"] == 0, "there llm_value is best, too"
    assert "499 rows" in told.card().plain()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda line: "" if "LLM-Exe" in line and ",right," in line else line, "does not count"),
        (lambda line: line.replace("LLM-Exe", "Other"), "'llm_exe' on 0 pairs of benchmark"),
        (lambda line: line.replace(",no_such_column,", ",NO_SUCH_COLUMN,"), "'NO_SUCH_COLUMN'"),
        (
            lambda line: line.replace(",ambiguous_column,2,0,", ",ambiguous_column,2,3,"),
            "fixed = 3",
        ),
        (lambda line: line.replace(",ambiguous_column,2,", ",ambiguous_column,2.5,"), "n = 2.5"),
        (lambda line: line.replace(",ambiguous_column,2,", ",ambiguous_column,2a,"), "n = 2a"),
        (
            lambda line: line.replace(",ambiguous_column,2,0,", ",ambiguous_column,2,,"),
            "fixed = nan",
        ),
        (lambda line: line.replace(",before_class,", ",class,"), "lacks the column 'before_class'"),
    ],
)
def test_counts_of_other_records_are_refused(traces_dir, bird, tmp_path, change, said):
    lines = (traces_dir / REPAIR_COUNTS).read_text(encoding="utf-8").splitlines()
    path = tmp_path / "counts.csv"
    path.write_text("\n".join(map(change, lines)), encoding="utf-8")
    with pytest.raises(TableError, match=said):
        load_earlier(path, bird)


@pytest.mark.shared
def test_the_table_itself_is_no_earlier_record(traces_dir, bird):
    with pytest.raises(TableError, match="1035 of the questions"):
        load_earlier(traces_dir / BIRD_TABLE, bird)
    with pytest.raises(TableError, match="does not exist"):
        load_earlier(traces_dir / "none.csv", bird)


def test_what_is_told_is_what_the_policy_would_have_learned_itself():
    table, earlier = _table(40), _table(30, name="other", samples=2)
    whole = joined(table, earlier)
    told, learned = (stacked_policy("ucb1", whole, 3) for _ in range(2))
    rows = np.arange(len(table), len(whole))
    tell(told, rows)
    for row in range(len(earlier)):
        for column in range(2):
            mean = earlier.rewards[row, column].mean()
            learned.learn(np.full(3, 40 + row), np.full(3, column), np.full(3, mean))
    assert (told.estimates(np.zeros(3, int)) == learned.estimates(np.zeros(3, int))).all()
    assert (told.estimates(np.zeros(3, int))[0] == earlier.rewards.mean(axis=(0, 2))).all()


def test_the_rows_and_the_orders_are_those_of_the_table_without_earlier_records():
    table, earlier = _table(60), _table(40, name="other")
    alone, after = (replay(table, ["ucb1"], [0, 1], earlier=e) for e in (None, earlier))
    assert (alone.rows == after.rows).all() and after.table is table
    share = {e: (r.chosen["ucb1"][:, :10] == 1).mean() for e, r in ((0, alone), (1, after))}
    assert share[1] > share[0], "it knows which arm is better"


def test_arms_are_matched_by_name_whatever_their_order():
    table, earlier = _table(40), _table(200, name="other")
    turned = replace(
        earlier, arms=("b", "a"), successes=earlier.successes[:, ::-1],
        rewards=earlier.rewards[:, ::-1],
    )  # fmt: skip
    one, other = (replay(table, ["ucb1", "linucb"], [0, 1], earlier=e) for e in (earlier, turned))
    assert all((one.chosen[p] == other.chosen[p]).all() for p in one.chosen)


def test_records_of_the_database_that_is_held_out_are_not_told():
    """There the earlier records say the opposite: whoever had heard of it would choose it."""
    table = _table(80)
    where_told = _table(200, name="other")
    lying = _table(4000, best=0, name="liar")
    earlier = replace(lying, db_ids=("made/db0",) * len(lying))
    with pytest.raises(ConfigError, match="hold the database 'made/db0' alone"):
        cross_validate(table, ["ucb1"], [0, 1], earlier=earlier)
    both = joined(where_told, earlier)
    held = np.array(table.db_ids) == "made/db0"
    chosen = cross_validate(table, ["ucb1"], [0, 1], earlier=both)
    arm = table.means[held]
    assert (chosen.values["ucb1"][held] == arm[:, 1]).all(), "the liar was not heard"
    other = ~held
    assert (chosen.values["ucb1"][other] == table.means[other, 0]).all(), "here it was"
    assert (chosen.values[BEST_ELSEWHERE][held] == arm[:, 1]).all()


def test_the_best_fixed_arm_is_that_of_the_exact_means():
    """Where the earlier records have more samples: half right is neither right nor wrong."""
    table = replace(_table(40), db_ids=tuple(f"made/db{i % 2}" for i in range(40)))
    half = np.tile([[[True, False], [True, True]], [[True, False], [False, False]]], (30, 1, 1))
    half = np.concatenate([half, half[:1] * [[[1], [0]]]]).astype(bool)  # a: 1/2, b: less
    earlier = replace(
        _table(61, name="other", samples=2), successes=half, rewards=half.astype(float)
    )
    assert np.argmax(earlier.means.mean(axis=0)) == 0
    found = cross_validate(table, ["ucb1"], [0, 1], earlier=earlier)
    assert (found.values[BEST_EARLIER] == table.means[:, 0]).all()


def test_questions_of_another_suite_may_have_the_same_names():
    table = replace(_table(40), suite_hash="one", model="m")
    earlier = replace(_table(40), suite_hash="two", model="m")
    assert len(replay(table, ["ucb1"], [0, 1], earlier=earlier).rows) == 2
    with pytest.raises(TableError, match="answered by the same model"):
        check_others(table, replace(earlier, suite_hash="one"))
    check_others(table, replace(earlier, suite_hash="one", model="n"))
    check_others(table, earlier)


def test_tables_that_know_nothing_alike_are_refused():
    table = _table(20)
    with pytest.raises(TableError, match="no feature alike"):
        joined(table, replace(_table(20, name="other"), feature_names=("length",)))
