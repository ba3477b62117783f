"""Hostile statements that go for time and memory, and some that hide what they are, by kind.

Each is of a kind that an earlier sandbox let through or had not been asked, for the database of
`hostile_kinds`.
"""

from __future__ import annotations

_C = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT {}) SELECT {} FROM c"
_LONG = "hex(zeroblob(20000))"
_NAME = '"' + "n" * 8_000 + '"'


def _many(count: int, table: str) -> str:
    return ", ".join(f"{table} a{i}" for i in range(count))


def _cells(count: int, value: str) -> str:
    return ", ".join([value] * count)


RESOURCES: dict[str, list[str]] = {
    "expressions that multiply": [
        f"WITH c AS (SELECT 1 FROM {_many(25, 'b')}), b AS (SELECT 1 FROM {_many(25, 'a')}),"
        f" a AS (SELECT 1) SELECT 1 FROM {_many(25, 'c')}",
        "WITH t0 AS (SELECT 1 AS x), "
        + ", ".join(
            f"t{i} AS (SELECT 1 WHERE 1 IN t{i - 1} OR 2 IN t{i - 1})" for i in range(1, 13)
        )
        + " SELECT * FROM t12",
        "WITH t0 AS (SELECT 1), "
        + ", ".join(
            f'[t{i}]/**/AS--\n(SELECT 1 FROM "T{i - 1}", `t{i - 1}` b)' for i in range(1, 13)
        )
        + " SELECT * FROM t12",
        "SELECT (WITH a AS (SELECT 1) SELECT (WITH b AS (SELECT 1 FROM a, a a2) SELECT (WITH c AS"
        f" (SELECT 1 FROM b, b b2) SELECT (WITH d AS (SELECT 1 FROM {_many(25, 'c')}) SELECT 1"
        f" FROM {_many(25, 'd')}))))",
        "WITH t AS (WITH t AS (WITH t AS (SELECT 1) SELECT * FROM t, t a) SELECT * FROM t, t b)"
        " SELECT * FROM t, t c",
        "WITH RECURSIVE a(x) AS (SELECT x FROM b), b(x) AS (SELECT x FROM a) SELECT * FROM a",
    ],
    "rows that fill the memory": [
        f"SELECT {_cells(200, _LONG + chr(124) * 2 + repr('💥'))}",
        f"SELECT {_cells(120, 'CAST(randomblob(90000) AS TEXT)')}",
        f"SELECT {_cells(200, 'randomblob(90000)')}",
        _C.format(600, _cells(398, "'💥'")),
        _C.format(600, _cells(398, "x'00'")),
        _C.format(400, _cells(3, f"{_LONG} || 'é' || x")),
        f"SELECT {_cells(450, '1')}",
    ],
    "names": [
        f"WITH a AS (SELECT 1 AS {_NAME}) SELECT * FROM {_many(25, 'a')}",
        f"WITH a AS (SELECT 1 AS {_NAME}), b AS (SELECT * FROM {_many(20, 'a')})"
        f" SELECT * FROM {_many(19, 'b')}",
        f"SELECT * FROM {_NAME}",
        'SELECT 1 AS "\x1b[2J\x1b]0;evil\x07", 2 AS "a\nb\r\u202e"',
    ],
    "slow in a straight line": [
        "SELECT " + "+".join([f"json_valid('[' || {_LONG} || ']')"] * 100),
        "SELECT 1 WHERE " + " AND ".join([f"upper({_LONG}) > ''"] * 100),
        f"SELECT {' || '.join([f'trim({_LONG}, {_LONG})'] * 20)}",
        f"SELECT {', '.join(f'strftime({_LONG}, {i})' for i in range(100))}",
        f"SELECT max({', '.join(f'printf({_LONG}, {i})' for i in range(90))})",
        f"SELECT CASE {' '.join(f'WHEN {_LONG} = {_LONG} || {i} THEN 1' for i in range(150))} END",
    ],
    "sorts": [
        _C.format(600, "x") + " ORDER BY hex(zeroblob(5000)) || x COLLATE NOCASE",
        _C.format(300, "1") + f" GROUP BY {_LONG} || x COLLATE NOCASE",
        _C.format(300, f"count(DISTINCT {_LONG} || x COLLATE NOCASE)"),
        _C.format(9_000, "x") + " ORDER BY " + ", ".join(f"x % {i}" for i in range(2, 22)),
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 60) SELECT 1"
        f" FROM c a, c b WHERE {_LONG} || a.x = {_LONG} || b.x COLLATE NOCASE",
    ],
    "windows": [
        _C.format(3_000, "min(x) OVER (ORDER BY x ROWS 500 PRECEDING EXCLUDE CURRENT ROW)"),
        _C.format(3_000, "group_concat(x) OVER (ORDER BY x)"),
        _C.format(3_000, "json_group_array(x) OVER (ORDER BY x ROWS 500 PRECEDING)"),
        _C.format(500, f"lag({_LONG}, 100) OVER (ORDER BY x)"),
        _C.format(300, "first_value(zeroblob(20000) || x) OVER (ROWS 100 PRECEDING)"),
    ],
    "recursion that grows": [
        "WITH RECURSIVE c(x) AS (SELECT 'a' UNION ALL SELECT x || x FROM c LIMIT 20)"
        " SELECT 1 FROM c",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c UNION ALL SELECT x * 2"
        " FROM c UNION ALL SELECT x * 3 FROM c LIMIT 60000) SELECT count(*) FROM c",
        "WITH RECURSIVE c(x, y) AS (SELECT 1, hex(zeroblob(5000)) UNION SELECT x + 1, y FROM c"
        " ORDER BY 1 DESC LIMIT 3000) SELECT count(*) FROM c",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT value + x FROM c, json_each('[1, 2]')"
        " LIMIT 30000)"
        " SELECT max(x) FROM c",
        "WITH RECURSIVE c(q) AS (SELECT '''' UNION ALL SELECT quote(q) FROM c LIMIT 17)"
        " SELECT 1 FROM c",
        "WITH RECURSIVE c(q) AS (SELECT '\"' UNION ALL SELECT json_quote(q) FROM c LIMIT 17)"
        " SELECT 1 FROM c",
    ],
    "plans": [
        f"SELECT 1 FROM {', '.join(f'singer s{i}' for i in range(7))} WHERE "
        + " AND ".join(f"({' OR '.join(f's{i}.id = {j}' for j in range(20))})" for i in range(7)),
        "SELECT * FROM ({0}) a, ({0}) b LIMIT 1".format(
            " UNION ALL ".join(["SELECT * FROM singer"] * 40)
        ),
        f"SELECT count(*) FROM {' FULL JOIN '.join(f'singer s{i}' for i in range(10))}",
        f"SELECT {', '.join(f'sum(age) FILTER (WHERE id > {i}) OVER (ORDER BY id + {i})' for i in range(64))}"  # noqa: E501
        " FROM singer",
    ],
    "full text search": [
        "SELECT 1 FROM note WHERE note MATCH replace(hex(zeroblob(150)), '0', 'a OR ') || 'a'",
        "SELECT matchinfo(note, replace(hex(zeroblob(20)), '0', 's')) FROM note"
        " WHERE note MATCH replace(hex(zeroblob(20)), '0', 'the OR ') || 'the'",
        "SELECT * FROM note WHERE text MATCH x'ff00ff'",
        "SELECT snippet(singer) FROM singer",
        "SELECT (SELECT matchinfo(n.note, 'x') FROM singer) FROM note n WHERE n.note MATCH 'the'",
    ],
    "pragmas as tables": [
        "SELECT * FROM \"pragma_table_info\"('singer')",
        "SELECT * FROM main.PRAGMA_Database_List",
        "SELECT * FROM [pragma_\u0074able_list]",
        "SELECT EXISTS (SELECT 1 FROM pragma_compile_options('x'))",
        "SELECT * FROM pragma_hard_heap_limit(1)",
        "PRAGMA(1)",
    ],
    "a hidden EXPLAIN": [
        ";EXPLAIN SELECT 1",
        "\x0c\x1f\x0bEXPLAIN SELECT 1",
        "\ufeff\ufeffEXPLAIN SELECT 1",
        "/*--*/EXPLAIN/**/SELECT 1",
        "--\r\nEXPLAIN SELECT 1",
        "/**/ \ufeff ;;; -- x\n EXPLAIN QUERY PLAN SELECT 1",
    ],
    "writes in other words": [
        "WITH d AS (DELETE FROM singer RETURNING *) SELECT * FROM d",
        "INSERT INTO singer (id) VALUES (1) ON CONFLICT DO UPDATE SET age = 0",
        "UPDATE singer SET name = c.x FROM (SELECT 1 AS x) c",
        "DELETE FROM singer ORDER BY id LIMIT 1",
        "CREATE TABLE IF NOT EXISTS singer (x)",
        "CREATE TABLE temp.t AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c LIMIT 9)"
        " SELECT x FROM c",
        "REINDEX NOCASE",
        "BEGIN CONCURRENT",
    ],
    "bytes and JSON": [
        "SELECT CAST(x'c328a0a1' AS TEXT), CAST(x'eda080' AS TEXT), CAST(x'f8888080' AS TEXT)",
        "SELECT trim(CAST(x'ff41' AS TEXT), 'A')",
        "SELECT name FROM singer WHERE name = CAST(x'4a6f6500' AS TEXT)",
        "SELECT random(), randomblob(NULL), randomblob('x'), randomblob(-5), zeroblob(NULL)",
        "SELECT json_extract('\"\\ud800\"', '$'), json('\"\\ud800\"')",
        f"SELECT json_extract('{{}}', '$' || {_LONG})",
        "SELECT json_extract('[1]', '$[#-99999999999]')",
        "SELECT json_patch(a, a) FROM (SELECT json_group_object(x, x) AS a FROM ("
        + _C.format(900, "x")
        + ")), singer",
    ],
    "odd limits": [
        "SELECT 1 LIMIT (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c LIMIT 60000)"
        " SELECT max(x) FROM c)",
        "SELECT name FROM singer LIMIT 1e999",
        "SELECT name FROM singer LIMIT 1 OFFSET -9223372036854775808",
        "SELECT 0x7fffffffffffffffff",
        "SELECT sum(9223372036854775807) FROM singer",
        "SELECT likelihood(1, 2)",
    ],
}
