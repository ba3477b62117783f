"""DuckDB as a database: values, schema, what messages say, files that it cannot use."""

from __future__ import annotations

import math
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ducks import duckdb_file

from sqlbench.databases import QueryError
from sqlbench.databases.base import NAN, quote_name
from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.databases.duckdb_limits import DuckDBLimits
from sqlbench.databases.memo import no_memo
from sqlbench.databases.stamp import content_stamp
from sqlbench.episodes.errors import classify_error, extract_offending_token
from sqlbench.exceptions import MissingExtraError, SuiteError

SETUP = """
CREATE SCHEMA office;
CREATE TABLE customers (
  id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, "Full Name" VARCHAR, paid DECIMAL(10, 2),
  born DATE, tags VARCHAR[], photo BLOB, "desc" INTEGER
);
CREATE TABLE office.orders (year INT, number INT, PRIMARY KEY (year, number));
CREATE TABLE office.lines (
  year INT, number INT, FOREIGN KEY (year, number) REFERENCES office.orders (year, number)
);
CREATE VIEW adults AS SELECT id, name FROM customers WHERE born < DATE '2000-01-01';
COMMENT ON TABLE customers IS 'everybody who
ever bought';
COMMENT ON COLUMN customers.paid IS 'in euros';
INSERT INTO customers VALUES
  (1, 'Ann', 'Ann B', 1.50, '1990-02-03', ['a', 'b'], '\\x01\\x02', 1),
  (2, 'Bob', NULL, 3, NULL, NULL, NULL, NULL);
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return duckdb_file(tmp_path_factory.mktemp("duck") / "sales.duckdb", SETUP)


@pytest.fixture(scope="module")
def database(path: Path) -> Iterator[DuckDBDatabase]:
    with DuckDBDatabase(path) as database:
        yield database


def test_the_oldest_duckdb_is_the_one_that_is_tested_where_it_is_asked_for(
    database: DuckDBDatabase,
) -> None:
    with no_memo():
        database.execute("SELECT 1")
    assert database.engine_version is not None
    if os.environ.get("SQLBENCH_OLDEST_DUCKDB"):
        assert database.engine_version == "2.0.0"
    else:
        assert database.engine_version >= "2.0.0"


# ---- values, as docs/databases.md lists them

VALUES = {
    "1": 1,
    "true": True,
    "NULL": None,
    "1.50::DECIMAL(10, 2)": 1.5,
    "7::DECIMAL(10, 0)": 7,
    "0.1::FLOAT": 0.1,
    "16777217::FLOAT": 16777216.0,
    "0.1::DOUBLE": 0.1,
    "sum(id)": 3,
    "9223372036854775807::HUGEINT": 9223372036854775807,
    "170141183460469231731687303715884105727": 1.7014118346046923e38,
    "18446744073709551615::UBIGINT": 1.8446744073709552e19,
    "'text'": "text",
    "'ab'::BLOB": b"ab",
    "'a'::ENUM('a', 'b')": "a",
    "DATE '2024-01-02'": "2024-01-02",
    "DATE '9999-12-31'": "9999-12-31",
    "DATE 'infinity'": "infinity",
    "DATE '0044-03-15 (BC)'": "0044-03-15 (BC)",
    "TIMESTAMP '2024-01-02 03:04:05'": "2024-01-02 03:04:05",
    "TIMESTAMP '2024-01-02 03:04:05.250'": "2024-01-02 03:04:05.25",
    "TIMESTAMP_S '2024-01-02 03:04:05'": "2024-01-02 03:04:05",
    "TIMESTAMP_NS '2024-01-02 03:04:05.123456789'": "2024-01-02 03:04:05.123456789",
    "TIMESTAMPTZ '2024-01-02 03:04:05+02'": "2024-01-02 01:04:05+00",
    "TIME '03:04:05.5'": "03:04:05.5",
    "INTERVAL '1 month 3 days'": "1 month 3 days",
    "'101'::BIT": "101",
    "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "[1, NULL, 3]": "[1, NULL, 3]",
    "{'a': 1, 'b': 'x'}": "{'a': 1, 'b': x}",
    "MAP {'k': 2}": "{k=2}",
    "'{\"a\": 1}'::JSON": '{"a": 1}',
    "'nan'::DOUBLE": NAN,
    "'nan'::FLOAT": NAN,
    "'infinity'::DOUBLE": math.inf,
    "'-infinity'::FLOAT": -math.inf,
    "-0.0::DOUBLE": -0.0,
}


@pytest.mark.parametrize(("expression", "value"), VALUES.items(), ids=[*VALUES])
def test_values_are_those_that_other_engines_give(
    database: DuckDBDatabase, expression: str, value: object
) -> None:
    source = " FROM customers" if expression.startswith("sum") else ""
    ((cell,),) = database.execute(f"SELECT {expression}{source}").rows
    assert type(cell) is type(value)
    assert (cell,) == (value,)
    assert math.copysign(1, cell) == math.copysign(1, value) if isinstance(value, float) else True


def test_values_are_compared_hashed_and_shown(database: DuckDBDatabase) -> None:
    sql = "SELECT " + ", ".join(v for v in VALUES if not v.startswith("sum"))
    with no_memo():
        first, second = database.execute(sql).rows, database.execute(sql).rows
    assert first == second and len({*first, *second}) == 1  # NaN too equals itself
    assert all(str(cell) for cell in first[0])


def test_a_column_that_has_to_be_printed_keeps_order_names_and_neighbours(
    database: DuckDBDatabase,
) -> None:
    result = database.execute(
        "SELECT id, [id] AS x, [id] AS x, born FROM customers ORDER BY id DESC; -- ';' and so on"
    )
    assert result.columns == ("id", "x", "x", "born")
    assert result.rows == [(2, "[2]", "[2]", None), (1, "[1]", "[1]", "1990-02-03")]


def test_rows_come_up_to_the_cap(path: Path) -> None:
    with DuckDBDatabase(path, limits=DuckDBLimits(max_rows=1_200, max_bytes=40_000)) as database:
        cut = database.execute("SELECT * FROM range(1201)")
        assert len(cut.rows) == 1_200 and cut.truncated
        whole = database.execute("SELECT * FROM range(1200)")
        assert len(whole.rows) == 1_200 and not whole.truncated
        wide = database.execute("SELECT repeat('x', 1000) FROM range(100)")
        assert len(wide.rows) == 40 and wide.truncated
        # A stream: what is not fetched is not made.
        assert database.execute("SELECT * FROM range(1000000)").truncated
        with pytest.raises(QueryError, match="a row of 300000 bytes; at most 262144") as caught:
            database.execute("SELECT repeat('x', 300000)")
        assert "DuckDBLimits.max_row_bytes of sqlbench" in str(caught.value), "what moves it"


def test_a_query_gives_the_same_each_time(path: Path) -> None:
    sql = "SELECT random(), uuid()::VARCHAR, id FROM customers USING SAMPLE 2"
    with DuckDBDatabase(path) as one, DuckDBDatabase(path) as other, no_memo():
        assert one.execute(sql).rows == one.execute(sql).rows == other.execute(sql).rows
        assert one.engine_version and one.engine_version >= "2.0"


# ---- the schema


def test_the_schema_shows_keys_comments_samples_and_quotes(database: DuckDBDatabase) -> None:
    schema = database.schema()
    tables = {t.name: t for t in schema.tables}
    assert sorted(tables) == ["adults", "customers", "lines", "orders"]
    assert schema.tables[-1].name == "adults"  # views come last
    customers = tables["customers"]
    assert customers.row_count == 2 and customers.samples["paid"] == (1.5, 3.0)
    assert "photo" not in customers.samples
    assert [c.name for c in customers.columns if c.primary_key] == ["id"]
    (key,) = tables["lines"].foreign_keys
    assert (key.columns, key.ref_table, key.ref_columns, key.ref_schema) == (
        ("year", "number"), "orders", ("year", "number"), "office",
    )  # fmt: skip
    text = schema.prompt()
    assert "-- everybody who ever bought\nCREATE TABLE customers (" in text
    assert "paid DECIMAL(10,2),  -- in euros; e.g. 1.5, 3.0" in text
    assert '"Full Name" VARCHAR' in text and '"desc" INTEGER' in text
    assert "FOREIGN KEY (year, number) REFERENCES office.orders (year, number)" in text
    assert tables["adults"].row_count is None


@pytest.mark.parametrize("word", ["desc", "pivot", "qualify", "lambda", "summarize", "a b", "1a"])
def test_names_that_need_quotes_have_them(database: DuckDBDatabase, word: str) -> None:
    quoted = quote_name(word, "duckdb")
    assert quoted == f'"{word}"'
    assert database.execute(f"SELECT {quoted} FROM (SELECT 1 AS {quoted})").rows == [(1,)]
    assert quote_name("Name", "duckdb") == "Name"  # no case to fold


# ---- messages


def test_a_table_that_only_duckdb_knows_is_not_proposed(database: DuckDBDatabase) -> None:
    for name, proposed in (("custommers", True), ("pg_type_of", False), ("two words", True)):
        with pytest.raises(QueryError) as caught:
            database.execute(f'SELECT * FROM "{name}"')
        assert ("Did you mean" in caught.value.message) == proposed
        assert str(caught.value) == caught.value.message
        assert extract_offending_token(caught.value) == name


def test_messages_name_candidates_and_stay_short(database: DuckDBDatabase) -> None:
    with pytest.raises(QueryError) as caught:
        database.execute("SELECT nam FROM customers")
    assert 'Candidate bindings: "name"' in caught.value.message
    with pytest.raises(QueryError) as caught:
        database.execute("SELECT id + name FROM customers")
    assert caught.value.message.count("->") == 5 and "LINE 1:" in caught.value.message
    assert str(classify_error(caught.value)) == "datatype_mismatch"


# ---- files that cannot be used


def test_a_missing_extra_says_how_to_get_it(path: Path) -> None:
    program = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from sqlbench.databases.duckdb import DuckDBDatabase\n"
        f"DuckDBDatabase({str(path)!r})"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert MissingExtraError.__name__ in ran.stderr.splitlines()[-1]
    assert "[duckdb]" in ran.stderr


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a DuckDB file"),
        (b"hello" * 1000, "is not a DuckDB file"),
        (b"SQLite format 3\0" + bytes(4000), "is not a DuckDB file: it is a SQLite file"),
        (bytes(8) + b"DUCK" + struct.pack("<Q", 51) + bytes(4000), "storage version 51"),
        (bytes(8) + b"DUCK" + struct.pack("<Q", 64) + bytes(4000), "cannot be opened with DuckDB"),
    ],
)
def test_a_file_that_is_no_database_of_duckdbs_is_one_sentence(
    tmp_path: Path, data: bytes, message: str
) -> None:
    pytest.importorskip("duckdb")
    path = _written(tmp_path / "x.duckdb", data)
    with pytest.raises(SuiteError, match=message) as caught, DuckDBDatabase(path) as database:
        database.execute("SELECT 1")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_file_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    with pytest.raises(SuiteError, match="does not exist"):
        DuckDBDatabase(tmp_path / "none.duckdb")
    with pytest.raises(SuiteError, match="a directory without Parquet or CSV files"):
        DuckDBDatabase(tmp_path)


def test_a_database_of_a_later_version_is_one_sentence(tmp_path: Path) -> None:
    path = duckdb_file(tmp_path / "x.duckdb", "CREATE TABLE t (a INT)")
    data = bytearray(path.read_bytes())
    data[12:20] = struct.pack("<Q", 10**6)
    _written(path, bytes(data))
    with pytest.raises(SuiteError, match="DuckDB") as caught, DuckDBDatabase(path) as database:
        database.execute("SELECT 1")
    assert "\n" not in str(caught.value)


def test_a_database_that_a_writer_holds_open_is_one_sentence(tmp_path: Path) -> None:
    path = duckdb_file(tmp_path / "x.duckdb", "CREATE TABLE t (a INT)")
    program = (
        f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print(1, flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        told = pytest.raises(SuiteError, match="open for writing in another program")
        with DuckDBDatabase(path) as database, told:
            database.execute("SELECT * FROM t")
        writer.kill()
    with DuckDBDatabase(path) as database:
        assert database.execute("SELECT * FROM t").rows == []


def test_paths_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb_file(tmp_path / "x.duckdb", "CREATE TABLE t AS SELECT 1 AS a")
    (tmp_path / "files").mkdir()
    _written(tmp_path / "files" / "t.csv", b"a\n1\n")
    monkeypatch.chdir(tmp_path)
    for path in ("x.duckdb", "./x.duckdb", "files", "files/", "files/*.csv", "files/t.csv"):
        with DuckDBDatabase(path) as database:
            assert database.execute("SELECT a FROM t").rows == [(1,)], path
            assert database.schema().tables[0].name == "t"


def test_a_database_that_changes_is_one_sentence_and_can_be_opened_again(tmp_path: Path) -> None:
    path = duckdb_file(tmp_path / "x.duckdb", "CREATE TABLE t AS SELECT 1 AS a")
    other = duckdb_file(tmp_path / "y.duckdb", "CREATE TABLE t AS SELECT 2 AS b")
    with DuckDBDatabase(path) as database:
        assert database.execute("SELECT a FROM t").rows == [(1,)]
        before = content_stamp(database)
        os.replace(other, path)
        assert content_stamp(database) != before
        with pytest.raises(SuiteError, match=r"x\.duckdb has changed since it was opened"):
            database.execute("SELECT a FROM t")
        database.reopen()
        assert database.execute("SELECT b FROM t").rows == [(2,)]
        assert [c.name for c in database.schema().tables[0].columns] == ["b"]
        path.unlink()
        with pytest.raises(SuiteError, match="is gone"):
            database.execute("SELECT b FROM t")


def test_a_view_of_a_database_on_a_file_is_an_error_that_says_so(tmp_path: Path) -> None:
    outside = _written(tmp_path / "rows.csv", b"a,b\n1,2\n")
    path = duckdb_file(
        tmp_path / "x.duckdb",
        f"CREATE VIEW v AS FROM read_csv('{outside}'); CREATE TABLE t (a INT)",
    )
    with DuckDBDatabase(path) as database:
        with pytest.raises(QueryError, match=r"not authorized: .*rows\.csv") as caught:
            database.execute("SELECT * FROM v")
        assert "\n" not in caught.value.message
        assert [t.name for t in database.schema().tables] == ["t", "v"]
