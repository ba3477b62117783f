"""SQL from a model is hostile: nothing it contains changes a file, hangs or ends the process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hostile_sql
import pytest

from sqlbench.databases import Database, Limits, QueryError, SQLiteDatabase
from sqlbench.exceptions import SuiteError

COUNT = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
NUMBERS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT {}) SELECT x FROM c"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "concert singer%20#1?.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, age INT);
        CREATE TABLE concert (id INTEGER PRIMARY KEY, singer_id INT REFERENCES singer);
        CREATE INDEX singer_name ON singer (name);
        CREATE VIEW old_singer AS SELECT * FROM singer WHERE age > 40;
        INSERT INTO singer (name, age) VALUES ('Joe', 52), ('Rose', 41), ('Ann', 25), ('Tim', 30);
        INSERT INTO concert (singer_id) VALUES (1), (2), (2);
        """
    )
    connection.close()
    return path


@pytest.fixture
def database(path: Path) -> Iterator[SQLiteDatabase]:
    with SQLiteDatabase(path) as database:
        yield database


def small_limits() -> Limits:
    return Limits(vm_steps=1_000_000, max_heap_bytes=256 * 2**20)


def good_query_runs(database: Database) -> bool:
    return database.execute("SELECT name FROM singer WHERE id = 2").rows == [("Rose",)]


