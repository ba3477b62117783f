"""What a result is worth is found once, and anew wherever it might be another."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from forgetful import forget
from sandboxed import singers_file

from sqlbench.databases import QueryError, SQLiteDatabase
from sqlbench.databases.base import out_of_time
from sqlbench.databases.memo import no_memo
from sqlbench.grading import Gold, compare, run_gold, worth
from sqlbench.grading.worth import find_worth, worth_of

GOLD, RIGHT, WRONG = (
    "SELECT name FROM singer WHERE age > 40",
    "SELECT name FROM singer WHERE NOT age <= 40",
    "SELECT name FROM singer",
)


@pytest.fixture
def database(tmp_path, monkeypatch):
    forget()
    monkeypatch.setattr(worth, "FEW_CELLS", -1)  # so few as here are never looked up
    with SQLiteDatabase(singers_file(tmp_path)) as opened:
        yield opened


@pytest.mark.parametrize("metric", ["exact", "spider", "bird"])
def test_what_is_kept_is_what_a_comparison_says(database, metric):
    gold = run_gold(GOLD, database)
    for sql in (RIGHT, WRONG):
        outcome = database.execute(sql)
        assert find_worth(gold, sql, outcome, metric) is None
        found = worth_of(gold, sql, outcome, metric)
        assert found.verdict == compare(gold, outcome, metric)
        assert find_worth(gold, sql, outcome, metric) == found
    assert worth_of(gold, WRONG, database.execute(WRONG), metric).score < 1


def test_a_few_cells_and_errors_are_compared_and_not_kept(database, monkeypatch):
    monkeypatch.setattr(worth, "FEW_CELLS", 4)  # of four names, and two
    gold = run_gold(GOLD, database)
    few, many = database.execute(RIGHT), database.execute(WRONG)
    assert not gold.tie
    for sql, outcome in ((RIGHT, few), (WRONG, many), ("SELECT", QueryError("no"))):
        worth_of(gold, sql, outcome, "exact")
    assert find_worth(gold, RIGHT, few, "exact") is None
    monkeypatch.setattr(worth, "FEW_CELLS", 3)
    worth_of(gold, WRONG, many, "exact")
    assert find_worth(gold, WRONG, many, "exact") is not None


def test_what_another_run_might_not_say_is_not_kept(database):
    gold = run_gold(GOLD, database)
    rows = database.execute(RIGHT)
    for sql, outcome in ((RIGHT, out_of_time(1.0)), ("SELECT date('now')", rows)):
        worth_of(gold, sql, outcome, "exact")
        assert find_worth(gold, sql, outcome, "exact") is None
    worth_of(
        Gold(GOLD, gold.result, database), RIGHT, rows, "exact"
    )  # nobody knows of what content
    assert find_worth(gold, RIGHT, rows, "exact") is None
    with no_memo():
        worth_of(gold, RIGHT, rows, "exact")
    assert find_worth(gold, RIGHT, rows, "exact") is None
    assert worth_of(gold, None, QueryError("no statement"), "exact").verdict.reason == "pred_error"


def test_a_metric_of_ones_own_is_asked_each_time(database, monkeypatch):
    gold, rows = run_gold(GOLD, database), database.execute(RIGHT)
    metric = "own_parts:same_rows"
    worth_of(gold, RIGHT, rows, "exact")
    assert find_worth(gold, RIGHT, rows, metric) is None


def test_a_changed_file_is_judged_anew(database, tmp_path):
    gold, rows = run_gold(GOLD, database), database.execute(RIGHT)
    worth_of(gold, RIGHT, rows, "exact")
    copy = tmp_path / "copy.sqlite"
    shutil.copy(database.path, copy)
    with closing(sqlite3.connect(copy)) as writer, writer:
        writer.execute("DELETE FROM singer")
    os.replace(copy, database.path)
    assert find_worth(gold, RIGHT, rows, "exact") is None
    with SQLiteDatabase(database.path) as again:
        assert find_worth(run_gold(GOLD, again), RIGHT, again.execute(RIGHT), "exact") is None
