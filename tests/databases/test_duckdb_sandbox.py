"""SQL from a model is hostile on DuckDB too: nothing written, read, waited for or outlived."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import hostile_duckdb
import pytest
from ducks import duckdb_file
from fuzz_sql import DUCKDB_GRAFTS
from hostile_duckdb import LONG
from run_bare import harmful

from sqlbench.databases import QueryError, QueryResult
from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.databases.duckdb_limits import DuckDBLimits
from sqlbench.databases.duckdb_process import DuckDBProcess
from sqlbench.databases.memo import no_memo
from sqlbench.episodes.errors import ErrorClass, classify_error

SETUP = """
CREATE TABLE singer (id INTEGER PRIMARY KEY, name VARCHAR, age INTEGER);
CREATE TABLE concert (id INTEGER PRIMARY KEY, singer_id INTEGER REFERENCES singer (id));
INSERT INTO singer SELECT i, 'singer ' || i, 20 + i FROM range(1, 13) AS r(i);
INSERT INTO concert VALUES (1, 1), (2, 2), (3, 2);
CREATE SEQUENCE counter;
CREATE MACRO twice(x) AS 2 * x;
CREATE MACRO thrice(x) AS twice(x) + x;
CREATE MACRO spelled(x) AS current_setting(x);
CREATE MACRO older(x) AS TABLE SELECT * FROM singer WHERE age > x;
CREATE MACRO by_name(x) AS TABLE SELECT * FROM query_table(x);
"""
LIMITS = DuckDBLimits(wall_clock=0.5)
LATE = 0.1  # seconds after its time by which a statement is answered

# For what takes half a second by itself, and for what is large without a guard.
HURRIED = DuckDBLimits(wall_clock=0.05)
LOW = DuckDBLimits(wall_clock=0.05, max_rows=200, max_bytes=200_000, max_row_bytes=20_000)
# How many of each kind were stopped (an error, a time-out, a result cut off) while they were large.
STOPPED = {"endless": 8, "heavy": 15}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return duckdb_file(tmp_path_factory.mktemp("hostile") / "hostile.duckdb", SETUP)


@pytest.fixture(scope="module")
def database(path: Path) -> Iterator[DuckDBDatabase]:
    with DuckDBDatabase(path, limits=LIMITS) as database:
        yield database


@pytest.fixture
def unchanged(path: Path, database: DuckDBDatabase, tmp_path: Path, monkeypatch) -> Iterator[None]:
    """Whatever a test does, it changes and makes no file, and the database answers as before."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.csv").write_text("a,b\n1,2\n")
    (tmp_path / "evil.txt").write_text("secret")
    before, there = hashlib.sha256(path.read_bytes()).digest(), sorted(os.listdir(path.parent))
    yield
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert sorted(os.listdir(path.parent)) == there
    assert sorted(os.listdir(tmp_path)) == ["evil.csv", "evil.txt"]
    with no_memo():
        assert database.execute("SELECT name FROM singer WHERE id = 2").rows == [("singer 2",)]


@pytest.fixture(scope="module")
def hurried(path: Path) -> Iterator[DuckDBDatabase]:
    with DuckDBDatabase(path, limits=HURRIED) as database:
        yield database


def outcome_of(database: DuckDBDatabase, sql: str) -> QueryResult | QueryError:
    with no_memo():
        try:
            return database.execute(sql)
        except QueryError as error:
            return error


def test_there_are_enough_hostile_statements() -> None:
    denied = [sql for kind in hostile_duckdb.DENIED.values() for sql in kind]
    corpus = [*denied, *hostile_duckdb.BROKEN, *hostile_duckdb.ENDLESS, *hostile_duckdb.HEAVY]
    assert len(set(corpus)) == len(corpus) >= 150
    assert len(hostile_duckdb.DENIED) >= 7


@pytest.mark.parametrize("kind", hostile_duckdb.DENIED)
def test_what_writes_or_reaches_out_is_denied(
    database: DuckDBDatabase, unchanged: None, kind: str
) -> None:
    for sql in hostile_duckdb.DENIED[kind]:
        outcome = outcome_of(database, sql)
        assert isinstance(outcome, QueryError), sql
        assert outcome.message.startswith("not authorized: "), (sql, outcome.message)
        assert classify_error(outcome) == ErrorClass.OTHER


def test_what_is_no_statement_is_an_error(database: DuckDBDatabase, unchanged: None) -> None:
    for sql in hostile_duckdb.BROKEN:
        assert isinstance(outcome_of(database, sql), QueryError), sql[:100]


def test_what_goes_on_is_stopped_by_the_clock(hurried: DuckDBDatabase, unchanged: None) -> None:
    assert len(hostile_duckdb.ENDLESS) == STOPPED["endless"]
    for sql in hostile_duckdb.ENDLESS:
        outcome = outcome_of(hurried, sql)
        assert isinstance(outcome, QueryError) and outcome.timeout, sql
        assert not outcome.reproducible


