"""The real repair table: read as it is, and judged on databases that were never seen."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sqlbench.evidence.crossvalidate import BEST_ELSEWHERE, OPTIMUM, cross_validate, gap_by_arm
from sqlbench.evidence.repair_table import RepairTable, TableError
from sqlbench.evidence.replay import replay
from sqlbench.evidence.table_files import load_table
from sqlbench.evidence.traces import BIRD_TABLE, load_bird_table
from sqlbench.exceptions import ConfigError


@pytest.fixture(scope="module")
def bird(traces_dir) -> RepairTable:
    return load_table(traces_dir / BIRD_TABLE)


@pytest.mark.shared
def test_the_real_table_has_the_counts_of_its_readme(bird):
    assert len(bird) == 1035
    assert len(set(bird.db_ids)) == 8
    assert bird.arms == ("keep", "rule_exe", "llm_plain", "llm_exe", "llm_value")
    right = dict(zip(bird.arms, bird.successes[:, :, 0].sum(axis=0).tolist(), strict=True))
    assert right == {
        "keep": 501, "rule_exe": 544, "llm_plain": 558, "llm_exe": 565, "llm_value": 567
    }  # fmt: skip
    assert bird.optimum().sum() == 619
    assert sum(c != "none" for c in bird.contexts) == 141
    assert not bird.simulated


@pytest.mark.shared
def test_nothing_of_the_gold_is_in_a_context(traces_dir, bird, tmp_path):
    """Turn every outcome and the gold over: contexts and features stay what they are."""
    changed = []
    for line in (traces_dir / BIRD_TABLE).read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        record["before_right"] = not record["before_right"]
        record["gold"] = "SELECT 1"
        record["before_class"] = "changed"
        for repair in record["repairs"].values():
            repair |= {"right": not repair["right"], "sql": "", "after_class": "", "message": ""}
        changed.append(json.dumps(record))
    path = tmp_path / "changed.jsonl"
    path.write_text("\n".join(changed), encoding="utf-8")
    other = load_bird_table(path)
    assert other.contexts == bird.contexts
    assert (other.features == bird.features).all()
    assert (other.successes != bird.successes).all()


@pytest.mark.shared
def test_learning_from_changes_leaves_what_is_measured_and_lessens_the_noise(bird):
    changes = bird.changes()
    assert (changes.successes == bird.successes).all() and (changes.means == bird.means).all()
    assert (changes.rewards[:, bird.arms.index("keep")] == 0).all()
    best = [bird.arms.index(arm) for arm in ("llm_plain", "llm_exe", "llm_value")]
    less = 1 - changes.rewards.var(axis=0)[best] / bird.rewards.var(axis=0)[best]
    assert less.round(2).ravel().tolist() == [0.52, 0.52, 0.46], "as the docs say"
    plain, changed = (
        cross_validate(t, ["halving?budget=800", "fixed:keep"], range(6)).summary()
        for t in (bird, changes)
    )
    plain, changed = plain.set_index("policy"), changed.set_index("policy")
    assert (plain.loc["fixed:keep"] == changed.loc["fixed:keep"]).all()
    learner = "halving?budget=800"
    assert changed.loc[learner, "difference"] > plain.loc[learner, "difference"]


def test_changes_need_what_was_there_before():
    with pytest.raises(TableError, match="needs the outcomes of 'keep'"):
        _two_databases(40).changes()


@pytest.mark.shared
def test_no_policy_is_shown_to_close_the_gap(bird):
    """The README's finding, in a reduced form."""
    found = cross_validate(bird, ["linucb", "table", "rules"], range(3))
    summary = found.summary().set_index("policy")
    assert found.baseline == "fixed:llm_value"
    assert (summary.loc[["linucb", "table", "rules"], "difference_low"] <= 0).all()
    assert summary.loc["rules", "difference_high"] < 0
    assert summary.loc[OPTIMUM, "gap_closed"] == 1
    assert summary.loc[found.baseline, "gap_closed"] == 0
    assert summary.loc[BEST_ELSEWHERE, "right"] <= summary.loc[found.baseline, "right"]


@pytest.mark.shared
def test_the_gap_is_counted_by_arm(bird):
    gap = gap_by_arm(bird).set_index("arm")
    assert gap["right"].max() <= 619 - 567
    assert gap.loc["keep", "wrong"] - gap.loc["keep", "right"] == 567 - 501


@pytest.mark.shared
def test_arms_that_the_real_table_lacks_are_refused_by_name(bird):
    for spec, said in (("fixed:fix_column", "fix_column"), ("resample", "resample")):
        with pytest.raises(TableError, match=said):
            replay(bird, [spec], [0, 1])
    with pytest.raises(TableError, match="stored records"):
        replay(bird, ["oracle"], [0, 1])


def _two_databases(n: int, seed: int = 0) -> RepairTable:
    """In which the arm `b` is right exactly where the feature is 1, and `a` where it is 0."""
    signal = np.random.default_rng(seed).integers(2, size=n)
    right = np.stack([signal == 0, signal == 1], axis=1)[:, :, None]
    return RepairTable(
        name="made",
        arms=("a", "b"),
        question_ids=tuple(f"q{i}" for i in range(n)),
        db_ids=tuple(f"db{i % 4}" for i in range(n)),
        contexts=("none",) * n,
        features=np.stack([np.ones(n), signal], axis=1).astype(float),
        feature_names=("bias", "signal"),
        successes=right,
        rewards=right.astype(float),
    )


def test_a_gap_that_features_tell_is_closed_by_linucb_and_not_by_a_table():
    """The procedure finds what is there: otherwise it could not say that nothing is."""
    summary = cross_validate(_two_databases(400), ["linucb", "table"], range(3)).summary()
    gap = summary.set_index("policy")["gap_closed"]
    assert gap["linucb"] > 0.95
    assert abs(gap["table"]) < 0.2


def test_a_policy_never_learns_from_the_database_that_it_decides_for():
    table = _two_databases(200)
    lying = table.successes.copy()
    held = np.array(table.db_ids) == "db0"
    lying[held] = ~lying[held]
    told = cross_validate(table, ["linucb"], range(2)).values["linucb"][held]
    lied = cross_validate(
        replace(table, successes=lying, rewards=lying.astype(float)), ["linucb"], range(2)
    ).values["linucb"][held]
    assert np.allclose(told, 1 - lied), "the same choices, judged the other way round"


def test_one_database_alone_cannot_be_held_out():
    table = replace(_two_databases(20), db_ids=("db",) * 20)
    with pytest.raises(ConfigError, match="'db' alone"):
        cross_validate(table, ["linucb"], range(2))


def test_files_that_are_no_real_table_are_refused(tmp_path):
    with pytest.raises(TableError, match="does not exist"):
        load_bird_table(tmp_path / "none.jsonl")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"a": 1}\n', encoding="utf-8")
    with pytest.raises(TableError, match="expected the fields"):
        load_bird_table(broken)
    broken.write_text('{"a": \n', encoding="utf-8")
    with pytest.raises(TableError, match="line 1"):
        load_bird_table(broken)
