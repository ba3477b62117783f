"""Figures of doubts against what they are by hand, and chains of repairs under gate and audit."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from plain_weights import plain_weights
from small_bird import write

import sqlbench as sb
from sqlbench.evidence import doubt_figures as figures
from sqlbench.evidence.real_chains import chains_table, gate_curve, read_chains, told
from sqlbench.evidence.stored_answers import measure_systems, read_systems
from sqlbench.exceptions import ConfigError
from sqlbench.signals.train import area


def judged(doubt, wrong, weight=None, database=None):
    n = len(doubt)
    return figures.Judged(
        np.array(doubt, float),
        np.array(wrong, float),
        np.ones(n) if weight is None else np.array(weight, float),
        np.ones(n, bool),
        np.array(["a"] * n if database is None else database),
        np.arange(n),
    )


def test_the_area_is_that_of_pairs_with_ties_for_half():
    found = judged([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0], [2, 1, 1, 1])
    assert figures.auc(found).estimate == pytest.approx(5.5 / 6)
    assert figures.auc(found).estimate == pytest.approx(
        area(found.wrong, found.doubt, found.weight)
    )
    right, wrong = figures.roc(found)
    assert np.trapezoid(wrong, right) == pytest.approx(5.5 / 6)


def test_calibration_and_precision_are_those_by_hand():
    found = judged([0.95, 0.95, 0.15, 0.15], [1, 0, 0, 0])
    assert figures.calibration_error(found).estimate == pytest.approx((0.45 + 0.15) / 2)
    assert figures.precision(found, 0.5) == 0.5
    assert figures.risk_at(found, 0.5) == 0.0


def test_what_a_kind_adds_is_paired():
    rng = np.random.default_rng(0)
    wrong = rng.integers(0, 2, 200)
    found = judged(0.3 * wrong + rng.uniform(0, 0.6, 200), wrong, database=np.arange(200) % 5)
    noise = rng.uniform(size=200)
    table = figures.what_each_adds(found, {"nothing": found.doubt, "all": noise})
    all_rows = table[table["answers"] == "all"].set_index("kind")
    assert all_rows.loc["nothing", "lost"] == 0
    assert all_rows.loc["all", "low"] > 0


@pytest.fixture
def bird(tmp_path):
    """A chain that mends one answer, breaks one, and leaves one."""
    write(tmp_path)
    good = "SELECT COUNT(*) FROM frpm WHERE `Charter School (Y/N)` = 1"
    answers = {0: ("SELECT nope FROM frpm", 0, good, 1), 1: (good, 1, "SELECT nope", 0),
               7: (good, 1, good, 1), 9: (good, 1, good, 1)}  # fmt: skip
    rows = []
    for number, (old, was, new, became) in answers.items():
        for source, sql, right in (("m/before", old, was), ("m/after", new, became)):
            rows.append({"source": source, "question_id": number, "pred": sql, "bird_ex": right})
    (tmp_path / "chains.json").write_text(json.dumps({"m": ["m/before", "m/after"]}))
    with gzip.open(tmp_path / "predictions.jsonl.gz", "wt") as file:
        file.write("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_gate_and_audit_keep_what_a_repair_breaks_and_take_what_it_mends(bird):
    suite = sb.load_suite(f"bird:{bird}")
    chains = read_chains(bird, suite, weights=plain_weights(), progress=False)
    (row,) = chains_table(chains, 0.5).to_dict("records")
    n = row["questions"]
    assert (row["first"], row["last"], row["fixed"], row["broken"]) == (n - 1, n - 1, 1, 1)
    assert row["gated"] == row["audited"] == n
    assert (row["gated_repairs"], row["repairs"]) == (1, n)
    assert (row["audited_fixed"], row["audited_broken"]) == (1, 0)
    curve = gate_curve(chains, [0.0, 0.5])
    assert list(curve["repairs"]) == [1.0, 1 / n]
    assert told(chains).set_index("fact").loc["names", "wrong"] == 1


def test_a_chain_that_lacks_an_answer_is_one_sentence(bird):
    suite = sb.load_suite(f"bird:{bird}")
    (bird / "chains.json").write_text(json.dumps({"m": ["m/before", "m/later"]}))
    with pytest.raises(ConfigError, match="has no answer of 'm/later' to question 0"):
        read_chains(bird, suite, weights=plain_weights(), progress=False)


def test_stored_answers_are_drawn_by_seed_and_measured_without_their_golds(bird):
    path = bird / "systems.jsonl"
    lines = [{"index": i % 2, "pred": f"SELECT {i}", "official_exec": i % 2, "systems": ["x", "y"]}
             for i in range(6)]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)))
    assert read_systems(path, 3, seed=1) == read_systems(path, 3, seed=1)
    suite = sb.load_suite(f"bird:{bird}")
    answers = measure_systems(suite, read_systems(path), progress=False)
    assert answers.weight.tolist() == [2.0] * 6
    assert answers.wrong.tolist() == [1, 0, 1, 0, 1, 0]
    path.write_text('{"index": 0}')
    with pytest.raises(ConfigError, match="Line 1 of"):
        read_systems(path)
