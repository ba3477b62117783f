"""What a statement gave comes back from a shelf to the last bit, or not at all."""

from __future__ import annotations

import json
import math

import pytest
from sandboxed import singers_file

from sqlbench.databases import Limits, QueryError, SQLiteDatabase, memo
from sqlbench.databases.base import NAN, QueryResult, out_of_time
from sqlbench.databases.file_hash import file_hash
from sqlbench.databases.memo import MEMO
from sqlbench.databases.outcomes import find_outcome, keep_outcome
from sqlbench.databases.shelf import may_lie_there, on_shelf
from sqlbench.databases.sqlite_brief import NotBrief
from sqlbench.databases.sqlite_sandbox import SandboxedConnection


class Plain:
    """A shelf in memory, which holds what JSON would."""

    def __init__(self):
        self.noted, self.lies = set(), {}

    def find(self, key):
        return json.loads(self.lies[key]) if key in self.lies else None

    def keep(self, key, value):
        self.lies[key] = json.dumps(value)


@pytest.fixture
def runs(monkeypatch):
    """Count the statements that SQLite runs to their end."""
    seen = []
    real = SandboxedConnection.execute

    def counted(self, sql, ticket):
        seen.append(sql)
        try:
            return real(self, sql, ticket)
        except NotBrief:
            seen.remove(sql)
            raise

    monkeypatch.setattr(SandboxedConnection, "execute", counted)
    return seen


@pytest.fixture
def database(tmp_path):
    with SQLiteDatabase(singers_file(tmp_path)) as opened:
        file_hash(opened.path)
        yield opened


def test_rows_come_back_to_the_last_bit():
    cells = (1, 1.0, -0.0, 0.1 + 0.2, math.inf, NAN, None, "é\ud800\x00", b"\xff\x00", 2**62, "")
    result = QueryResult(tuple("abcdefghijk"), [cells], True, 0.25)
    shelf = Plain()
    keep_outcome(shelf, "content", "SELECT 1", result)
    back = find_outcome(shelf, "content", "SELECT 1")
    assert repr(back) == repr(result) and back.rows[0][5] is NAN
    assert [type(v) for v in back.rows[0]] == [type(v) for v in cells]
    assert find_outcome(shelf, "other content", "SELECT 1") is None
    assert find_outcome(shelf, "content", "SELECT 2") is None


def test_an_error_comes_back_with_all_that_is_known_of_it():
    error = QueryError("no such column: nope", sqlstate="42703", fault="no_such_column")
    shelf = Plain()
    keep_outcome(shelf, "content", "SELECT nope", error)
    back = find_outcome(shelf, "content", "SELECT nope")
    assert (back.message, back.sqlstate, back.fault, back.sql, back.timeout, back.reproducible) == (
        "no such column: nope", "42703", "no_such_column", "SELECT nope", False, True
    )  # fmt: skip


def test_what_another_run_might_not_give_is_put_nowhere():
    shelf, result = Plain(), QueryResult(("a",), [(1,)])
    keep_outcome(shelf, "content", "SELECT 1", out_of_time(1.0))
    keep_outcome(shelf, "content", "SELECT 1", QueryError("out of memory", reproducible=False))
    keep_outcome(shelf, "content", "SELECT date('now')", result)
    keep_outcome(shelf, "content", "SELECT 1", QueryResult(("a",), [(1,)] * 50_000))  # large
    assert not shelf.lies


@pytest.mark.parametrize(
    ("sql", "lies"),
    [
        ("SELECT strftime('%Y', born) FROM singer", True),
        ("SELECT name || '!' FROM singer", True),
        ("SELECT unixepoch('subsec')", False),
        ("SELECT date('n' || 'ow')", False),
        ("SELECT datetime(char(110, 111, 119))", False),
        ("SELECT date(CAST(x'6e6f77' AS TEXT))", False),
        (r"""SELECT date('"\u006eow"' ->> '$')""", False),
    ],
)
def test_a_statement_that_may_mean_another_day_tomorrow_lies_nowhere(sql, lies):
    assert may_lie_there(sql) is lies


def test_a_damaged_value_is_as_good_as_none(database, runs):
    shelf = Plain()
    with on_shelf(shelf):
        first = database.execute("SELECT count(*) FROM singer")
    for value in ("{}", "[]", '{"rows": 3, "columns": [], "truncated": false}', '"x"'):
        MEMO.clear()
        shelf.noted.clear()
        shelf.lies = dict.fromkeys(shelf.lies, value)
        with on_shelf(shelf):
            again = database.execute("SELECT count(*) FROM singer")
        assert again.rows == first.rows
    assert len(runs) == 5


def test_another_process_runs_nothing_and_other_limits_are_other_statements(database, runs):
    shelf, sqls = Plain(), ("SELECT count(*) FROM singer", "SELECT nope FROM singer")

    def outcomes(opened):
        found = []
        for sql in sqls:
            try:
                found.append(opened.execute(sql).rows)
            except QueryError as error:
                found.append((error.message, error.sql))
        return found

    with on_shelf(shelf):
        first = outcomes(database)
        assert len(runs) == 2
        MEMO.clear()
        shelf.noted.clear()
        assert outcomes(database) == first and len(runs) == 2
        with SQLiteDatabase(database.path, limits=Limits(max_rows=1)) as small:
            outcomes(small)
    assert len(runs) == 4


def test_what_the_memo_knew_before_is_put_on_the_shelf_too(database, runs):
    database.execute("SELECT count(*) FROM singer")
    shelf = Plain()
    with on_shelf(shelf):
        database.execute("SELECT count(*) FROM singer")
    assert len(shelf.lies) == len(runs) == 1


async def test_a_worker_thread_puts_it_there_too(database):
    shelf = Plain()
    with on_shelf(shelf):
        await database.run("SELECT count(*) FROM singer")
    await database.run("SELECT max(age) FROM singer")
    assert len(shelf.lies) == 1


def test_switched_off_there_is_no_shelf(database, runs, monkeypatch):
    monkeypatch.setattr(memo, "_off", True)
    shelf = Plain()
    with on_shelf(shelf):
        database.execute("SELECT 1")
        database.execute("SELECT 1")
    assert not shelf.lies and len(runs) == 2
