"""What a database says about a statement, and what sqlbench makes of it."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandboxed import COUNT

from sqlbench.databases import Limits, QueryError, SQLiteDatabase
from sqlbench.episodes.errors import (
    ErrorClass,
    classify_error,
    classify_message,
    extract_offending_token,
    severity,
)

COLUMN, TABLE = ErrorClass.NO_SUCH_COLUMN, ErrorClass.NO_SUCH_TABLE
SYNTAX, AMBIGUOUS = ErrorClass.SYNTAX_ERROR, ErrorClass.AMBIGUOUS_COLUMN
DATATYPE, FUNCTION = ErrorClass.DATATYPE_MISMATCH, ErrorClass.NO_SUCH_FUNCTION
AGGREGATION, OTHER, TIMEOUT = ErrorClass.AGGREGATION_ERROR, ErrorClass.OTHER, ErrorClass.TIMEOUT


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLiteDatabase]:
    path = tmp_path_factory.mktemp("errors") / "music.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, age INT);
        CREATE TABLE concert (id INTEGER PRIMARY KEY, singer_id INT, "no such table: x" TEXT);
        INSERT INTO singer (name, age) VALUES ('Joe', 52), ('Rose', 41);
        """
    )
    connection.close()
    with SQLiteDatabase(path, limits=Limits(vm_steps=100_000)) as database:
        yield database


