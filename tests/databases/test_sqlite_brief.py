"""Brief statements run in their caller's thread; what they give is what a thread would give."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from itertools import pairwise

import pytest
from sandboxed import singers_file

import sqlbench as sb
from sqlbench.databases import Limits, QueryError, SQLiteDatabase, sqlite, sqlite_brief
from sqlbench.databases.memo import no_memo
from sqlbench.databases.sqlite_authorizer import Authorizer
from sqlbench.databases.sqlite_brief import NotBrief
from sqlbench.databases.sqlite_sandbox import SandboxedConnection
from sqlbench.databases.watch import WATCH

BRIEF = "SELECT name FROM singer WHERE age > 30 ORDER BY name"
STEPS = "SELECT count(*) FROM singer a, singer b, singer c, singer d, singer e, singer f, singer g"
LONGER = {
    "a function that may be slow": "SELECT json_patch('{}', '{}')",
    "many steps": STEPS,
    "a long text": f"SELECT name FROM singer WHERE name <> '{'x' * 2_000}'",
    "many words once written out": "WITH a AS (SELECT 1 AS x), "
    + ", ".join(f"{b} AS (SELECT l.x FROM {a} l, {a} r, {a} m)" for a, b in pairwise("abcdefg"))
    + " SELECT x FROM g",
    "a long value": "SELECT length(replace(printf('%9000d', 1) || age, ' ', 'xx')) FROM singer",
    "many names": f"SELECT {', '.join(['name'] * 201)} FROM singer",
}
ALIKE = [
    BRIEF,
    *LONGER.values(),
    "SELECT nam FROM singer",
    "SELECT name FROM",
    "",
    "-- nothing",
    "DROP TABLE singer",
    "EXPLAIN SELECT 1",
    "PRAGMA table_info(singer)",
    "SELECT 1; SELECT 2",
    "SELECT readfile('x')",
    "SELECT name FROM singer WHERE name LIKE 'J%'",
    "SELECT random(), abs(-9223372036854775807 - 1)",
    "SELECT ?",
]


@pytest.fixture
def patient(monkeypatch):
    """Give brief statements time: where others work a thread may wait for its turn."""
    monkeypatch.setattr(sqlite_brief, "MAX_SECONDS", 60.0)


@pytest.fixture
def database(tmp_path, patient):
    with SQLiteDatabase(singers_file(tmp_path)) as opened, no_memo():
        yield opened


@pytest.fixture
def ran_in(monkeypatch):
    """Collect the threads in which statements come to their end."""
    threads = []
    real = SandboxedConnection.execute

    def noted(self, sql, ticket):
        threads.append(threading.current_thread())
        try:
            return real(self, sql, ticket)
        except NotBrief:
            threads.pop()
            raise

    monkeypatch.setattr(SandboxedConnection, "execute", noted)
    return threads


def outcome(database, sql):
    try:
        result = database.execute(sql)
    except QueryError as error:
        return error.message, error.timeout, error.reproducible, error.sql
    return result.columns, result.rows, result.truncated


def test_a_brief_statement_runs_in_its_callers_thread(database, ran_in):
    assert database.execute(BRIEF).rows == [("Joe",), ("Rose",)]
    assert asyncio.run(database.run(BRIEF)).rows == [("Joe",), ("Rose",)]
    assert ran_in == [threading.current_thread()] * 2


@pytest.mark.parametrize("kind", LONGER)
def test_what_is_longer_runs_in_a_thread_of_its_own(database, ran_in, kind):
    outcome(database, LONGER[kind])
    assert threading.current_thread() not in ran_in and len(ran_in) == 1


def test_a_large_file_has_no_brief_statements(database, ran_in, monkeypatch):
    monkeypatch.setattr(sqlite_brief, "_MAX_FILE", 1_000)
    database.execute(BRIEF)
    assert threading.current_thread() not in ran_in


def test_a_long_value_in_the_file_is_read_in_a_thread(tmp_path, ran_in):
    path = tmp_path / "notes.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE note (text)")
    connection.execute("INSERT INTO note VALUES (?)", ["x" * 20_000])
    connection.commit()
    connection.close()
    with SQLiteDatabase(path) as database:
        assert database.execute("SELECT upper(text) FROM note").rows == [("X" * 20_000,)]
    assert threading.current_thread() not in ran_in and len(ran_in) == 1


def test_a_statement_whose_clock_runs_out_begins_again_in_a_thread(database, ran_in, monkeypatch):
    monkeypatch.setattr(sqlite_brief, "MAX_SECONDS", 0.0)
    monkeypatch.setattr(SandboxedConnection, "_fetch", _waiting(SandboxedConnection._fetch))
    assert len(database.execute(BRIEF).rows) == 2
    assert threading.current_thread() not in ran_in


def _waiting(real):
    """Fetch when a brief statement's time is up."""

    def fetch(self, cursor, width):
        if self._ticket.brief:
            while self._ticket.stopped is None:
                pass
            raise sqlite3.OperationalError("interrupted")
        return real(self, cursor, width)

    return fetch