def test_what_is_large_stays_within_the_limits(database: DuckDBDatabase, unchanged: None) -> None:
    for sql in hostile_duckdb.HEAVY:
        outcome = outcome_of(database, sql)
        if isinstance(outcome, QueryResult):
            assert len(outcome.rows) <= database.limits.max_rows, sql[:80]


def test_what_is_large_is_stopped_by_low_limits(path: Path, unchanged: None) -> None:
    with DuckDBDatabase(path, limits=LOW) as database:
        outcomes = [outcome_of(database, sql) for sql in hostile_duckdb.HEAVY]
    stopped = [isinstance(o, QueryError) or o.truncated for o in outcomes]
    passed = [s[:60] for s, was in zip(hostile_duckdb.HEAVY, stopped, strict=True) if not was]
    assert sum(stopped) >= STOPPED["heavy"], passed


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_every_hostile_statement_is_harmless_without_the_sandbox(tmp_path: Path) -> None:
    """Bare, each ends by itself within 2 s and 256 MB: nobody is harmed who runs it elsewhere."""
    path = duckdb_file(tmp_path / "bare.duckdb", SETUP)
    kinds = [*hostile_duckdb.DENIED.values(), hostile_duckdb.BROKEN]
    kinds += [hostile_duckdb.ENDLESS, hostile_duckdb.HEAVY]
    grafts = [f"SELECT {text.replace('{t}', 'singer')}" for text in DUCKDB_GRAFTS]
    assert harmful(path, [sql for kind in kinds for sql in kind] + grafts) == []


# ---- the walls behind the check, one by one


@pytest.mark.parametrize("kind", ["writing", "the schema", "code and files", "the session"])
def test_without_the_check_nothing_is_written_either(
    path: Path, unchanged: None, kind: str
) -> None:
    """What the tree's check refuses goes to DuckDB as if it were a statement of our own."""
    with DuckDBDatabase(path, limits=LIMITS) as database:
        for sql in hostile_duckdb.DENIED[kind]:
            try:
                rows = database._read(sql)
            except QueryError:
                continue
            assert "secret" not in str(rows) and "evil" not in str(rows), sql


def test_the_configuration_is_locked_and_nothing_is_reached(path: Path) -> None:
    with DuckDBDatabase(path) as database:
        settings = dict(
            database._read(
                "SELECT name, value FROM duckdb_settings() WHERE name IN ('threads', "
                "'lock_configuration', 'enable_external_access', 'temp_directory', "
                "'autoload_known_extensions', 'autoinstall_known_extensions', "
                "'python_enable_replacements', 'access_mode', 'TimeZone')"
            )
        )
    assert settings == {
        "threads": "1",
        "lock_configuration": "true",
        "enable_external_access": "false",
        "temp_directory": "",
        "autoload_known_extensions": "false",
        "autoinstall_known_extensions": "false",
        "python_enable_replacements": "false",
        "access_mode": "read_only",
        "TimeZone": "Etc/UTC",
    }


def _process(database: DuckDBDatabase) -> DuckDBProcess:
    with no_memo():
        database.execute("SELECT 1")
    return database._idle[-1]


def test_a_worker_has_none_of_the_parents_environment(path: Path, monkeypatch) -> None:
    with DuckDBDatabase(path) as database:
        process = _process(database)
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        names = {entry.partition(b"=")[0] for entry in environment.split(b"\0") if entry}
        assert names <= {b"LD_LIBRARY_PATH", b"DYLD_LIBRARY_PATH", b"LC_CTYPE"}
        limits = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
        assert any(line.split() == ["Max", "file", "size", "0", "0", "bytes"] for line in limits)


def test_a_table_that_is_missing_finds_no_variable_of_a_caller(database: DuckDBDatabase) -> None:
    for name in ("setup", "request", "rows", "sql", "self", "session", "duckdb"):
        outcome = outcome_of(database, f"SELECT * FROM {name}")
        assert isinstance(outcome, QueryError)
        assert classify_error(outcome) == ErrorClass.NO_SUCH_TABLE


def test_a_file_in_from_is_a_table_that_is_missing(database: DuckDBDatabase) -> None:
    outcome = outcome_of(database, "SELECT * FROM 'evil.csv'")
    assert isinstance(outcome, QueryError)
    assert outcome.message == "Catalog Error: Table with name evil.csv does not exist!"
    assert classify_error(outcome) == ErrorClass.NO_SUCH_TABLE


