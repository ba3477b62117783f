"""What the memo keeps, what it never keeps, and that nobody can tell the difference."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest
from sandboxed import singers_file

import sqlbench as sb
from sqlbench.databases import Limits, QueryError, SQLiteDatabase, memo
from sqlbench.databases.memo import MEMO, Outcomes, may_be_kept, no_memo
from sqlbench.databases.sqlite_brief import NotBrief
from sqlbench.databases.sqlite_sandbox import SandboxedConnection


@pytest.fixture
def database(tmp_path):
    with SQLiteDatabase(singers_file(tmp_path)) as opened:
        yield opened


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


COUNT = "SELECT count(*) FROM singer"


def test_a_statement_runs_once_and_gives_the_same_rows_and_the_same_error(database, runs):
    first = database.execute(COUNT)
    assert database.execute(COUNT) == first == asyncio.run(database.run(COUNT))
    errors = []
    for _ in range(2):
        with pytest.raises(QueryError) as raised:
            database.execute("SELECT nope FROM singer")
        errors.append(raised.value)
    assert errors[0].message == errors[1].message and errors[0].sql == errors[1].sql
    assert errors[0] is not errors[1]
    assert len(runs) == 2


def test_a_changed_file_and_other_limits_are_asked_anew(database, runs, tmp_path):
    database.execute(COUNT)
    copy = tmp_path / "copy.sqlite"
    shutil.copy(database.path, copy)
    with sqlite3.connect(copy) as writer:
        writer.execute("INSERT INTO singer (name, age) SELECT name, age FROM singer")
    writer.close()
    os.replace(copy, database.path)
    with SQLiteDatabase(database.path) as again:
        assert again.execute(COUNT).rows[0][0] == 2 * 4
    with SQLiteDatabase(database.path, limits=Limits(max_rows=1)) as small:
        assert small.execute("SELECT 1 UNION ALL SELECT 2").truncated
    with SQLiteDatabase(database.path) as usual:
        assert not usual.execute("SELECT 1 UNION ALL SELECT 2").truncated


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT date('now')",
        "SELECT CURRENT_TIMESTAMP",
        "SELECT datetime( )",
        "SELECT strftime('%Y')",
        "SELECT julianday('NOW') - 1",
    ],
)
def test_a_statement_that_asks_for_the_time_is_never_kept(database, runs, sql):
    database.execute(sql)
    database.execute(sql)
    assert len(runs) == 2


def test_a_time_out_is_never_kept(tmp_path, runs):
    many = "SELECT count(*) FROM singer a, singer b, singer c, singer d, singer e, singer f"
    with SQLiteDatabase(singers_file(tmp_path), limits=Limits(vm_steps=500)) as database:
        for _ in range(2):
            with pytest.raises(QueryError, match="timeout"):
                database.execute(many)
    assert len(runs) == 2


def test_switched_off_every_statement_runs(database, runs, monkeypatch):
    with no_memo():
        database.execute(COUNT)
        database.execute(COUNT)
    monkeypatch.setattr(memo, "_off", True)
    database.execute(COUNT)
    assert len(runs) == 3 and not may_be_kept(COUNT)


@pytest.mark.parametrize(("value", "off"), [("off", "True"), ("on", "False")])
def test_the_environment_of_a_process_switches_it_off(value, off):
    asked = "from sqlbench.databases import memo; print(memo.is_switched_off())"
    said = subprocess.run(
        [sys.executable, "-c", asked],
        env={**os.environ, memo.SWITCH: value}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.strip() == off


def test_a_closed_database_stays_closed(database):
    database.execute(COUNT)
    database.close()
    with pytest.raises(RuntimeError, match="closed"):
        database.execute(COUNT)


def test_the_memo_holds_no_more_than_its_bytes_and_drops_the_oldest_first(database):
    kept, result = Outcomes(max_bytes=20_000), database.execute(COUNT)
    for i in range(100):
        kept.keep(("content", str(i)), result)
        kept.get(("content", "0"))
    assert kept.bytes <= 20_000 and 10 < len(kept) < 100
    assert kept.get(("content", "0")) == result and kept.get(("content", "1")) is None
    big = database.execute("SELECT hex(zeroblob(100000)) FROM singer a, singer b, singer c")
    before = len(kept)
    kept.keep(("content", "big"), big)
    assert len(kept) == before


def test_a_run_has_the_same_bytes_with_and_without_memo(tmp_path, monkeypatch):
    async def run(name):
        done = await sb.run_experiment(
            "marketplace", "simulated", "linucb", episodes=60, seed=3, progress=False,
            out=tmp_path / name,
        )  # fmt: skip
        return done.folder

    with_memo = asyncio.run(run("with"))
    monkeypatch.setattr(memo, "_off", True)
    without = asyncio.run(run("without"))
    for name in ("episodes.jsonl", "summary.json", "run.json", "policy.npz"):
        assert (with_memo / name).read_bytes() == (without / name).read_bytes(), name
    assert len(MEMO) > 0


def test_a_fork_does_not_wait_for_a_lock_that_another_thread_held() -> None:
    with MEMO._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(30)  # ends a child that waits
            MEMO.get("nothing")
            os._exit(len(MEMO))
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
