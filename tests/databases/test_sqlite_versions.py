"""What differs between versions of SQLite: a row a difference, as docs/databases.md has them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandboxed import singers_file

from sqlbench.databases import QueryError, SQLiteDatabase
from sqlbench.episodes.errors import classify_error

OLD, NEW = (3, 40), (3, 53)  # on versions between the two either may be so

DIFFERENCES = {
    "text of a REAL": ("SELECT CAST(0.1 + 0.2 AS TEXT)", "0.3", "0.30000000000000004"),
    "text of a REAL in replace": (
        "SELECT replace(0.1 + 0.2, '.', ',')", "0,3", "0,30000000000000004",
    ),
    "digits of printf": ("SELECT printf('%!.17g', 0.1)", "0.10000000000000001", "0.1"),
    "rounding a half": ("SELECT round(2.675, 2)", 2.68, 2.67),
    "last digits of AVG": (
        "SELECT avg(x) FROM (SELECT 0.1 AS x UNION ALL SELECT 0.2 UNION ALL SELECT 0.3)",
        0.20000000000000004,
        0.19999999999999998,
    ),
    "last digits of SUM": (
        "SELECT sum(x) FROM (SELECT 0.1 AS x UNION ALL SELECT 0.2 UNION ALL SELECT 0.3)",
        0.6000000000000001,
        0.6,
    ),
    "type of replace without a pattern": ("SELECT typeof(replace(5, '', 'x'))", "integer", "text"),
    "a day that is not": ("SELECT date('2024-02-30')", "2024-02-30", "2024-03-01"),
    "JSON without quotes": ("SELECT json('{a: 1}')", "datatype_mismatch", '{"a":1}'),
    "concat": ("SELECT concat('a', 'b')", "no_such_function", "ab"),
    "iif of two": ("SELECT iif(1, 2)", "no_such_function", 2),
    "ORDER BY in an aggregate": (
        "SELECT group_concat(id ORDER BY id DESC) FROM singer", "syntax_error", "4,3,2,1",
    ),
    "LEFT as a function": ("SELECT LEFT('abc', 1)", "syntax_error", "no_such_function"),
    "_ between digits": ("SELECT 1_000", "syntax_error", 1000),
    "column of an outer query in GROUP BY": (
        "SELECT count(*) FROM singer WHERE EXISTS (SELECT 1 FROM concert GROUP BY age)",
        "no_such_column",
        4,
    ),
    "many parentheses": (f"SELECT {'(' * 200}1{')' * 200}", "syntax_error", 1),
}  # fmt: skip


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLiteDatabase]:
    with SQLiteDatabase(singers_file(tmp_path_factory.mktemp("versions"))) as database:
        yield database


def test_the_newest_sqlite_is_the_one_that_is_tested_where_it_is_asked_for() -> None:
    if os.environ.get("SQLBENCH_NEWEST_SQLITE"):
        assert sqlite3.sqlite_version_info >= NEW
    else:
        pytest.skip("the SQLite of this Python")


@pytest.mark.parametrize(("sql", "old", "new"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_versions_differ_in_this(
    database: SQLiteDatabase, sql: str, old: object, new: object
) -> None:
    try:
        ((found,),) = database.execute(sql).rows
    except QueryError as error:
        found = str(classify_error(error))
    version = sqlite3.sqlite_version_info
    expected = [old] if version[:2] <= OLD else [new] if version >= NEW else [old, new]
    assert found in expected


def test_the_page_on_databases_tells_of_each_difference() -> None:
    page = (Path(__file__).parents[2] / "docs" / "databases.md").read_text(encoding="utf-8")
    for sql, *_ in DIFFERENCES.values():
        told = sql if len(sql) < 100 else "SELECT ((…1…))"
        assert f"`{told}`" in page, sql
