"""Queries are prepared as the official evaluators prepare them."""

from __future__ import annotations

import pytest

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
