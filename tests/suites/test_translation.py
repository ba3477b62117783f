"""What sqlglot cannot know of a query is mended by the schema: each rule by itself."""

from __future__ import annotations

import pytest

from sqlbench.databases.base import Column, Schema, Table
from sqlbench.suites.translation import RULES, Untranslatable, translate

SCHEMA = Schema(
    "shop",
    "sqlite",
    (
        Table("t", (Column("a", "INT"), Column("b", "INTEGER"), Column("c", "TEXT"),
                    Column("x", "REAL"), Column("Two Words", "TEXT"))),
        Table("u", (Column("id", "INT"), Column("t_id", "TEXT"))),
    ),
)  # fmt: skip

# What is asked of SQLite; what is asked of DuckDB; the rules that changed it.
DUCKDB = [
    ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a NULLS FIRST", ()),
    ('SELECT a FROM t WHERE c = "Joe"', "SELECT a FROM t WHERE c = 'Joe'", ("strings",)),
    ('SELECT "a" FROM t', 'SELECT "a" FROM t', ()),
    ('SELECT a AS "n" FROM t ORDER BY "n"', 'SELECT a AS "n" FROM t ORDER BY "n" NULLS FIRST', ()),
    ("SELECT a / b FROM t", "SELECT a // NULLIF(b, 0) FROM t", ("division",)),
    ("SELECT a / 2 FROM t", "SELECT a // 2 FROM t", ("division",)),
    ("SELECT (a + 1) / 2 FROM t", "SELECT (a + 1) // 2 FROM t", ("division",)),
    ("SELECT a / 2.0 FROM t", "SELECT a / 2.0 FROM t", ()),
    ("SELECT x / a FROM t", "SELECT x / NULLIF(a, 0) FROM t", ()),
    ("WITH w AS (SELECT COUNT(*) AS n FROM t) SELECT n / 2 FROM w",
     "WITH w AS (SELECT COUNT(*) AS n FROM t) SELECT n // 2 FROM w", ("division",)),
    ("SELECT c, COUNT(*) FROM t GROUP BY a",
     "SELECT ANY_VALUE(c) AS c, COUNT(*) FROM t GROUP BY a", ("bare columns",)),
    ("SELECT c, MAX(a) FROM t", "SELECT ARG_MAX(c, a) AS c, MAX(a) FROM t", ("bare columns",)),
    ("SELECT c, MIN(a) FROM t GROUP BY b",
     "SELECT ARG_MIN(c, a) AS c, MIN(a) FROM t GROUP BY b", ("bare columns",)),
    ("SELECT c FROM t GROUP BY c ORDER BY a",
     "SELECT c FROM t GROUP BY c ORDER BY ANY_VALUE(a) NULLS FIRST", ("bare columns",)),
    ("SELECT t.c, COUNT(*) FROM t GROUP BY c", "SELECT t.c, COUNT(*) FROM t GROUP BY c", ()),
    ("SELECT c, COUNT(*) FROM t GROUP BY 1", "SELECT c, COUNT(*) FROM t GROUP BY 1", ()),
    ("SELECT c, RANK() OVER (ORDER BY a) FROM t",
     "SELECT c, RANK() OVER (ORDER BY a NULLS FIRST) FROM t", ()),
    ("SELECT * FROM u GROUP BY id",
     "SELECT u.id, ANY_VALUE(u.t_id) AS t_id FROM u GROUP BY id", ("bare columns",)),
    ("SELECT c FROM t WHERE c LIKE 'a%'", "SELECT c FROM t WHERE c ILIKE 'a%'", ("like",)),
    ("SELECT c FROM t WHERE c = 5", "SELECT c FROM t WHERE c = '5'", ("types",)),
    ("SELECT 1 FROM t JOIN u ON t.a = u.t_id",
     "SELECT 1 FROM t JOIN u ON CAST(t.a AS TEXT) = u.t_id", ("types",)),
    ("SELECT a FROM t WHERE a IN (SELECT t_id FROM u)",
     "SELECT a FROM t WHERE CAST(a AS TEXT) IN (SELECT t_id FROM u)", ("types",)),
    ("SELECT SUM(c) FROM t",
     "SELECT SUM(CASE WHEN NOT c IS NULL THEN COALESCE(TRY_CAST(c AS DOUBLE), 0) END) FROM t",
     ("types",)),
]  # fmt: skip
POSTGRES = [
    ("SELECT a / b FROM t", "SELECT a / NULLIF(b, 0) FROM t", ()),
    ("SELECT c, MAX(a) FROM t",
     "SELECT (ARRAY_AGG(c ORDER BY a DESC NULLS LAST))[1] AS c, MAX(a) FROM t", ("bare columns",)),
    ('SELECT "Two Words" FROM t', 'SELECT "two words" FROM t', ()),
    ("SELECT c FROM t WHERE c LIKE 'a%'", "SELECT c FROM t WHERE c ILIKE 'a%'", ("like",)),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "wanted", "rules"), DUCKDB)
def test_a_query_in_duckdbs_dialect(sql: str, wanted: str, rules: tuple[str, ...]) -> None:
    found = translate(sql, SCHEMA, "duckdb")
    assert (found.sql.replace("VARCHAR", "TEXT"), found.rules) == (wanted, rules)


@pytest.mark.parametrize(("sql", "wanted", "rules"), POSTGRES)
def test_a_query_in_postgresqls_dialect(sql: str, wanted: str, rules: tuple[str, ...]) -> None:
    found = translate(sql, SCHEMA, "postgres")
    assert (found.sql, found.rules) == (wanted, rules)


def test_each_rule_is_tried_and_can_be_left_out() -> None:
    assert {rule for _, _, rules in DUCKDB for rule in rules} == set(RULES)
    for sql, wanted, rules in DUCKDB:
        if rules:
            assert translate(sql, SCHEMA, "duckdb", rules=()).sql != wanted


def test_what_cannot_be_read_is_said() -> None:
    with pytest.raises(Untranslatable):
        translate("SELECT FROM WHERE (", SCHEMA, "duckdb")