# What SQLite really raises: the statement, its class, and what the message names.
RAISED = [
    ("SELECT nope FROM singer", COLUMN, "nope"),
    ("SELECT s.nope FROM singer s", COLUMN, "s.nope"),
    ("SELECT nope.name FROM singer", COLUMN, "nope.name"),
    ("SELECT [first name] FROM singer", COLUMN, "first name"),
    ("SELECT `no such table: y` FROM singer", COLUMN, "no such table: y"),
    ("SELECT name FROM singer ORDER BY nope", COLUMN, "nope"),
    ("SELECT name FROM singer GROUP BY nope", COLUMN, "nope"),
    ("SELECT name FROM singer UNION SELECT name FROM singer ORDER BY age", COLUMN, "age"),
    ("SELECT name FROM singer ORDER BY 2", COLUMN, "2"),
    ("SELECT name FROM singer GROUP BY 1, 7", COLUMN, "7"),
    ("SELECT * FROM singer JOIN concert USING (nope)", COLUMN, "nope"),
    ("SELECT * FROM nope", TABLE, "nope"),
    ("SELECT * FROM main.nope", TABLE, "main.nope"),
    ("SELECT * FROM other.singer", TABLE, "other.singer"),
    ("SELECT * FROM [no such column: x]", TABLE, "no such column: x"),
    ("SELECT nope.* FROM singer", TABLE, "nope"),
    ("SELECT * FROM generate_series(1, 2)", TABLE, "generate_series"),
    ("SELECT name FROM singer WHERE id IN (SELECT id FROM nope)", TABLE, "nope"),
    ("SELEC name FROM singer", SYNTAX, "SELEC"),
    ("SELECT name FROM singer WHERE", SYNTAX, None),
    ("SELECT name FROM singer LIMIT", SYNTAX, None),
    ("SELECT name, FROM singer", SYNTAX, "FROM"),
    ("SELECT EXTRACT(YEAR FROM name) FROM singer", SYNTAX, "FROM"),
    ("SELECT name FROM singer WHERE age > ANY (SELECT 1)", SYNTAX, "SELECT"),
    ("SELECT TOP 1 name FROM singer", SYNTAX, "1"),
    ("SELECT (1, 2", SYNTAX, None),
    ("SELECT name FROM singer)", SYNTAX, ")"),
    ("SELECT 'never closed", SYNTAX, "'never closed"),
    ("SELECT ” FROM singer", COLUMN, "”"),
    ("SELECT 1 # 2", SYNTAX, "#"),
    ("SELECT 1; SELECT 2", SYNTAX, None),
    ("", SYNTAX, None),
    ("-- nothing", SYNTAX, None),
    ("SELECT ?", SYNTAX, None),
    ("SELECT 'a\0'", SYNTAX, None),
    ("SELECT '\ud800'", SYNTAX, None),
    ("SELECT *", SYNTAX, None),
    ("SELECT name FROM singer ORDER BY age UNION SELECT 1", SYNTAX, None),
    ("SELECT name FROM singer LIMIT 1 UNION SELECT 1", SYNTAX, None),
    ("SELECT * FROM singer NATURAL JOIN concert ON 1", SYNTAX, None),
    ("SELECT * FROM singer LEFT INNER JOIN concert", SYNTAX, "LEFT INNER"),
    ("SELECT id FROM singer, concert", AMBIGUOUS, "id"),
    ("SELECT s.name FROM singer s, singer s", AMBIGUOUS, "s.name"),
    ("SELECT * FROM singer a, singer b, singer c WHERE name = 1", AMBIGUOUS, "name"),
    ("SELECT name FROM singer LIMIT 'a'", DATATYPE, None),
    ("SELECT name FROM singer LIMIT 1.5", DATATYPE, None),
    ("SELECT name FROM singer LIMIT 1 OFFSET 'b'", DATATYPE, None),
    ("SELECT json_extract(name, '$') FROM singer", DATATYPE, None),
    ("SELECT nope(name) FROM singer", FUNCTION, "nope"),
    ("SELECT YEAR(name), MONTH(name) FROM singer", FUNCTION, "YEAR"),
    ("SELECT DATEDIFF(name, name) FROM singer", FUNCTION, "DATEDIFF"),
    ("SELECT name FROM singer WHERE name REGEXP 'a'", FUNCTION, "REGEXP"),
    ("SELECT nope(age) OVER () FROM singer", FUNCTION, "nope"),
    ("SELECT round(age, 1, 2) FROM singer", FUNCTION, "round"),
    ("SELECT COUNT(name, age) FROM singer", FUNCTION, "COUNT"),
    ("SELECT * FROM singer(1)", FUNCTION, "singer"),
    ("SELECT * FROM json_each(1, 2, 3)", FUNCTION, "json_each"),
    ("SELECT name FROM singer WHERE name MATCH 'a'", FUNCTION, "MATCH"),
    ("SELECT name FROM singer WHERE count(*) > 1", AGGREGATION, "count"),
    ("SELECT name FROM singer WHERE age = MAX(age)", AGGREGATION, "MAX"),
    ("SELECT max(count(*)) FROM singer", AGGREGATION, "count"),
    ("SELECT sum(age) AS total FROM singer WHERE total > 1", AGGREGATION, "sum"),
    ("SELECT name FROM singer GROUP BY count(*)", AGGREGATION, None),
    ("SELECT name FROM singer HAVING age > 1", AGGREGATION, None),
    ("SELECT name FROM singer ORDER BY (SELECT 1) HAVING 1", SYNTAX, "HAVING"),
    ("SELECT count(DISTINCT *) FROM singer", SYNTAX, "*"),
    ("SELECT group_concat(DISTINCT name, '-') FROM singer", AGGREGATION, None),
    ("SELECT name FROM singer WHERE rank() OVER () = 1", AGGREGATION, "rank"),
    ("SELECT rank() FROM singer", AGGREGATION, "rank"),
    ("SELECT upper(name) OVER () FROM singer", AGGREGATION, "upper"),
    ("SELECT upper(name) FILTER (WHERE 1) FROM singer", AGGREGATION, "upper"),
    ("SELECT count(DISTINCT age) OVER () FROM singer", AGGREGATION, None),
    ("SELECT name FROM singer UNION SELECT id, name FROM singer", OTHER, None),
    ("SELECT name FROM singer WHERE id = (SELECT 1, 2)", OTHER, None),
    ("SELECT name FROM singer WHERE (id, name) = 1", OTHER, None),
    ("SELECT name FROM singer WHERE id IN (SELECT 1, 2)", OTHER, None),
    ("SELECT name FROM singer INDEXED BY nope", OTHER, "nope"),
    ("SELECT name COLLATE nope FROM singer ORDER BY 1", OTHER, "nope"),
    ("SELECT sum(age) OVER nope FROM singer", OTHER, "nope"),
    ("WITH RECURSIVE c AS (SELECT * FROM c) SELECT * FROM c", OTHER, "c"),
    ("SELECT abs(-9223372036854775807 - 1)", OTHER, None),
    ("SELECT sum(9223372036854775807) FROM singer", OTHER, None),
    ("SELECT zeroblob(300000)", OTHER, None),
    (f"SELECT {' + '.join(['1'] * 2_000)}", OTHER, None),
    (f"SELECT '{'x' * 200_000}'", OTHER, None),
    ("SELECT name LIKE 'a' ESCAPE 'bc' FROM singer", OTHER, None),
    ("DROP TABLE singer", OTHER, "DROP"),
    ("PRAGMA table_info(singer)", OTHER, "PRAGMA"),
    ("SELECT load_extension('x')", OTHER, "load_extension"),
    (COUNT, TIMEOUT, None),
]


