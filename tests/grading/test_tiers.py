"""Tables by Spider's tiers and SQL features, Soft-F1, and the questions that only one file gets."""

from __future__ import annotations

import pytest

from sqlbench.databases.base import QueryResult
from sqlbench.grading.breakdown import by_feature, by_tier, counterexample, only_one
from sqlbench.grading.graded import Grade, Graded
from sqlbench.grading.soft_f1 import soft_f1
from sqlbench.suites import load_suite
from sqlbench.suites.shapes import read_shapes


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
    joins = sum("joins" in s.features for s in read_shapes((q.gold, "sqlite") for q in questions))
    assert table.loc["joins", "n"] == joins and (table["low"] <= table["rate"]).all()
    alone = only_one([even, low]).set_index("question_id")["predictions"]
    assert set(alone[alone == "low"].index) == {questions[i].id for i in (1, 3, 5, 7, 9)}
    first = questions[1]
    said = counterexample(suite, first.id, {first.id: "SELECT 1"}, "exact")
    assert "missing" in said and "extra (1,)" in said
    assert "no such table" in counterexample(
        suite, first.id, {first.id: "SELECT 1 FROM x"}, "exact"
    )
