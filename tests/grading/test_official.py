"""Queries are prepared as the official evaluators prepare them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sqlbench.databases import SQLiteDatabase
from sqlbench.grading import compare, find_metric, run_gold
from sqlbench.grading.official import prepare_spider

SCRIPT = """
CREATE TABLE pupil (id INTEGER, name TEXT, mark REAL, born TEXT, city TEXT, photo BLOB);
INSERT INTO pupil VALUES (1, 'Ann', 1.5, '2024-01-02', 'Rome', x'00ff');
INSERT INTO pupil VALUES (2, 'Bob', 2.5, '2024-02-03', 'Rome', NULL);
INSERT INTO pupil VALUES (3, 'Cid', 2.5, NULL, 'Oslo', x'00');
INSERT INTO pupil VALUES (4, 'ann', 0.5, '2024-02-03', 'Bern', NULL);
CREATE TABLE nobody (id INTEGER, name TEXT);
CREATE TABLE odd (word TEXT);
INSERT INTO odd VALUES (CAST(x'61ff' AS TEXT));
"""


@pytest.mark.parametrize(
    ("sql", "prepared"),
    [
        ("SELECT DISTINCT a FROM t", "SELECT  a FROM t"),
        ("SELECT count(DISTINCT a) FROM t", "SELECT count( a) FROM t"),
        ("SELECT 'a distinct b', distincts FROM t", "SELECT 'a distinct b', distincts FROM t"),
        ('SELECT "distinct" FROM t', 'SELECT "distinct" FROM t'),
        ("SELECT a FROM t -- distinct\n", "SELECT a FROM t -- distinct\n"),
        ("SELECT t.distinct FROM t", "SELECT t. FROM t"),
        ("SELECT 1 ! = 2; DROP TABLE t", "SELECT 1 != 2; "),
        ("SELECT Year( CURDATE() ) - age", "SELECT 2020- age"),
    ],
)
def test_spider_prepares_a_query_as_the_evaluator_does(sql: str, prepared: str) -> None:
    assert prepare_spider(sql) == prepared


@pytest.fixture
def school(tmp_path: Path) -> Path:
    path = tmp_path / "school.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCRIPT)
    return path


@pytest.mark.parametrize("metric", ["spider", "spider-keep-distinct"])
def test_a_predictions_placeholder_is_1_as_the_evaluator_reads_it(
    school: Path, metric: str
) -> None:
    """Systems that give no values write ``value``; the evaluator puts 1 there, not into golds."""
    rule = find_metric(metric)
    pred = "SELECT name FROM pupil WHERE id = value AND mark > value LIMIT 1"
    assert rule.prepare(pred) == pred.replace(" value ", " 1 ")
    assert rule.prepare_gold(pred) == pred
    assert rule.prepare("SELECT 'a value b', t.value, 1") == "SELECT 'a 1 b', t.value, 1"
    with SQLiteDatabase(school) as database:
        gold = run_gold("SELECT name FROM pupil WHERE name = 'Ann'", database)
        assert compare(gold, database.execute(rule.prepare(pred)), metric).match


def test_bird_and_exact_leave_the_placeholder_alone() -> None:
    for metric in ("bird", "exact"):
        assert find_metric(metric).prepare("SELECT a = value FROM t") == "SELECT a = value FROM t"


def test_text_that_is_not_utf_8_is_read_by_bird_where_its_evaluator_fails(school: Path) -> None:
    """A departure, on purpose: docs/grading.md names it."""
    sql = "SELECT word FROM odd"
    with (
        closing(sqlite3.connect(school)) as plain,
        pytest.raises(sqlite3.OperationalError, match="decode to UTF-8"),
    ):
        plain.execute(sql).fetchall()  # as calculate_ex does: the pair scores 0 there
    with SQLiteDatabase(school) as database:
        gold = run_gold(sql, database)
        assert gold.result.rows == [("a\ufffd",)]
        assert compare(gold, database.execute(sql), "bird").match
        assert not compare(gold, database.execute("SELECT 'a'"), "bird").match