@pytest.mark.parametrize(
    ("sql", "error_class", "token"), RAISED, ids=[ascii(sql[:60]) for sql, _, _ in RAISED]
)
def test_what_sqlite_raises_is_classified(
    database: SQLiteDatabase, sql: str, error_class: ErrorClass, token: str | None
) -> None:
    with pytest.raises(QueryError) as caught:
        database.execute(sql)
    assert classify_error(caught.value) == error_class, caught.value.message
    # A log keeps the message alone: it says as much.
    assert classify_message(caught.value.message) == error_class
    assert extract_offending_token(caught.value) == token, caught.value.message


# Messages that this version of SQLite does not have, or words differently.
@pytest.mark.parametrize(
    ("message", "error_class", "token"),
    [
        (
            'no such column: "x" - should this be a string literal in single-quotes?',
            COLUMN,
            "x",
        ),
        ('no such column: "a b"', COLUMN, "a b"),
        ("table singer has no column named nope", COLUMN, "nope"),
        ("misuse of aggregate: COUNT()", AGGREGATION, "COUNT"),
        ("misuse of window function RANK()", AGGREGATION, "RANK"),
        ("a GROUP BY clause is required before HAVING", AGGREGATION, None),
        ("You can only execute one statement at a time.", SYNTAX, None),
        ("RIGHT and FULL OUTER JOINs are not currently supported", SYNTAX, None),
        ("unknown or unsupported join type: FULL", SYNTAX, "FULL"),
        ("no such table-valued function: nope", FUNCTION, "nope"),
        ("no such module: fts9", TABLE, "fts9"),
        ("ambiguous reference to id in USING()", AMBIGUOUS, "id"),
        ("no such index: nope", OTHER, "nope"),
        ("1st ORDER BY term does not match any column in the result set", COLUMN, None),
        ("22nd ORDER BY term out of range - should be between 1 and 2", COLUMN, None),
        ("timeout", TIMEOUT, None),
        ('unrecognized token: ""never closed"', SYNTAX, '"never closed'),
        ('near """: syntax error', SYNTAX, '"'),
        ("database disk image is malformed", OTHER, None),
        ("something new", OTHER, None),
        ("", OTHER, None),
    ],
)
def test_messages_of_other_versions_are_classified(
    message: str, error_class: ErrorClass, token: str | None
) -> None:
    assert classify_message(message) == error_class
    assert extract_offending_token(QueryError(message)) == token


