"""Spider's tiers, SQL features, Soft-F1, and the questions that only one file gets."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from sqlbench.databases.base import QueryResult
from sqlbench.grading.breakdown import by_feature, by_tier, counterexample, only_one
from sqlbench.grading.graded import Grade, Graded
from sqlbench.grading.soft_f1 import soft_f1
from sqlbench.grading.tiers import TIERS, features, spider_tier
from sqlbench.suites import load_suite


def test_all_dev_golds_fall_into_the_official_tiers(spider_dir):
    """The counts that Spider's own script gives, on all golds and on those with a database here."""
    records = json.loads((spider_dir / "dev.json").read_text())
    found = Counter(spider_tier(r["query"]) for r in records)
    assert [found[t] for t in TIERS] == [248, 446, 174, 166]
    suite = load_suite(f"spider:{spider_dir}")
    here = Counter(spider_tier(q.gold) for q in suite)
    assert len(suite) == 972 and [here[t] for t in TIERS] == [232, 416, 160, 164]


@pytest.mark.parametrize(
    ("sql", "tier", "found"),
    [
        ("SELECT count(*) FROM singer", "easy", set()),
        ("SELECT a FROM t ORDER BY a", "easy", {"ordering"}),
        ("SELECT a, b FROM t JOIN u ON t.i = u.i", "medium", {"joins"}),
        ("SELECT a FROM t WHERE b > (SELECT avg(b) FROM t)", "hard", {"nesting"}),
        ("SELECT a FROM t UNION SELECT a FROM u", "hard", {"set_operations"}),
        ("SELECT a FROM t WHERE b NOT IN (SELECT b FROM u) AND c LIKE '%x%'", "extra", {"nesting"}),
        ("SELECT FROM WHERE", "extra", set()),
    ],
)
def test_tiers_and_features_of_single_queries(sql, tier, found):
    assert spider_tier(sql) == tier
    assert features(sql) == found


def _result(*rows):
    return QueryResult(tuple("abcd"[: len(rows[0]) if rows else 1]), list(rows))


@pytest.mark.parametrize(
    ("pred", "score"),
    [
        (_result((1, "x"), (2, "y")), 1.0),
        (_result((1, "x")), 2 / 3),  # one row of two: recall a half
        (_result((1, "z"), (2, "y")), 0.75),
        (_result(("x", 1), (2, "y"), (2, "y")), 1.0),  # neither order of columns nor repeats count
        (_result((9, 9), (8, 8)), 0.0),
        (_result(), 0.0),
    ],
)
def test_soft_f1_counts_cells_row_by_row(pred, score):
    assert soft_f1(_result((1, "x"), (2, "y")), pred) == pytest.approx(score)
    assert soft_f1(_result(), _result()) == 1.0


def test_tables_by_tier_and_feature_and_what_only_one_file_gets():
    suite = load_suite("marketplace")
    questions = list(suite)

    def graded(name, right):
        grades = tuple(
            Grade(i, q.id, q.db_id, "easy", right(i), "match" if right(i) else "values")
            for i, q in enumerate(questions)
        )
        return Graded({"name": name, "suite": "marketplace", "metric": "exact"}, grades)

    even, low = graded("even", lambda i: i % 2 == 0), graded("low", lambda i: i < 10)
    tiers = by_tier(even, suite)
    assert tiers["n"].sum() == len(questions) and tiers["correct"].sum() == len(questions) // 2
    table = by_feature(even, suite)
    joins = sum("joins" in features(q.gold) for q in questions)
    assert table.loc["joins", "n"] == joins and (table["low"] <= table["rate"]).all()
    alone = only_one([even, low]).set_index("question_id")["predictions"]
    assert set(alone[alone == "low"].index) == {questions[i].id for i in (1, 3, 5, 7, 9)}
    first = questions[1]
    said = counterexample(suite, first.id, {first.id: "SELECT 1"}, "exact")
    assert "missing" in said and "extra (1,)" in said
    assert "no such table" in counterexample(
        suite, first.id, {first.id: "SELECT 1 FROM x"}, "exact"
    )
