"""SQL from a model is hostile on PostgreSQL too, even where its role may write."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import closing
from pathlib import Path

import hostile_postgres
import psycopg
import pytest
from hostile_postgres import LONG

from sqlbench.databases import QueryError
from sqlbench.databases import postgres_session as session_module
from sqlbench.databases.postgres import PostgresDatabase
from sqlbench.databases.postgres_session import PostgresLimits
from sqlbench.episodes.errors import ErrorClass, classify_error
from sqlbench.exceptions import ConfigError

EVIL = Path("/tmp/sqlbench_evil.csv")
SETUP = """
CREATE SCHEMA hostile AUTHORIZATION bench;
SET ROLE bench; SET search_path TO hostile;
CREATE TABLE singer (id int PRIMARY KEY, name text, age int);
CREATE TABLE concert (id int PRIMARY KEY, singer_id int REFERENCES singer);
INSERT INTO singer SELECT i, 'singer ' || i, 20 + i FROM generate_series(1, 12) AS i;
INSERT INTO concert VALUES (1, 1), (2, 2), (3, 2);
CREATE SEQUENCE counter;
CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM hostile.singer; SELECT 1';
CREATE FUNCTION twice(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * x';
RESET ROLE;
CREATE TABLE hostile.secret (x int);
"""


@pytest.fixture(scope="module")
def owner(postgres):
    """A connection of the superuser, for looking on."""
    with psycopg.connect(postgres.owner.url, autocommit=True) as connection:
        connection.execute(SETUP)
        yield connection
        connection.execute("DROP SCHEMA hostile CASCADE")


@pytest.fixture(scope="module")
def database(postgres, owner):
    """The database as the tables' owner sees it: nothing but the sandbox protects it."""
    limits = PostgresLimits(wall_clock=1.0)
    with PostgresDatabase(postgres.bench, schemas=["hostile"], limits=limits) as database:
        yield database


def checksum(connection) -> dict:
    """Return a hash of every table, and what there is beside tables."""
    tables = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information)'"
        " ORDER BY 1, 2"
    ).fetchall()
    hashes = [
        connection.execute(
            f"SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) "
            f'FROM "{schema}"."{table}" AS t'
        ).fetchone()[0]
        for schema, table in tables
    ]
    names = "SELECT string_agg({0}::text, ' ' ORDER BY {0}::text) FROM {1}"
    beside = {
        "relations": names.format("relname", "pg_class"),
        "functions": "SELECT count(*) FROM pg_proc",
        "schemas": names.format("nspname", "pg_namespace"),
        "large objects": "SELECT count(*) FROM pg_largeobject_metadata",
        "roles": names.format("r", "pg_roles r"),
        "extensions": names.format("extname", "pg_extension"),
        "counter": "SELECT last_value FROM hostile.counter",
        "locks": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    }
    return dict(zip(tables, hashes, strict=True)) | {
        what: connection.execute(sql).fetchone()[0] for what, sql in beside.items()
    }


@pytest.fixture
def unchanged(owner, database):
    """Whatever a test does, it changes nothing, and the database is as good as before."""
    before = checksum(owner)
    yield
    assert checksum(owner) == before
    assert not EVIL.exists()
    assert database.execute("SELECT name FROM singer WHERE id = 2").rows == [("singer 2",)]


def run_corpus(database, statements, check) -> None:
    for sql in statements:
        started = time.monotonic()
        try:
            outcome = database.execute(sql)
        except QueryError as error:
            outcome = error
        assert time.monotonic() - started < 60, sql[:100]
        assert check(outcome), (sql[:100], outcome)


def test_there_are_enough_hostile_statements():
    corpus = [*hostile_postgres.DENIED, *hostile_postgres.BROKEN, *hostile_postgres.ENDLESS]
    assert len(set(corpus)) == len(corpus) >= 60


def test_what_writes_or_reaches_out_is_denied(database, unchanged):
    run_corpus(
        database,
        hostile_postgres.DENIED,
        lambda o: (
            isinstance(o, QueryError)
            and o.message.startswith("not authorized")
            and classify_error(o) == ErrorClass.OTHER
        ),
    )


def test_what_is_no_statement_is_an_error(database, unchanged):
    run_corpus(database, hostile_postgres.BROKEN, lambda o: isinstance(o, QueryError))


def test_what_takes_too_long_is_stopped(postgres, owner, unchanged):
    limits = PostgresLimits(wall_clock=0.05)
    with PostgresDatabase(postgres.bench, schemas=["hostile"], limits=limits) as hurried:
        run_corpus(
            hurried,
            hostile_postgres.ENDLESS,
            lambda o: isinstance(o, QueryError) and o.timeout and not o.reproducible,
        )
    assert busy(owner) == 0


def test_every_hostile_statement_is_harmless_without_the_sandbox(postgres, owner, unchanged):
    """Bare, each ends by itself within 2 s: nobody is harmed who runs it elsewhere."""
    corpus = [hostile_postgres.DENIED, hostile_postgres.BROKEN]
    corpus += [hostile_postgres.ENDLESS, hostile_postgres.HEAVY]
    too_long, peak = [], 0
    for sql in [sql for kind in corpus for sql in kind]:
        with closing(psycopg.connect(postgres.bench)) as connection:
            cursor = connection.cursor()
            cursor.execute("SET search_path TO hostile; SET statement_timeout = '2s'")
            status = Path(f"/proc/{connection.info.backend_pid}/status")
            try:
                cursor.execute(sql)
            except psycopg.errors.QueryCanceled:
                too_long.append(sql[:100])
            except (psycopg.Error, ValueError):
                pass  # it fails by itself, or psycopg does not send it
            if status.exists():
                lines = status.read_text().splitlines()
                peak = max([peak, *(int(x.split()[1]) for x in lines if x.startswith("RssAnon"))])
    owner.execute("SELECT setval('hostile.counter', 1, false)")  # no rollback undoes a sequence
    assert too_long == []
    assert peak < 256 * 1024


