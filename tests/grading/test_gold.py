"""What a gold's text and rows leave open is found once, and not again on the same file."""

from __future__ import annotations

import sqlite3

import pytest
from sandboxed import singers_file

from sqlbench.databases import SQLiteDatabase
from sqlbench.databases.file_hash import file_hash
from sqlbench.databases.kept import KeptOnDisk
from sqlbench.databases.memo import no_memo
from sqlbench.grading import gold
from sqlbench.grading.gold import run_gold

TIED = "SELECT singer_id FROM concert ORDER BY singer_id > 0 LIMIT 1"


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("SQLBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(gold, "_GOLDS", gold._GOLDS)  # put back, whatever `of` makes of it
    found = singers_file(tmp_path)
    file_hash(found)
    return found


@pytest.fixture
def told(monkeypatch):
    """Collect the golds whose ties are looked for, as in a process that begins with each."""
    seen = []
    real = gold._has_tie
    monkeypatch.setattr(gold, "_has_tie", lambda g: seen.append(g.sql) or real(g))
    return seen


def of(path, sql):
    """Return whether a gold has a tie and an order, in a fresh process."""
    gold._GOLDS = KeptOnDisk("golds", "databases", "grading")
    with SQLiteDatabase(path) as database:
        found = run_gold(sql, database)
        return found.tie, found.ordered


def test_a_tie_is_looked_for_once_on_the_same_file(path, told):
    assert of(path, TIED) == (True, True) == of(path, TIED)
    assert told == [TIED]


def test_another_content_is_another_matter(path, told):
    assert of(path, TIED)[0] is True
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM concert WHERE singer_id > 1")
    connection.commit()
    connection.close()
    file_hash(path)
    assert of(path, TIED)[0] is False and told == [TIED, TIED]


def test_without_the_memo_it_is_looked_for_each_time(path, told):
    with no_memo():
        assert of(path, TIED)[0] is True and of(path, TIED)[0] is True
    assert told == [TIED, TIED]


def test_what_asks_for_the_time_or_cannot_be_told_is_never_kept(path, told, monkeypatch):
    clock = TIED.replace("ORDER", "WHERE date('now') > '2000' ORDER")
    of(path, clock), of(path, clock)
    assert told == [clock, clock]
    monkeypatch.setattr(gold, "_has_tie", lambda _: told.append(TIED))
    of(path, TIED), of(path, TIED)
    assert told[2:] == [TIED, TIED]


def test_a_query_without_limit_is_not_looked_at(path, told):
    assert of(path, "SELECT name FROM singer") == (False, False) and not told