def test_macros_of_the_database_run_if_what_they_do_might(database: DuckDBDatabase) -> None:
    assert database.execute("SELECT thrice(age) FROM singer WHERE id = 1").rows == [(63,)]
    assert len(database.execute("SELECT * FROM older(30)").rows) == 2


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT table_name FROM information_schema.tables ORDER BY 1",
        "WITH duckdb_logs AS (SELECT 1 AS x) SELECT x FROM duckdb_logs",
        "SELECT list_transform([1, 2], lambda x: x + 1), {'a': 1}.a, [1, 2][1]",
        "SELECT name FROM singer WHERE name ILIKE '%1' AND age BETWEEN 1 AND 99",
        "FROM singer SELECT count(*)",
        "SELECT * FROM range(3), generate_series(1, 2), unnest([1])",
        "SELECT * FROM json_each('[1, 2]')",
        "SELECT strftime(DATE '2024-01-02', '%Y'), date_diff('day', DATE '2024-01-01', today())",
        "PIVOT singer ON name IN ('singer 1') USING sum(age)",
        "SELECT COLUMNS('a.*') FROM singer",
        "VALUES (1), (2)",
    ],
)
def test_plain_queries_run(database: DuckDBDatabase, sql: str) -> None:
    assert database.execute(sql).rows


# ---- the clock, and processes that end


def test_a_statement_is_answered_in_time_and_the_next_one_at_once(
    database: DuckDBDatabase, hurried: DuckDBDatabase
) -> None:
    _process(hurried)
    began = time.monotonic()
    first = outcome_of(hurried, LONG)
    took = time.monotonic() - began
    assert isinstance(first, QueryError) and first.timeout
    assert took >= HURRIED.wall_clock
    # Late each time is late; late once is a machine that is busy.
    assert any(s < HURRIED.wall_clock + LATE for s in (took, *map(_again, [hurried] * 3)))
    assert outcome_of(database, "SELECT 40 + 2").rows == [(42,)]  # type: ignore[union-attr]


def _again(database: DuckDBDatabase) -> float:
    began = time.monotonic()
    outcome_of(database, LONG)
    return time.monotonic() - began


def test_a_process_that_is_killed_is_an_error_and_replaced(path: Path) -> None:
    with DuckDBDatabase(path) as database:
        process = _process(database)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(QueryError) as caught, no_memo():
            database.execute("SELECT 2")
        assert caught.value.timeout and not caught.value.reproducible
        assert database.execute("SELECT 3").rows == [(3,)]


async def test_cancelling_the_caller_ends_the_statement(path: Path) -> None:
    with DuckDBDatabase(path, limits=DuckDBLimits(wall_clock=30)) as database:
        await database.run("SELECT 1")  # so that a process is there, and LONG under way
        task = asyncio.create_task(database.run(LONG))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while database._running:
            await asyncio.sleep(0.01)
        assert time.monotonic() - began < 5
        assert (await database.run("SELECT 2")).rows == [(2,)]


def test_closing_ends_what_runs_and_the_processes(path: Path) -> None:
    database = DuckDBDatabase(path)
    pid = _process(database).pid
    database.close()
    with pytest.raises(RuntimeError, match="is closed"):
        database.execute("SELECT 1")
    for _ in range(500):
        if not _runs(pid):
            return
        time.sleep(0.01)
    pytest.fail("the process goes on")


def test_a_database_that_nobody_holds_lets_its_processes_go(path: Path) -> None:
    database = DuckDBDatabase(path)
    pid = _process(database).pid
    assert _runs(pid)
    del database
    gc.collect()
    for _ in range(500):
        if not _runs(pid):
            return
        time.sleep(0.01)
    pytest.fail("the process goes on")


def test_a_parent_that_dies_takes_its_processes_along(path: Path) -> None:
    program = (
        "import sys; from sqlbench.databases.duckdb import DuckDBDatabase\n"
        f"d = DuckDBDatabase({str(path)!r}); d.execute('SELECT 1')\n"
        "print(d._idle[0].pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _runs(pid)
        parent.kill()
    for _ in range(500):
        if not _runs(pid):
            return
        time.sleep(0.01)
    pytest.fail("the process goes on")


def test_memory_is_bounded_by_the_address_space(path: Path) -> None:
    # What is harmless where nothing bounds it, and a bound below that.
    limits = DuckDBLimits(wall_clock=20, max_memory_bytes=32 * 2**20)
    with DuckDBDatabase(path, limits=limits) as database:
        for sql in (
            "SELECT length(repeat('x', 100000000))",
            "SELECT list(i) FROM range(1000000) AS a(i)",
        ):
            outcome = outcome_of(database, sql)
            assert isinstance(outcome, QueryError) and outcome.timeout
            assert outcome.message.startswith("out of memory")


def test_several_statements_run_at_once(database: DuckDBDatabase) -> None:
    async def all_of_them() -> list[QueryResult]:
        return await asyncio.gather(*(database.run(f"SELECT {i}") for i in range(8)))

    assert [r.rows for r in asyncio.run(all_of_them())] == [[(i,)] for i in range(8)]


def _runs(pid: int | None) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
