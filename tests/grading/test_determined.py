"""Does a query fix its own answer? What cannot be told is not taken for a no."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from sqlbench.databases import Limits, SQLiteDatabase
from sqlbench.grading import Golds
from sqlbench.grading.check import check_suite
from sqlbench.grading.determined import cuts_tie
from sqlbench.suites import Question, Suite, Task


@pytest.fixture
def database(tmp_path):
    with closing(sqlite3.connect(tmp_path / "n.sqlite")) as connection:
        connection.execute("CREATE TABLE n (x int, y int)")
        connection.executemany("INSERT INTO n VALUES (?, ?)", [(i // 2, i) for i in range(20_000)])
        connection.commit()
    with SQLiteDatabase(tmp_path / "n.sqlite", "n", limits=Limits(vm_steps=150_000)) as opened:
        yield opened


CHEAP = "SELECT x, y FROM n LIMIT 1"  # as it is; refined, it must sort the whole table


def test_a_tie_is_unknown_where_the_refined_query_does_not_run(database):
    assert cuts_tie("SELECT x FROM n WHERE y < 4 ORDER BY x LIMIT 2", database) is False
    assert cuts_tie("SELECT y FROM n WHERE y < 4 ORDER BY x LIMIT 1", database) is True
    assert database.execute(CHEAP).rows == [(0, 0)]
    assert cuts_tie(CHEAP, database) is None
    assert cuts_tie("SELEC x LIMIT 1", database) is None


def test_a_check_names_a_gold_whose_ties_cannot_be_told(database):
    asked = Question("q", "Which?", CHEAP, "n", "t")
    suite = Suite("own", {"t": Task("t", "easy", (asked,))}, {"n": database}, {"n": "n"})
    assert Golds(suite).get(asked).tie is None
    (finding,) = check_suite(suite)
    assert "cannot be told whether the gold query's LIMIT cuts through a tie" in finding.problem