# ---- hostile statements


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLiteDatabase]:
    """One database, on whose one connection the whole corpus runs, statement after statement."""
    folder = tmp_path_factory.mktemp("hostile")
    path = folder / "singers.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, age INT);
        CREATE TABLE concert (id INTEGER PRIMARY KEY, singer_id INT REFERENCES singer);
        CREATE INDEX singer_name ON singer (name);
        CREATE VIEW old_singer AS SELECT * FROM singer WHERE age > 40;
        INSERT INTO singer (name, age) VALUES ('Joe', 52), ('Rose', 41), ('Ann', 25), ('Tim', 30);
        """
    )
    connection.close()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    before = os.getcwd()
    os.chdir(folder)  # where a statement's relative paths would lead
    try:
        with SQLiteDatabase(path, limits=small_limits()) as database:
            yield database
    finally:
        os.chdir(before)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert os.listdir(folder) == [path.name]


def outcome(database: SQLiteDatabase, sql: str) -> QueryError | None:
    """Run a statement, check what holds for every statement, return its error if any."""
    limits, folder = database.limits, database.path.parent
    stat = database.path.stat()
    started = time.thread_time()
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
    assert time.thread_time() - started < 10
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
    assert error is not None and error.message.startswith("not authorized: ")
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
    assert error.message == "timeout: the query was stopped after 1000000 steps"


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
        with SQLiteDatabase(path) as database, pytest.warns(UserWarning, match="are ignored"):
            assert good_query_runs(database)
    finally:
        writer.close()


# ---- limits


@pytest.mark.parametrize("sql", [COUNT, hostile_sql.ENDLESS[7], hostile_sql.ENDLESS[16]])
def test_the_same_query_stops_at_the_same_step_on_new_and_used_connections(
    path: Path, sql: str
) -> None:
    def stops(database: SQLiteDatabase) -> tuple[int, int]:
        reached = 0

        def count() -> int:
            nonlocal reached
            reached += 1
            return reached

        with pytest.raises(QueryError) as caught:
            database.execute(sql)
        assert caught.value.timeout and caught.value.reproducible
        (connection,) = database._idle
        # The callbacks until the stop, and how far a query came that counts its own rows.
        connection._connection.create_function("reach", 0, count)
        with pytest.raises(QueryError):
            database.execute(COUNT.replace("count(*)", "sum(reach())"))
        return connection.checks, reached

    seen = []
    for _ in range(2):
        with SQLiteDatabase(path, limits=Limits(vm_steps=200_000)) as database:
            seen.append(stops(database))
            for used in range(3):
                for sql_before in ["SELECT * FROM singer", f"SELECT {used}", "SELECT nope"]:
                    try:
                        database.execute(sql_before)
                    except QueryError:
                        assert sql_before == "SELECT nope"
                seen.append(stops(database))
    assert len(set(seen)) == 1
    assert seen[0][0] == 400 and seen[0][1] > 1_000


def test_a_query_needs_the_same_number_of_steps_each_time(path: Path) -> None:
    """The smallest budget with which a query ends, found afresh on a used connection."""
    sql = NUMBERS.format(3_000)

    def ends(steps: int) -> bool:
        with SQLiteDatabase(path, limits=Limits(vm_steps=steps)) as database:
            results = set()
            for _ in range(3):
                try:
                    results.add(len(database.execute(sql).rows))
                except QueryError:
                    results.add(-1)
            assert len(results) == 1
            return results == {3_000}

    budgets = [ends(steps) for steps in range(20_000, 100_000, 2_500)]
    assert budgets == sorted(budgets) and not budgets[0] and budgets[-1]


def test_the_clock_is_the_backstop_and_not_reproducible(path: Path) -> None:
    limits = Limits(vm_steps=10**12, wall_clock=0.05)
    with SQLiteDatabase(path, limits=limits) as database:
        started = time.monotonic()
        with pytest.raises(QueryError) as caught:
            database.execute(COUNT)
        assert time.monotonic() - started < 20
        assert caught.value.timeout and not caught.value.reproducible
        assert good_query_runs(database)


def test_rows_beyond_the_cap_are_cut_off(path: Path) -> None:
    with SQLiteDatabase(path, limits=Limits(max_rows=100)) as database:
        whole = database.execute(NUMBERS.format(100))
        assert len(whole.rows) == 100 and not whole.truncated
        cut = database.execute(NUMBERS.format(101))
        assert cut.rows == whole.rows and cut.truncated


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("x", 64),
        ("hex(zeroblob(50))", 64 + 100),
        ("zeroblob(50)", 64 + 50),
        ("'ä💥'", 64 + 2 * 4),
        ("''", 64),
    ],
)
def test_a_result_is_weighed_by_the_memory_that_it_takes(path: Path, value: str, size: int) -> None:
    sql = NUMBERS.format(100).replace("SELECT x FROM", f"SELECT {value} FROM")
    with SQLiteDatabase(path, limits=Limits(max_bytes=100 * size)) as database:
        whole = database.execute(sql)
        assert len(whole.rows) == 100 and not whole.truncated
    with SQLiteDatabase(path, limits=Limits(max_bytes=10 * size)) as database:
        cut = database.execute(sql)
        assert cut.rows == whole.rows[:10] and cut.truncated


def test_a_query_that_takes_too_much_memory_is_stopped(path: Path) -> None:
    with SQLiteDatabase(path, limits=small_limits()) as database:
        sql = NUMBERS.format(10_000) + " ORDER BY zeroblob(200000) || x"
        with pytest.raises(QueryError, match=r"^out of memory") as caught:
            database.execute(sql)
        assert caught.value.timeout and not caught.value.reproducible
        assert good_query_runs(database)


# ---- results


def test_the_clock_aside_a_query_gives_the_same_rows_each_time(database: SQLiteDatabase) -> None:
    sql = "SELECT id, random(), hex(randomblob(9)) FROM singer ORDER BY random()"
    first, second = database.execute(sql), database.execute(sql)
    assert first.rows == second.rows
    assert len({row[1] for row in first.rows}) == 4
    assert all(-(2**63) <= row[1] < 2**63 and len(row[2]) == 18 for row in first.rows)


@pytest.mark.parametrize(
    "call",
    [
        "trim('xxaxx', 'x')",
        "ltrim('xyxaxyx', 'yx')",
        "rtrim('xyxaxyx', 'yx')",
        "trim('ß→ä→ß', 'ß→')",
        "trim('abc', '')",
        "trim('', 'a')",
        "trim(NULL, 'a')",
        "trim('a', NULL)",
        "trim(1001, 1)",
        "trim(1.50, '0')",
        "trim(100.0, '1')",
        "trim(1e300, '1')",
        "trim(-1.5e-9, '-')",
        "trim(1e999, 'I')",
        "trim(x'61626361', 'a')",
        "trim('  a ')",
        "typeof(trim(5, 'x'))",
        "instr('é€é', '€')",
        "instr(x'616263', x'62')",
        "instr(x'616263', 'b')",
        "instr(12.5, '.')",
        "instr('abc', '')",
        "instr('abc', NULL)",
        "replace('a-b-c', '-', '')",
        "replace('aaa', 'aa', 'b')",
        "replace(-0.0, '0', 'x')",
        "typeof(replace(5, '', 'x'))",
        "typeof(replace(x'61', '', 'x'))",
        "replace('a', '', NULL)",
        "replace('a', 'a', NULL)",
        "replace('a' || char(0) || 'b', char(0), 'x')",
    ],
)
def test_the_replaced_functions_do_what_sqlite_does(database: SQLiteDatabase, call: str) -> None:
    expected = sqlite3.connect(":memory:").execute(f"SELECT {call}").fetchall()
    assert database.execute(f"SELECT {call}").rows == expected


def test_bytes_that_are_not_utf8_are_read_with_replacement(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO singer (id, name) VALUES (9, CAST(x'6ae971' AS TEXT))")
    connection.commit()
    connection.close()
    with SQLiteDatabase(path) as database:
        assert database.execute("SELECT name FROM singer WHERE id = 9").rows == [("j�q",)]
        assert "j�q" not in database.schema().tables[0].samples["name"]


def test_columns_may_repeat_and_keep_their_names(database: SQLiteDatabase) -> None:
    result = database.execute("SELECT id, id, age AS 'the age', count(*) FROM singer")
    assert result.columns == ("id", "id", "the age", "count(*)")
    assert result.elapsed > 0


# ---- threads and tasks


def test_eight_threads_hammer_one_database(database: SQLiteDatabase) -> None:
    def hammer(worker: int) -> None:
        for i in range(150):
            n = worker * 1_000 + i
            assert database.execute(f"SELECT {n}, count(*) FROM singer").rows == [(n, 4)]
            with pytest.raises(QueryError, match=f"no such column: c{n}"):
                database.execute(f"SELECT c{n} FROM singer")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hammer, range(8)))
    assert len(database._idle) <= 8


async def test_many_tasks_run_at_once_and_get_their_own_rows(database: SQLiteDatabase) -> None:
    results = await asyncio.gather(*(database.run(f"SELECT {i}") for i in range(200)))
    assert [r.rows for r in results] == [[(i,)] for i in range(200)]
    assert len(database._idle) <= 2


async def test_run_raises_what_execute_raises(database: SQLiteDatabase) -> None:
    with pytest.raises(QueryError, match="no such table: nope"):
        await database.run("SELECT * FROM nope")


async def test_a_running_query_does_not_block_the_event_loop(path: Path) -> None:
    database = SQLiteDatabase(path, limits=Limits(vm_steps=10_000_000))
    query = asyncio.create_task(database.run(COUNT))
    beats = 0
    while not query.done():
        await asyncio.sleep(0.005)
        beats += 1
    assert beats > 10
    with pytest.raises(QueryError):
        await query
    database.close()


async def test_a_cancelled_query_stops_soon_and_its_connection_goes_on(path: Path) -> None:
    with SQLiteDatabase(path, limits=Limits(vm_steps=10**12), workers=1) as database:
        for _ in range(3):
            query = asyncio.create_task(database.run(COUNT))
            await asyncio.sleep(0.02)
            query.cancel()
            with pytest.raises(asyncio.CancelledError):
                await query
            # The one worker serves this only when it has left the endless query.
            result = await asyncio.wait_for(database.run("SELECT count(*) FROM singer"), 60)
            assert result.rows == [(4,)]
        assert len(database._idle) == 1


async def test_a_query_cancelled_before_it_starts_never_runs(path: Path) -> None:
    with SQLiteDatabase(path, limits=Limits(vm_steps=3_000_000), workers=1) as database:
        first = asyncio.create_task(database.run(COUNT))
        waiting = [asyncio.create_task(database.run(COUNT)) for _ in range(50)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        started = time.process_time()
        await asyncio.gather(first, *waiting, return_exceptions=True)
        assert await database.run("SELECT 1")
        assert time.process_time() - started < 2  # one takes 0.1 s


# ---- opening and closing


def test_the_file_is_opened_on_first_use(tmp_path: Path) -> None:
    database = SQLiteDatabase(tmp_path / "later.sqlite")
    assert database.db_id == "later"
    with pytest.raises(SuiteError, match=r"later\.sqlite does not exist\.$"):
        database.execute("SELECT 1")
    connection = sqlite3.connect(tmp_path / "later.sqlite")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    assert database.execute("SELECT count(*) FROM t").rows == [(0,)]
    database.close()


@pytest.mark.parametrize("content", [b"", b"id,name\n1,Joe\n", b"SQLite format 3\0" + b"x" * 200])
async def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with SQLiteDatabase(path) as database:
        for call in (database.schema, lambda: database.execute("SELECT 1")):
            with pytest.raises(SuiteError, match=r"table\.csv (is not a|cannot be opened)"):
                call()
        with pytest.raises(SuiteError, match=r"table\.csv"):
            await database.run("SELECT 1")


def test_a_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="is a directory"):
        SQLiteDatabase(tmp_path).schema()


async def test_a_closed_database_raises(database: SQLiteDatabase) -> None:
    assert good_query_runs(database) and database.schema()
    database.close()
    database.close()
    with pytest.raises(RuntimeError, match="is closed"):
        database.execute("SELECT 1")
    with pytest.raises(RuntimeError, match="is closed"):
        await database.run("SELECT 1")
    with pytest.raises(RuntimeError, match="is closed"):
        database.schema()


def test_closing_stops_what_is_running(path: Path) -> None:
    database = SQLiteDatabase(path, limits=Limits(vm_steps=10**12))
    caught: list[BaseException] = []

    def endless() -> None:
        try:
            database.execute(COUNT)
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=endless)
    thread.start()
    time.sleep(0.05)
    database.close()
    thread.join(60)
    assert [type(error) for error in caught] == [RuntimeError]


# ---- the schema


def test_the_schema_has_columns_keys_counts_and_samples(database: SQLiteDatabase) -> None:
    schema = database.schema()
    assert schema is database.schema() and schema.dialect == "sqlite"
    singer, concert, view = schema.tables
    assert [(c.name, c.type, c.primary_key) for c in singer.columns] == [
        ("id", "INTEGER", True),
        ("name", "TEXT", False),
        ("age", "INT", False),
    ]
    assert singer.row_count == 4
    assert singer.samples["name"] == ("Joe", "Rose", "Ann")
    (key,) = concert.foreign_keys
    assert (key.columns, key.ref_table, key.ref_columns) == (("singer_id",), "singer", ("id",))
    assert view.name == "old_singer" and view.row_count is None


def test_odd_schemas_survive(tmp_path: Path) -> None:
    path = tmp_path / "odd.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE "a ""b"" [c]" ("select" INT, "x y" TEXT, "" TEXT, `é` BLOB);
        INSERT INTO "a ""b"" [c]" VALUES (1, NULL, 'z', x'00'), (1, 'v', 'z', x'01');
        CREATE TABLE pair (b INT, a INT, PRIMARY KEY (a, b)) WITHOUT ROWID;
        CREATE TABLE child (x INT, y INT, z INT REFERENCES gone, w INT REFERENCES gone (id),
            FOREIGN KEY (x, y) REFERENCES PAIR);
        CREATE TABLE empty (id INT, g INT GENERATED ALWAYS AS (id + 1));
        CREATE VIEW broken AS SELECT * FROM gone;
        CREATE VIRTUAL TABLE words USING fts4(word);
        INSERT INTO words VALUES ('hello');
        """
    )
    connection.close()
    with SQLiteDatabase(path) as database:
        tables = {table.name: table for table in database.schema().tables}
        assert "broken" not in tables
        odd = tables['a "b" [c]']
        assert odd.samples == {"select": (1,), "x y": ("v",), "": ("z",)}
        keys = {key.ref_table: key for key in tables["child"].foreign_keys}
        assert keys["pair"].columns == ("x", "y") and keys["pair"].ref_columns == ("a", "b")
        assert keys["gone"].columns == ("w",)
        assert tables["empty"].row_count == 0 and tables["empty"].samples == {}
        assert [c.name for c in tables["empty"].columns] == ["id", "g"]
        assert 'CREATE TABLE "a ""b"" [c]"' in database.schema().prompt()
        found = database.execute("SELECT word FROM words WHERE words MATCH 'hello'")
        assert found.rows == [("hello",)]


@pytest.mark.shared
def test_every_spider_database_opens_and_has_a_schema(spider_dir: Path) -> None:
    paths = sorted(spider_dir.glob("database/*/*.sqlite"))
    assert len(paths) >= 19
    for path in paths:
        with SQLiteDatabase(path) as database:
            schema = database.schema()
            assert schema.tables and schema.prompt()
            for table in schema.tables:
                quoted = '"' + table.name.replace('"', '""') + '"'
                result = database.execute(f"SELECT count(*) FROM {quoted}")
                assert result.rows == [(table.row_count,)]
                assert set(table.samples) <= {c.name for c in table.columns}
