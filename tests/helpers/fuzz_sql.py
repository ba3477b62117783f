"""Seeded fuzzers: gold queries mutated by tokens, by bytes, by fragments, and as trees."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import exp

_TOKEN = re.compile(r"\s+|\w+|'[^']*'|\"[^\"]*\"|.", re.DOTALL)
FRAGMENTS = [
    "; DROP TABLE {t}", "; DELETE FROM {t} --", "/*", "*/", "--\n", "'", '"', "`", "[", "(", ")",
    "UNION ALL SELECT * FROM {t}", "CROSS JOIN {t}", ", {t}", ", {t}, {t}, {t}, {t}",
    "ATTACH 'evil.sqlite' AS e;", "PRAGMA writable_schema = 1;", "load_extension('x')",
    "zeroblob(300000)", "randomblob(200000)", "hex(zeroblob(120000))",
    "printf('%.*c', 3e5, 'x')",
    "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r LIMIT 99999) SELECT x FROM r",
    "(SELECT count(*) FROM {t} a, {t} b, {t} c)", "LIMIT -1", "LIMIT 1 OFFSET 999999999999",
    "COLLATE evil", "LIKE '%_%_%_%_%_%'", "GLOB '*[*]*'", "CAST(NULL AS BLOB)", "1e999", "x'00'",
    "\x00", "\ud800", "\u202e", "💥", "RETURNING *", "INTO OUTFILE '/tmp/x'", "INSERT INTO {t}",
    "UPDATE {t} SET", "DELETE", "CREATE TEMP TABLE e AS", "EXPLAIN", "VACUUM INTO 'e'",
    "ORDER BY 1",
    "OVER (PARTITION BY 1 ORDER BY 1)", "HAVING sum(1)", "json_each('[1,2,3]')",
    "pragma_table_list",
    "sqlite_master", "date('now', '+1 day')", "?", ":x", "9223372036854775808", "NOT " * 50,
]  # fmt: skip


def mutated(golds: Sequence[str], table: str, seed: int) -> Iterator[str]:
    """Yield statements without end.

    Parameters
    ----------
    golds : sequence of str
        What is mutated, and spliced.
    table : str
        A table that exists, for the fragments.
    seed : int
        The same seed, the same statements.
    """
    rng = random.Random(seed)
    fragments = [f.replace("{t}", table) for f in FRAGMENTS]
    while True:
        tokens = _TOKEN.findall(rng.choice(golds))
        for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
            place = rng.randrange(len(tokens) + 1)
            kind = rng.randrange(9)
            if kind == 0 and tokens:
                del tokens[min(place, len(tokens) - 1)]
            elif kind == 1 and tokens:
                tokens.insert(place, rng.choice(tokens))
            elif kind == 2 and len(tokens) > 1:
                i, j = rng.sample(range(len(tokens)), 2)
                tokens[i], tokens[j] = tokens[j], tokens[i]
            elif kind == 3:
                other = _TOKEN.findall(rng.choice(golds))
                start = rng.randrange(len(other))
                tokens[place:place] = other[start : start + rng.randrange(1, 12)]
            elif kind == 4:
                tokens = tokens[:place]
            elif kind == 5:
                start = rng.randrange(place + 1)
                tokens[place:place] = tokens[start:place] * rng.choice([1, 2, 5, 20])
            elif kind == 6 and tokens:
                text = list(tokens[min(place, len(tokens) - 1)])
                text[rng.randrange(len(text))] = chr(rng.randrange(1, 256))
                tokens[min(place, len(tokens) - 1)] = "".join(text)
            else:
                tokens.insert(place, f" {rng.choice(fragments)} ")
        yield "".join(tokens)


GRAFTS = [
    "hex(zeroblob(120000))", "randomblob(200000)", "printf('%.*c', 200000, 'x')", "random()",
    "(WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r LIMIT 9999)"
    " SELECT max(x) FROM r)",
    "(WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x || x FROM r LIMIT 19)"
    " SELECT count(x) FROM r)",
    "(SELECT count(*) FROM {t} a, {t} b, {t} c)",
    "(SELECT group_concat(a.rowid) FROM {t} a, {t} b)",
    "instr(hex(zeroblob(6000)), hex(zeroblob(3000)) || '1')", "NULL", "9223372036854775807 + 1",
    "replace(hex(zeroblob(60000)), '0', 'abcdefgh')", "1e308 * 10", "'%' || hex(zeroblob(200))",
    "CAST(x'ff' AS TEXT)", "abs(-9223372036854775808)", "char(0, 55296, 1114111)", "1 / 0",
    "trim(hex(zeroblob(9000)), hex(randomblob(900)))", "json_extract('[1,[2]]', '$[1]')",
    "date(1e18, 'unixepoch')", "strftime('%f%f%f', 'now')", "quote(zeroblob(100000))", "-1",
]  # fmt: skip


DUCKDB_GRAFTS = [
    "repeat('x', 200000)", "range(100000)", "random()", "uuid()", "md5(random()::VARCHAR)",
    "(WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r WHERE x < 9999)"
    " SELECT max(x) FROM r)",
    "(SELECT count(*) FROM {t} a, {t} b, {t} c)", "(SELECT list(i) FROM range(100000) AS r(i))",
    "list_sort(range(50000))", "list_reduce(range(9999), lambda x, y: x + y)", "NULL",
    "9223372036854775807 + 1", "1e308 * 10", "1 / 0", "1 // 0", "'nan'::DOUBLE", "[1, [2]]",
    "{'a': 1, 'b': [2]}", "MAP {'k': 'v'}", "INTERVAL 1 MONTH", "'infinity'::TIMESTAMP",
    "regexp_matches(repeat('xy', 5000), '(x+y+)+z')", "levenshtein(repeat('a', 900), 'b')", "-1",
    "TIMESTAMPTZ '2024-01-01 00:00:00+02'", "'ab'::BLOB", "170141183460469231731687303715884105727",
    "strptime('x', '%Y')", "try_cast('x' AS INT)", "CAST('x' AS INT)", "lpad('x', 90000, 'y')",
]  # fmt: skip


def grafted(
    golds: Sequence[str],
    table: str,
    seed: int,
    dialect: str = "sqlite",
    grafts: Sequence[str] = GRAFTS,
) -> Iterator[str]:
    """Yield gold queries in which an expression is another's, or a hostile one: most of them run.

    Parameters are those of `mutated`; ``grafts`` are the hostile ones in the dialect.
    """
    rng = random.Random(seed)
    trees = [sqlglot.parse_one(gold, read=dialect) for gold in golds]
    # As a column's value: by itself ``replace(…)`` would be read as a statement.
    hostile = [
        sqlglot.parse_one(f"SELECT {g.replace('{t}', table)}", read=dialect).selects[0]
        for g in grafts
    ]
    parts = [found for tree in trees if (found := [n for n in tree.walk() if _is_value(n)])]
    while True:
        tree = rng.choice(trees).copy()
        for _ in range(rng.choice([1, 1, 2, 3])):
            places = [n for n in tree.walk() if _is_value(n)]
            if not places:
                break
            new = rng.choice(hostile) if rng.random() < 0.3 else rng.choice(rng.choice(parts))
            rng.choice(places).replace(new.copy())
        yield tree.sql(dialect)


def _is_value(node: exp.Expression) -> bool:
    inside = isinstance(node.parent, exp.Binary | exp.Func | exp.Select | exp.Ordered | exp.Alias)
    value = isinstance(node, exp.Column | exp.Literal | exp.Binary | exp.Func | exp.Case)
    return inside and value
