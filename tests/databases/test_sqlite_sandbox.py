"""SQL from a model is hostile: nothing it contains changes a file, hangs or ends the process."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import hostile_sql
import pytest
from sandboxed import good_query_runs, singers_file

from sqlbench.databases import Limits, QueryError, SQLiteDatabase


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return singers_file(tmp_path)


@pytest.fixture
def database(path: Path) -> Iterator[SQLiteDatabase]:
    with SQLiteDatabase(path) as database:
        yield database


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLiteDatabase]:
    """One database, on whose one connection the whole corpus runs, statement after statement."""
    path = singers_file(tmp_path_factory.mktemp("hostile"))
    folder = path.parent
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    before = os.getcwd()
    os.chdir(folder)  # where a statement's relative paths would lead
    try:
        with SQLiteDatabase(path, limits=Limits(vm_steps=100_000)) as database:
            yield database
    finally:
        os.chdir(before)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert os.listdir(folder) == [path.name]


def outcome(database: SQLiteDatabase, sql: str) -> QueryError | None:
    """Run a statement, check what holds for every statement, return its error if any."""
    limits, folder = database.limits, database.path.parent
    stat = database.path.stat()
    started = time.process_time()
    error = None
    try:
        result = database.execute(sql)
    except QueryError as raised:
        error = raised
        assert error.message and len(error.message) <= 500
    else:
        assert len(result.rows) <= limits.max_rows
        size = sum(len(v) for row in result.rows for v in row if isinstance(v, str | bytes))
        assert size <= limits.max_bytes
    assert time.process_time() - started < 10
    assert database.path.stat().st_mtime_ns == stat.st_mtime_ns
    assert os.listdir(folder) == [database.path.name]
    assert good_query_runs(database)
    return error


def test_the_corpus_is_large_and_has_no_repetitions() -> None:
    kinds = [hostile_sql.DENIED, hostile_sql.BROKEN, hostile_sql.ENDLESS, hostile_sql.HEAVY]
    statements = [sql for kind in kinds for sql in kind]
    assert len(statements) == len(set(statements)) >= 80


@pytest.mark.parametrize("sql", hostile_sql.DENIED, ids=lambda sql: ascii(sql[:50]))
def test_whatever_does_not_read_is_denied(hostile: SQLiteDatabase, sql: str) -> None:
    error = outcome(hostile, sql)
    assert error is not None
    missing = error.message == "no such table: dbstat"  # a module that not every SQLite has
    assert error.message.startswith("not authorized: ") or missing
    assert not error.timeout and error.reproducible


@pytest.mark.parametrize("sql", hostile_sql.BROKEN, ids=lambda sql: ascii(sql[:50]))
def test_what_is_no_single_statement_within_limits_is_an_error(
    hostile: SQLiteDatabase, sql: str
) -> None:
    error = outcome(hostile, sql)
    assert error is not None and not error.timeout and error.reproducible


@pytest.mark.parametrize("sql", hostile_sql.ENDLESS, ids=lambda sql: ascii(sql[-50:]))
def test_a_query_without_end_is_stopped_by_the_count_of_steps(
    hostile: SQLiteDatabase, sql: str
) -> None:
    error = outcome(hostile, sql)
    assert error is not None and error.timeout and error.reproducible
    assert error.message == "timeout: the query was stopped after 100000 steps"


@pytest.mark.parametrize("sql", hostile_sql.HEAVY, ids=lambda sql: ascii(sql[:50]))
def test_a_heavy_query_stays_within_the_limits(hostile: SQLiteDatabase, sql: str) -> None:
    outcome(hostile, sql)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("ATTACH 'x' AS y", "only SELECT statements may be run (ATTACH is not allowed)"),
        ("-- x\nCREATE TABLE t (x)", "only SELECT statements may be run (CREATE is not allowed)"),
        ("WITH s AS (SELECT 1) DELETE FROM singer", "(DELETE is not allowed)"),
        ("SELECT load_extension('x')", "the function load_extension() may not be used"),
        ("SELECT * FROM dbstat", "this virtual table or table-valued function may not be used"),
    ],
)
def test_a_denial_says_what_is_not_allowed(
    database: SQLiteDatabase, sql: str, message: str
) -> None:
    with pytest.raises(QueryError) as caught:
        database.execute(sql)
    if "dbstat" in sql and caught.value.message == "no such table: dbstat":
        pytest.skip("a module that not every SQLite has")
    assert caught.value.message.endswith(message)


@pytest.mark.parametrize("sql", ["", "  \n", ";", "-- nothing", "/* nothing */ ;"])
def test_an_empty_statement_says_so(database: SQLiteDatabase, sql: str) -> None:
    with pytest.raises(QueryError, match=r"^incomplete input: the statement is empty$"):
        database.execute(sql)


def test_a_written_wal_or_journal_never_appears_beside_a_database_in_wal_mode(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("UPDATE singer SET age = age")
    connection.commit()
    connection.close()
    path.chmod(0o444)
    with SQLiteDatabase(path) as database:
        assert good_query_runs(database)
        assert os.listdir(path.parent) == [path.name]


def test_changes_that_only_a_wal_file_holds_are_ignored_with_a_warning(path: Path) -> None:
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("UPDATE singer SET name = 'changed'")
    writer.commit()
    try:
        with (
            SQLiteDatabase(path) as database,
            pytest.warns(UserWarning, match="without the changes in"),
        ):
            assert good_query_runs(database)
    finally:
        writer.close()
