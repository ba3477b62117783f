"""What differs between the engines: a row a difference, as docs/databases.md has them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from sqlbench.databases import Database, QueryError
from sqlbench.episodes.errors import ErrorClass, classify_error

# What it is; a statement; what SQLite, PostgreSQL and DuckDB make of it: the first cell of the
# first row, or an error's class.
DIFFERENCES: dict[str, tuple[str, Any, Any, Any]] = {
    "division of integers": ("SELECT 7 / 2", 3, 3, 3.5),
    "division by zero": ("SELECT 1 / 0", None, "other", math.inf),
    "remainder by zero": ("SELECT 7 % 0", None, "other", "other"),
    "LIKE and capitals": ("SELECT 'ABC' LIKE 'abc'", 1, False, False),
    "a text in double quotes": (
        'SELECT "Joe" FROM singer LIMIT 1', "Joe", "no_such_column", "no_such_column",
    ),
    "place of NULL": (
        "SELECT age FROM (SELECT age FROM singer UNION ALL SELECT NULL) AS t ORDER BY age LIMIT 1",
        None, 41, 41,
    ),
    "a text beside a number": ("SELECT '10' = 10", 0, True, True),
    "a text column beside a number": (
        "SELECT count(*) FROM singer WHERE name = 1", 0, "datatype_mismatch", "datatype_mismatch",
    ),
    "a bare column": (
        "SELECT name, count(*) FROM singer", "Joe", "aggregation_error", "aggregation_error",
    ),
    "an alias in WHERE": (
        "SELECT age AS n FROM singer WHERE n > 50", 52, "no_such_column", 52,
    ),
    "numbers with a point": ("SELECT 0.1 + 0.2", 0.30000000000000004, 0.3, 0.3),
    "a truth": ("SELECT 1 = 1", 1, True, True),
    "a word as a number": (
        "SELECT CAST('x' AS INTEGER)", 0, "datatype_mismatch", "datatype_mismatch",
    ),
    "a fraction in a text as an integer": (
        "SELECT CAST('3.7' AS INTEGER)", 3, "datatype_mismatch", 4,
    ),
    "a fraction as an integer": ("SELECT CAST(3.7 AS INTEGER)", 3, 4, 4),
    "a number as a condition": (
        "SELECT count(*) FROM singer WHERE age", 2, "datatype_mismatch", 2,
    ),
    "a sum beyond 64 bits": (
        "SELECT 9223372036854775807 + 1", 9.223372036854776e18, "other", "other",
    ),
    "the root of a negative number": ("SELECT sqrt(-1)", None, "other", math.nan),
    "a negative LIMIT": ("SELECT name FROM singer LIMIT -1", "Joe", "other", "other"),
    "unlike types in a union": ("SELECT 1 UNION ALL SELECT 'a'", 1, "datatype_mismatch", "1"),
    "small letters beyond ASCII": ("SELECT lower('Ä')", "Ä", "ä", "ä"),
    "the end of a text": ("SELECT substr('abc', -1)", "c", "abc", "c"),
    "the length of a number": (
        "SELECT length(12345)", 5, "datatype_mismatch", "datatype_mismatch",
    ),
    "max of two": ("SELECT max(1, 2)", 2, "no_such_function", "[1]"),
    "a year of a text": (
        "SELECT strftime('%Y', '2024-01-02')", "2024", "no_such_function", "datatype_mismatch",
    ),
    "texts of a group": (
        "SELECT group_concat(name) FROM singer", "Joe,Rose", "no_such_function", "Joe,Rose",
    ),
    "ORDER BY what DISTINCT drops": (
        "SELECT DISTINCT name FROM singer ORDER BY age", "Rose", "aggregation_error", "Rose",
    ),
    "a comma too many": ("SELECT 1, FROM singer", "syntax_error", "syntax_error", 1),
    "two texts side by side": ("SELECT 'a' 'b'", "a", "syntax_error", "syntax_error"),
    "the name of a type": ("SELECT typeof(1)", "integer", "no_such_function", "INTEGER"),
}  # fmt: skip
ENGINES = ("sqlite", "postgresql", "duckdb")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("what", DIFFERENCES)
def test_engines_differ_in_this(request: pytest.FixtureRequest, engine: str, what: str) -> None:
    sql, *expected = DIFFERENCES[what]
    database: Database = request.getfixturevalue(engine)
    try:
        found = database.execute(sql).rows[0][0]
    except QueryError as error:
        found = str(classify_error(error))
    wanted = expected[ENGINES.index(engine)]
    assert type(found) is type(wanted)
    assert repr(found) == repr(wanted)


def test_each_row_is_a_difference() -> None:
    for what, (_, *expected) in DIFFERENCES.items():
        assert len({repr(value) for value in expected}) > 1, what


def test_the_page_on_databases_has_each_row() -> None:
    page = (Path(__file__).parents[2] / "docs" / "databases.md").read_text(encoding="utf-8")
    for what, (sql, *expected) in DIFFERENCES.items():
        cells = " | ".join(_told(value) for value in expected)
        assert f"| {what} | `{sql.replace('|', chr(92) + '|')}` | {cells} |" in page


def _told(value: object) -> str:
    if value is None:
        return "NULL"
    return f"*{value}*" if value in set(ErrorClass) else str(value)