def test_a_pause_while_an_error_is_told_is_no_time_out(tmp_path, monkeypatch):
    may_end_otherwise = SandboxedConnection._may_end_otherwise

    def pause(self, *arguments):  # a garbage collection, say
        found = may_end_otherwise(self, *arguments)
        while self._ticket.stopped is None:
            time.sleep(0.001)
        return found

    monkeypatch.setattr(SandboxedConnection, "_may_end_otherwise", pause)
    with SQLiteDatabase(singers_file(tmp_path)) as opened, no_memo():
        with pytest.raises(QueryError, match="no such column: nam") as failure:
            opened.execute("SELECT nam FROM singer")
        assert not failure.value.timeout and failure.value.reproducible


@pytest.mark.parametrize("sql", ALIKE)
@pytest.mark.parametrize("steps", [1_000, Limits().vm_steps])
def test_both_give_the_same(tmp_path, monkeypatch, sql, steps):
    path = singers_file(tmp_path)
    with SQLiteDatabase(path, limits=Limits(vm_steps=steps)) as database, no_memo():
        here = outcome(database, sql)
        monkeypatch.setattr(sqlite, "may_be_brief", lambda *_: False)
        assert outcome(database, sql) == here


def test_every_gold_gives_the_same(monkeypatch):
    suite = sb.load_suite("marketplace")
    questions = [q for task in suite.tasks for q in suite.task(task).questions]
    assert questions
    with no_memo():
        here = [outcome(suite.database(q), q.gold) for q in questions]
        monkeypatch.setattr(sqlite, "may_be_brief", lambda *_: False)
        assert [outcome(suite.database(q), q.gold) for q in questions] == here


def test_a_file_that_grew_is_measured_anew(database, ran_in, monkeypatch):
    database.execute(BRIEF)
    monkeypatch.setattr(sqlite_brief, "_MAX_FILE", database.path.stat().st_size)
    connection = sqlite3.connect(database.path)
    connection.execute("CREATE TABLE more (x)")
    connection.commit()
    connection.close()
    database.reopen()
    database.execute(BRIEF)
    assert ran_in[0] is threading.current_thread() and ran_in[1] is not ran_in[0]


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (Authorizer, "__call__"),
        (SandboxedConnection, "_progress"),
        (SandboxedConnection, "_fetch"),
        (WATCH, "begin"),
        (WATCH, "end"),
    ],
    ids=["compiling", "running", "fetching", "beginning", "ending"],
)
def test_ctrl_c_is_ctrl_c_wherever_it_comes_and_leaves_nothing_behind(
    database, monkeypatch, where, name
):
    monkeypatch.setattr(sqlite_brief, "MAX_SECONDS", 0.05)
    steps = "SELECT count(*) FROM singer a, singer b, singer c, singer d"
    assert database.execute(steps).rows == [(256,)]
    real, asked, running = getattr(where, name), [], set(WATCH._running)

    def interrupted(*arguments, **named):
        asked.append(name)
        found = real(*arguments, **named) if where is WATCH and name == "begin" else None
        if len(asked) == (2 if name == "end" else 1):  # the first ends what was before
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(where, name, interrupted)
    if name == "_progress":
        database.reopen()  # SQLite has the method itself
    with pytest.raises(KeyboardInterrupt):
        database.execute(steps)
    monkeypatch.setattr(where, name, real)
    deadline = time.monotonic() + 2 * sqlite_brief.MAX_SECONDS
    while time.monotonic() < deadline:  # a clock that still ran would interrupt one of these
        assert database.execute(steps).rows == [(256,)]
    assert outcome(database, f"SELECT length(replace('{'x' * 999}', 'x', '{'y' * 99}'))")[1] == [
        (98_901,)
    ]
    assert WATCH._running <= running
