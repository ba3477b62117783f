"""The verdict of each metric on a table of cases, written down before they are computed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from sandboxed import COUNT

from sqlbench.databases import Limits, QueryError, SQLiteDatabase
from sqlbench.exceptions import UnknownNameError
from sqlbench.grading import Gold, Verdict, compare, failed, find_metric, run_gold, task_score

SCRIPT = """
CREATE TABLE pupil (id INTEGER, name TEXT, mark REAL, born TEXT, city TEXT, photo BLOB);
INSERT INTO pupil VALUES (1, 'Ann', 1.5, '2024-01-02', 'Rome', x'00ff');
INSERT INTO pupil VALUES (2, 'Bob', 2.5, '2024-02-03', 'Rome', NULL);
INSERT INTO pupil VALUES (3, 'Cid', 2.5, NULL, 'Oslo', x'00');
INSERT INTO pupil VALUES (4, 'ann', 0.5, '2024-02-03', 'Bern', NULL);
CREATE TABLE nobody (id INTEGER, name TEXT);
CREATE TABLE odd (word TEXT);
INSERT INTO odd VALUES (CAST(x'61ff' AS TEXT));
"""
LONG = ", ".join(f"{i} AS c{i}" for i in range(120))
LONG_BACKWARDS = ", ".join(f"{i} AS c{i}" for i in reversed(range(120)))
OK = "match"

# What it shows, the gold, the prediction, and the reasons of exact, spider and bird.
CASES = [
    ("the same query", "SELECT name FROM pupil", "SELECT name FROM pupil", OK, OK, OK),
    (
        "swapped columns",
        "SELECT name, city FROM pupil",
        "SELECT city, name FROM pupil",
        OK,
        OK,
        "values",
    ),
    (
        "columns mixed between rows",
        "SELECT 1, 2 UNION ALL SELECT 3, 4",
        "SELECT 1, 2 UNION ALL SELECT 4, 3",
        "values",
        "values",
        "values",
    ),
    (
        "rows in another order, no ORDER BY",
        "SELECT id FROM pupil",
        "SELECT id FROM pupil ORDER BY id DESC",
        OK,
        OK,
        OK,
    ),
    (
        "rows in another order, ORDER BY",
        "SELECT id FROM pupil ORDER BY id",
        "SELECT id FROM pupil ORDER BY id DESC",
        "order",
        "order",
        OK,
    ),
    (
        "ORDER BY and swapped columns",
        "SELECT id, name FROM pupil ORDER BY id",
        "SELECT name, id FROM pupil ORDER BY id",
        OK,
        OK,
        "values",
    ),
    (
        "ORDER BY only inside a sub-query",
        "SELECT name FROM (SELECT name FROM pupil ORDER BY id LIMIT 2)",
        "SELECT name FROM pupil WHERE id < 3 ORDER BY id DESC",
        OK,
        "order",
        OK,
    ),
    (
        "'order by' in a literal",
        "SELECT name, 'order by' FROM pupil",
        "SELECT name, 'order by' FROM pupil ORDER BY id DESC",
        OK,
        "order",
        OK,
    ),
    (
        "ORDER BY in a window only",
        "SELECT id, row_number() OVER (ORDER BY id) FROM pupil",
        "SELECT id, row_number() OVER (ORDER BY id) FROM pupil ORDER BY 1 DESC",
        OK,
        "order",
        OK,
    ),
    (
        "ORDER BY around a sub-query",
        "SELECT * FROM (SELECT id FROM pupil) ORDER BY id",
        "SELECT id FROM pupil ORDER BY -id",
        "order",
        "order",
        OK,
    ),
    (
        "missing DISTINCT",
        "SELECT DISTINCT city FROM pupil",
        "SELECT city FROM pupil",
        "duplicates",
        OK,
        OK,
    ),
    (
        "DISTINCT too many",
        "SELECT city FROM pupil",
        "SELECT DISTINCT city FROM pupil",
        "duplicates",
        OK,
        OK,
    ),
    (
        "missing DISTINCT in an aggregate",
        "SELECT count(DISTINCT city) FROM pupil",
        "SELECT count(city) FROM pupil",
        "values",
        OK,
        "values",
    ),
    (
        "the text 'distinct' in a literal stays",
        "SELECT 'distinct'",
        "SELECT ''",
        "values",
        "values",
        "values",
    ),
    (
        "duplicates spread otherwise",
        "SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 2",
        "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 2",
        "duplicates",
        "duplicates",
        OK,
    ),
    (
        "a row too few",
        "SELECT id FROM pupil",
        "SELECT id FROM pupil WHERE id > 1",
        "row_count",
        "row_count",
        "row_count",
    ),
    ("NULL and NULL", "SELECT NULL", "SELECT NULL", OK, OK, OK),
    ("NULL and 0", "SELECT NULL", "SELECT 0", "values", "values", "values"),
    ("NULL and ''", "SELECT NULL", "SELECT ''", "values", "values", "values"),
    ("NULL and 'None'", "SELECT NULL", "SELECT 'None'", "values", "values", "values"),
    (
        "NULLs in rows",
        "SELECT born, id FROM pupil",
        "SELECT id, born FROM pupil ORDER BY born",
        OK,
        OK,
        "values",
    ),
    ("1 and 1.0", "SELECT 1", "SELECT 1.0", OK, OK, OK),
    ("1 and '1'", "SELECT 1", "SELECT '1'", "type", "values", "values"),
    ("1.0 and '1.0'", "SELECT 1.0", "SELECT '1.0'", "type", "values", "values"),
    ("1 and true", "SELECT 1", "SELECT 1 = 1", OK, OK, OK),
    ("0.1 + 0.2 and 0.3", "SELECT 0.1 + 0.2", "SELECT 0.3", OK, "values", "values"),
    (
        "dust on a rounding boundary",
        "SELECT 12345.65, 'a'",
        "SELECT 'a', 12345.65 * 1.0000000000002",
        OK,
        "values",
        "values",
    ),
    (
        "dust in rows that must stay in order",
        "SELECT 0.1 + 0.2 AS x UNION ALL SELECT 5 ORDER BY x",
        "SELECT 0.3 AS x UNION ALL SELECT 5 ORDER BY x",
        OK,
        "values",
        "values",
    ),
    (
        "an integer and a float beside it",
        "SELECT 3",
        "SELECT 3.00000000000001",
        OK,
        *["values"] * 2,
    ),
    ("more than dust", "SELECT 0.3", "SELECT 0.30001", "values", "values", "values"),
    ("long integers that differ by 1", "SELECT 5551234567", "SELECT 5551234568", *["values"] * 3),
    ("infinities", "SELECT 9e999", "SELECT 9e998", OK, OK, OK),
    ("blobs", "SELECT photo FROM pupil", "SELECT photo FROM pupil ORDER BY id DESC", OK, OK, OK),
    ("a blob and its text", "SELECT x'61'", "SELECT 'a'", "values", "values", "values"),
    (
        "dates",
        "SELECT born FROM pupil WHERE id = 2",
        "SELECT date('2024-02-02', '+1 day')",
        OK,
        OK,
        OK,
    ),
    (
        "a date and its time",
        "SELECT '2024-02-03'",
        "SELECT '2024-02-03 00:00:00'",
        "values",
        "values",
        "values",
    ),
    (
        "an extra column",
        "SELECT name FROM pupil",
        "SELECT name, id FROM pupil",
        "column_count",
        "column_count",
        "column_count",
    ),
    (
        "an extra column that repeats",
        "SELECT name FROM pupil",
        "SELECT name, name FROM pupil",
        "column_count",
        "column_count",
        "column_count",
    ),
    (
        "a repeated column, the other one repeated",
        "SELECT id, id, mark FROM pupil",
        "SELECT id, mark, mark FROM pupil",
        "values",
        "values",
        "values",
    ),
    ("empty and empty", "SELECT id FROM nobody", "SELECT 1 FROM nobody", OK, OK, OK),
    (
        "empty and empty of another width",
        "SELECT id FROM nobody",
        "SELECT 1, 2 FROM nobody",
        "column_count",
        OK,
        OK,
    ),
    (
        "empty and not",
        "SELECT id FROM nobody",
        "SELECT id FROM pupil",
        "row_count",
        "row_count",
        "row_count",
    ),
    (
        "not and empty",
        "SELECT id FROM pupil",
        "SELECT id FROM nobody",
        "row_count",
        "row_count",
        "row_count",
    ),
    ("comment-only SQL", "SELECT id FROM nobody", "-- nothing", *["pred_error"] * 3),
    ("no SQL at all", "SELECT id FROM nobody", "", *["pred_error"] * 3),
    (
        "a DROP against an empty gold",
        "SELECT id FROM nobody",
        "DROP TABLE pupil",
        *["pred_error"] * 3,
    ),
    ("two statements", "SELECT 1", "SELECT 1; SELECT 1", "pred_error", OK, "pred_error"),
    ("a trailing semicolon", "SELECT 1", "SELECT 1 ;", OK, OK, OK),
    (
        "operators torn apart",
        "SELECT id FROM pupil WHERE id >= 3",
        "SELECT id FROM pupil WHERE id > = 3",
        "pred_error",
        OK,
        "pred_error",
    ),
    ("case of text", "SELECT 'Ann'", "SELECT 'ann'", "values", "values", "values"),
    ("case of keywords and names", "SELECT Name FROM PUPIL", "select NAME from pupil", OK, OK, OK),
    ("unicode", "SELECT 'Zoë 日本 🙂'", "SELECT 'Zoë ' || '日本 🙂'", OK, OK, OK),
    (
        "unicode that only looks alike",
        "SELECT 'é'",
        "SELECT 'e' || char(769)",
        "values",
        "values",
        "values",
    ),
    ("bytes that are not UTF-8", "SELECT word FROM odd", "SELECT 'a'", "values", OK, "values"),
    ("very long rows", f"SELECT {LONG}", f"SELECT {LONG_BACKWARDS}", OK, OK, "values"),
    (
        "1 and 1.0 beside a text that sorts between them",
        "SELECT 1, '1.'",
        "SELECT 1.0, '1.'",
        OK,
        "values",
        OK,
    ),
    (
        "a query that takes too many steps",
        "SELECT 1",
        COUNT,
        *["timeout"] * 3,
    ),
    (
        "a result longer than the cap",
        "SELECT 1",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c LIMIT 101) SELECT x FROM c",
        *["truncated"] * 3,
    ),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLiteDatabase]:
    path = tmp_path_factory.mktemp("metrics") / "school.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(SCRIPT)
    connection.close()
    with SQLiteDatabase(path, limits=Limits(vm_steps=100_000, max_rows=100)) as database:
        yield database


def judge(database: SQLiteDatabase, gold: str, pred: str, metric: str) -> Verdict:
    prepare = find_metric(metric).prepare
    ran = run_gold(prepare(gold), database)
    try:
        return compare(ran, database.execute(prepare(pred)), metric)
    except QueryError as error:
        return failed(ran, error)


@pytest.mark.parametrize("case", CASES, ids=[c[0] for c in CASES])
def test_verdicts_are_those_of_the_table(database: SQLiteDatabase, case: tuple[str, ...]) -> None:
    _, gold, pred, *expected = case
    reasons = [judge(database, gold, pred, m).reason for m in ("exact", "spider", "bird")]
    assert reasons == expected


def test_keep_distinct_tells_distinct_apart(database: SQLiteDatabase) -> None:
    pair = ("SELECT DISTINCT city FROM pupil", "SELECT city FROM pupil")
    assert judge(database, *pair, "spider").match
    assert judge(database, *pair, "spider-keep-distinct").reason == "duplicates"


@pytest.mark.parametrize("metric", ["exact", "spider", "spider-keep-distinct", "bird"])
def test_two_empty_results_are_a_vacuous_match(database: SQLiteDatabase, metric: str) -> None:
    verdict = judge(database, "SELECT id FROM nobody", "SELECT name FROM nobody", metric)
    assert verdict == Verdict(True, "match", vacuous=True, gold_rows=0, pred_rows=0)


@pytest.mark.parametrize(
    ("gold", "tie"),
    [
        ("SELECT name FROM pupil ORDER BY mark DESC LIMIT 1", True),
        ("SELECT name FROM pupil ORDER BY mark LIMIT 1", False),
        ("SELECT mark FROM pupil ORDER BY mark DESC LIMIT 1", False),
        ("SELECT name FROM pupil LIMIT 2", True),
        ("SELECT name FROM pupil ORDER BY mark DESC LIMIT 9", False),
        ("SELECT name FROM pupil WHERE mark = (SELECT max(mark) FROM pupil)", False),
        ("SELECT 'limit', name FROM pupil ORDER BY mark", False),
        (
            "SELECT count(*) FROM pupil WHERE id IN "
            "(SELECT id FROM pupil ORDER BY city DESC LIMIT 1) AND name = 'Ann'",
            True,
        ),
    ],
)
def test_a_limit_that_cuts_a_tie_is_flagged(database: SQLiteDatabase, gold: str, tie: bool) -> None:
    assert judge(database, gold, gold, "exact").tie is tie


def test_a_gold_beyond_the_cap_is_no_gold(database: SQLiteDatabase) -> None:
    with pytest.raises(QueryError, match="longer than the sandbox's cap"):
        run_gold("SELECT a.id FROM pupil a, pupil b, pupil c, pupil d", database)


def test_an_unknown_metric_is_named(database: SQLiteDatabase) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown metric 'spyder'.*Did you mean 'spider'"):
        judge(database, "SELECT 1", "SELECT 1", "spyder")


def gold_of(rows: list[tuple[object, ...]], database: SQLiteDatabase) -> Gold:
    from sqlbench.databases import QueryResult

    columns = tuple(f"c{i}" for i in range(len(rows[0])))
    return Gold("SELECT", QueryResult(columns, rows), database)


def test_a_wrong_result_never_scores_as_a_right_one(database: SQLiteDatabase) -> None:
    gold = run_gold("SELECT id, name FROM pupil", database).result
    near = database.execute("SELECT name, id FROM pupil WHERE id > 1")
    assert task_score(gold, near, False) == pytest.approx(0.75 * 6 / 7)
    assert task_score(gold, gold, False) == 0.75
    assert task_score(gold, None, False) == 0.0
    assert task_score(gold, gold, True) == 1.0