@pytest.mark.parametrize(
    ("sqlstate", "message", "error_class", "token"),
    [
        ("42703", 'column "nope" does not exist', COLUMN, "nope"),
        ("42703", "column s.nope does not exist\nLINE 1: SELECT s.nope", COLUMN, "s.nope"),
        ("42P10", "ORDER BY position 7 is not in select list", COLUMN, "7"),
        ("42P01", 'relation "nope" does not exist\nLINE 1: SELECT', TABLE, "nope"),
        ("42P01", 'missing FROM-clause entry for table "s"', COLUMN, "s"),
        ("42P01", 'invalid reference to FROM-clause entry for table "s"', COLUMN, "s"),
        ("3F000", 'schema "nope" does not exist', TABLE, "nope"),
        ("42601", 'syntax error at or near "FORM"\nLINE 1: SELECT * FORM', SYNTAX, "FORM"),
        ("42601", "syntax error at end of input", SYNTAX, None),
        ("42601", 'unterminated quoted string at or near "\'abc"', SYNTAX, "'abc"),
        ("42P02", "there is no parameter $1", SYNTAX, None),
        ("42702", 'column reference "id" is ambiguous', AMBIGUOUS, "id"),
        ("42712", 'table name "s" specified more than once', AMBIGUOUS, "s"),
        ("42804", "argument of WHERE must be type boolean, not type integer", DATATYPE, None),
        ("22P02", 'invalid input syntax for type integer: "abc"', DATATYPE, "abc"),
        ("22007", 'invalid input syntax for type date: "x"', DATATYPE, "x"),
        ("42846", "cannot cast type integer to date", DATATYPE, None),
        ("42704", 'type "nope" does not exist', DATATYPE, "nope"),
        ("42883", "function nope(integer) does not exist\nHINT: No function", FUNCTION, "nope"),
        ("42883", "operator does not exist: integer = text", DATATYPE, "integer = text"),
        ("42725", "function f(unknown) is not unique", FUNCTION, "f"),
        (
            "42803",
            'column "singer.name" must appear in the GROUP BY clause or be used in an aggregate',
            AGGREGATION,
            "singer.name",
        ),
        ("42803", "aggregate functions are not allowed in WHERE", AGGREGATION, None),
        ("42P20", "window functions are not allowed in WHERE", AGGREGATION, None),
        ("57014", "canceling statement due to statement timeout", TIMEOUT, None),
        ("25006", "cannot execute DELETE in a read-only transaction", OTHER, None),
        ("42501", "permission denied for table pg_authid", OTHER, None),
        ("22012", "division by zero", OTHER, None),
        ("21000", "more than one row returned by a subquery", OTHER, None),
        ("XX000", "no such column: not SQLite's", OTHER, "not SQLite's"),
        ("42703", "Spalte »nope« existiert nicht", COLUMN, None),
    ],
)
def test_an_error_with_a_code_is_classified_by_it(
    sqlstate: str, message: str, error_class: ErrorClass, token: str | None
) -> None:
    error = QueryError(message, sqlstate=sqlstate)
    assert classify_error(error) == error_class
    assert extract_offending_token(error) == token


def test_a_timeout_is_known_by_its_flag() -> None:
    assert classify_error(QueryError("no such column: x", timeout=True)) == TIMEOUT
    assert classify_error(QueryError("x", sqlstate="42703", timeout=True)) == TIMEOUT


def test_severity_orders_all_classes_by_their_distance_from_an_answer() -> None:
    assert {c.value: severity(c) for c in ErrorClass} == {
        "other": 6,
        "syntax_error": 5,
        "timeout": 4,
        "no_such_function": 4,
        "no_such_table": 4,
        "datatype_mismatch": 3,
        "aggregation_error": 3,
        "no_such_column": 2,
        "ambiguous_column": 2,
        "empty_result": 1,
        "wrong_result": 1,
    }


@pytest.mark.shared
def test_real_models_errors_are_classified_as_recorded(traces_dir: Path) -> None:
    """Each message that real models' SQL raised, against the class stored with it."""
    pairs = set()
    with gzip.open(traces_dir / "spider_dev_repairs.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            step = json.loads(line)
            pairs.add((step["before_msg"], step["before_class"]))
            pairs.add((step["after_msg"], step["after_class"]))
    with open(traces_dir / "bird_gpt35_repair_table.jsonl", encoding="utf-8") as file:
        for line in file:
            question = json.loads(line)
            pairs.add((question["before_message"], question["before_class"]))
            repairs = [r for r in question["repairs"].values() if r]
            pairs.update((r["message"], r["after_class"]) for r in repairs)
    raised = {(message, recorded) for message, recorded in pairs if message}
    assert len(raised) > 1_000
    wrong = {(m, c, str(classify_message(m))) for m, c in raised if classify_message(m) != c}
    assert not wrong
