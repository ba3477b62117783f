"""A SQLite file as a database: results, threads and tasks, opening and closing, the schema."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sandboxed import COUNT, good_query_runs, singers_file

from sqlbench.databases import Limits, QueryError, SQLiteDatabase
from sqlbench.databases.memo import no_memo
from sqlbench.databases.sqlite_sandbox import SandboxedConnection
from sqlbench.databases.watch import Ticket
from sqlbench.exceptions import SuiteError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return singers_file(tmp_path)


@pytest.fixture
def database(path: Path) -> Iterator[SQLiteDatabase]:
    with SQLiteDatabase(path) as database:
        yield database


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
        "replace(0.1 + 0.2, '3', 'x')",
        "replace(100.0 / 3, '3', x'41')",
        "instr(0.1 + 0.2, '4')",
        "instr(2.0 / 3, 67)",
        "trim(2.0 / 3, '67')",
        "rtrim(1e15 / 7, '0123456789')",
        "ltrim(1e22 / 7, 1.4)",
        "trim('ééaé', 'éa')",
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
            # The one worker serves this, which is not brief, when it has left the endless query.
            with no_memo():
                counted = database.run("SELECT count(hex(id)) FROM singer")
                result = await asyncio.wait_for(counted, 60)
            assert result.rows == [(4,)]
        assert len(database._idle) <= 2  # the worker's, and the caller's for brief ones


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


def test_a_database_that_nobody_holds_any_more_lets_its_connections_go(path: Path) -> None:
    """SQLite's memory is limited for the whole process, and each connection has a share of it."""
    connection = SandboxedConnection(path, Limits())
    connection.execute("SELECT printf('%d', age), upper(name) FROM singer", Ticket())
    gone = weakref.ref(connection)
    del connection
    gc.collect()
    assert gone() is None


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