def test_what_is_heavy_stays_within_the_limits(database, unchanged):
    limits = PostgresLimits()

    def within(outcome) -> bool:
        if isinstance(outcome, QueryError):
            return True
        size = sum(len(v) if isinstance(v, str) else 8 for row in outcome.rows for v in row)
        return len(outcome.rows) <= limits.max_rows and size <= limits.max_bytes

    run_corpus(database, hostile_postgres.HEAVY, within)


def test_each_kind_is_still_stopped_by_low_limits(postgres, owner, unchanged):
    low = PostgresLimits(wall_clock=0.05, max_rows=100, max_bytes=100_000, max_row_bytes=20_000)
    stopped = {"broken": 0, "endless": 0, "heavy": 0}
    with PostgresDatabase(postgres.bench, schemas=["hostile"], limits=low) as database:
        for kind in stopped:
            for sql in getattr(hostile_postgres, kind.upper()):
                try:
                    stopped[kind] += database.execute(sql).truncated
                except QueryError:
                    stopped[kind] += 1
    # All but a row of 1,600 columns and a list of 10,000 numbers, which are no more than that.
    assert stopped == {"broken": 27, "endless": 3, "heavy": 4}


def test_the_walls_behind_the_check_hold_without_it(database, monkeypatch, unchanged):
    """With the check of the statement switched off, nothing can be written all the same."""
    monkeypatch.setattr(session_module, "check_names", lambda sql, *_: sql)
    monkeypatch.setattr(session_module, "check_tree", lambda sql: (True, None))
    allowed = ("advisory", "terminate", "activity", "cancel_backend", "sleep", "prepared_st")
    corpus = [
        sql
        for sql in [*hostile_postgres.DENIED, *hostile_postgres.BROKEN]
        if not any(word in sql.lower() for word in allowed)  # no writing: only the check stops them
        and "\0" not in sql
        and "\ud800" not in sql
    ]
    run_corpus(database, corpus, lambda o: True)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT lo_revenue FROM (SELECT 1 AS lo_revenue) AS lineorder",
        "SELECT 'DELETE FROM singer; pg_sleep(1)'",
        'SELECT 1 AS "drop table"',
        "SELECT random() < 2, gen_random_uuid() IS NOT NULL, clock_timestamp() > '2000-01-01'",
        "SELECT twice(2)",
        "SELECT $$it's; --$$, E'a\\nb', 1 -- ; DELETE",
        "(SELECT id FROM singer) UNION (SELECT id FROM concert) ORDER BY 1 LIMIT 3;",
        "WITH s AS MATERIALIZED (SELECT age FROM singer)"
        " SELECT count(*) FILTER (WHERE age > 25) FROM s",
        "VALUES (1, 'a'), (2, 'b')",
        "SELECT s.*, c FROM singer s CROSS JOIN LATERAL (SELECT max(id) FROM concert) AS c (c)",
        "SELECT DISTINCT ON (age) name, age FROM singer ORDER BY age, name",
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'hostile'",
    ],
)
def test_what_only_reads_runs(database, sql):
    assert database.execute(sql).rows


def test_a_superuser_is_refused_unless_allowed(postgres):
    with (
        PostgresDatabase(postgres.owner.url) as database,
        pytest.raises(ConfigError, match=r"superuser.*--allow-superuser"),
    ):
        database.execute("SELECT 1")
    with PostgresDatabase(postgres.owner.url, allow_superuser=True) as database:
        assert database.execute("SELECT 1").rows == [(1,)]


def busy(owner) -> int:
    (count,) = owner.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'sqlbench' AND state = 'active'"
    ).fetchone()
    return count


def goes_idle(owner) -> bool:
    """Wait until no query runs any more: the server looks for its client once a second."""
    for _ in range(100):
        if not busy(owner):
            return True
        time.sleep(0.1)
    return False


async def test_cancelling_the_caller_stops_the_query(postgres, owner):
    limits = PostgresLimits(wall_clock=60.0)
    with PostgresDatabase(postgres.bench, schemas=["hostile"], limits=limits) as database:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(database.run(LONG), 0.1)
        assert (await database.run("SELECT 1")).rows == [(1,)]
        assert time.monotonic() - started < 10
    assert goes_idle(owner)


def test_closing_stops_what_is_running(postgres, owner):
    database = PostgresDatabase(postgres.bench, limits=PostgresLimits(wall_clock=60.0))
    errors = []

    def work() -> None:
        try:
            database.execute(LONG)
        except (QueryError, RuntimeError) as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)
    database.close()
    thread.join(10)
    assert not thread.is_alive() and len(errors) == 1
    assert goes_idle(owner)
    with pytest.raises(RuntimeError, match="closed"):
        database.execute("SELECT 1")


def test_a_session_is_as_before_after_each_statement(database, owner):
    for sql in ("SELECT count(*) FROM singer", "SELECT nope", "SELECT 1 / 0"):
        for _ in range(3):
            try:
                database.execute(sql)
            except QueryError as error:
                assert error.sqlstate in ("42703", "22012")
    states = owner.execute(
        "SELECT DISTINCT state FROM pg_stat_activity WHERE application_name = 'sqlbench'"
    ).fetchall()
    assert states == [("idle",)]


def test_many_threads_share_a_database(database):
    results = []

    def work(number: int) -> None:
        for _ in range(10):
            results.append(database.execute(f"SELECT {number}, count(*) FROM singer").rows)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted([[(n, 12)] for n in range(6)] * 10)
