"""More hostile statements, by kind, beside those of `hostile_sql`, which are by what comes of them.

For a database with `singer (id, name, age)`, `concert`, an FTS table `note` and an R-tree `box`.
"""

from __future__ import annotations

_ALL = "SELECT count(*) FROM singer"
_COUNT = (
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 40000) SELECT {} FROM c"
)

KINDS: dict[str, list[str]] = {
    "several statements": [
        f"{_ALL}; INSERT INTO singer VALUES (7, 'x', 1)",
        f"{_ALL};\n\n\tPRAGMA writable_schema = 1;",
        f"BEGIN; {_ALL}; COMMIT",
        "SELECT 1 UNION SELECT 2; VACUUM",
        "VALUES (1); VALUES (2); VALUES (3)",
        f"{_ALL} -- ; DROP TABLE singer\n; DROP TABLE singer",
    ],
    "comments that hide": [
        "/* SELECT 1 */ DROP TABLE singer",
        "SELECT 1 /* ; */ ; DROP /**/ TABLE/**/singer",
        "-- SELECT\r\nDELETE FROM singer",
        "SELECT 1 -- \x0b\x0c\u2028; DROP TABLE singer\n, 2; DELETE FROM singer",
        "/* /* nested */ DROP TABLE singer -- */",
        "DR/**/OP TABLE singer",
    ],
    "writable_schema and internals": [
        "PRAGMA main.writable_schema = RESET",
        "UPDATE sqlite_schema SET sql = replace(sql, 'singer', 'evil')",
        "INSERT INTO sqlite_sequence VALUES ('singer', 9)",
        "CREATE TABLE sqlite_stat1 (tbl, idx, stat)",
        "SELECT sqlite_rename_table('main', '', '', 'singer', 'evil', 0)",
        "SELECT sqlite_drop_column(0, 'CREATE TABLE t (a, b)', 1)",
        "SELECT sqlite_rename_column('CREATE TABLE t (a)', 'table', 't', 'main', 't', 0, 'b', 0)",
        "SELECT sqlite_fail('evil', 1)",
    ],
    "temporary triggers and views": [
        "CREATE TEMP TRIGGER t AFTER UPDATE ON main.singer BEGIN SELECT load_extension('x'); END",
        "CREATE TEMP TRIGGER t INSTEAD OF DELETE ON old_singer BEGIN DELETE FROM singer; END",
        "CREATE TEMP VIEW v AS SELECT readfile('/etc/passwd')",
        "DROP TRIGGER IF EXISTS temp.t",
    ],
    "full text search": [
        "INSERT INTO note (note) VALUES ('optimize')",
        "INSERT INTO note (note, rank) VALUES ('rank', 'bm25(10.0)')",
        "INSERT INTO note (note) VALUES ('rebuild')",
        "SELECT * FROM note WHERE note MATCH '\"'",
        "SELECT * FROM note WHERE note MATCH 'a NEAR/99999999999 b'",
        f"SELECT * FROM note WHERE note MATCH '{'(' * 4000}a{')' * 4000}'",
        f"SELECT * FROM note WHERE note MATCH '{' OR '.join(f'a{i}*' for i in range(500))}'",
        "SELECT offsets(note), matchinfo(note, 'pcxnalbs') FROM note WHERE note MATCH 'ignore'",
        "SELECT snippet(note, '', 'b', '', -1, 9223372036854775807) FROM note WHERE note MATCH 'a'",
        "SELECT matchinfo(note, hex(zeroblob(50000))) FROM note WHERE note MATCH 'ignore'",
        "SELECT * FROM note_content, note_segments, note_segdir",
        "UPDATE note_segdir SET root = zeroblob(100)",
        "CREATE VIRTUAL TABLE temp.n USING fts4(x, tokenize=evil)",
        "SELECT fts3_tokenizer(hex('simple'), 'simple')",
    ],
    "R-trees": [
        "INSERT INTO box VALUES (9, 0, 1)",
        "UPDATE box_node SET data = x'ff'",
        "SELECT rtreenode(2, zeroblob(100000))",
        "SELECT rtreedepth(x'ffff')",
        "SELECT rtreecheck('box')",
        "SELECT * FROM box WHERE id MATCH 1",
        "SELECT a.* FROM box a, box b, box c WHERE a.x0 <= b.x1 AND b.x0 <= c.x1 AND c.x0 < -1e308",
    ],
    "virtual tables": [
        "SELECT * FROM json_each('[1]', '$', '$', '$')",
        "SELECT count(*) FROM json_tree(json(char(91) || hex(zeroblob(1000)) || char(93)))",
        "SELECT * FROM sqlite_dbpage('main')",
        "SELECT * FROM bytecode('SELECT 1')",
        "SELECT * FROM tables_used('SELECT 1')",
        "SELECT * FROM sqlite_stmt",
        "SELECT * FROM csv('/etc/passwd')",
        "CREATE VIRTUAL TABLE temp.f USING fsdir('/')",
    ],
    "collations and dates": [
        "SELECT name FROM singer ORDER BY name COLLATE evil",
        "SELECT name COLLATE NOCASE COLLATE RTRIM COLLATE BINARY FROM singer",
        f"SELECT name FROM singer ORDER BY {'name COLLATE NOCASE || ' * 400}name",
        "SELECT date('now', '+999999999999999999 years')",
        "SELECT datetime(9e999), julianday('-9999999-01-01'), strftime('%s', 1e300)",
        "SELECT date('2020-01-01', '+1 day', '+1 year', 'start of month', '-0.000001 seconds')",
        "SELECT date('2020-01-01'" + ", 'weekday 6'" * 90 + ")",
        f"SELECT strftime('{'%f' * 20_000}', 'now')",
        _COUNT.format("count(strftime('%Y-%m-%d %H:%M:%f', x))"),
        "SELECT unixepoch('subsec'), timediff('2000-01-01', '0001-01-01')",
    ],
    "LIKE and GLOB bombs": [
        f"SELECT '{'a' * 20_000}' LIKE '{'%a' * 200}b'",
        f"SELECT '{'a' * 20_000}' GLOB '{'*a' * 200}b'",
        f"SELECT count(*) FROM singer WHERE name || '{'a' * 9_000}' LIKE '{'_%' * 200}z'",
        "SELECT 'x' LIKE 'y' ESCAPE 'ab'",
        f"SELECT 'x' GLOB '{'[' * 400}'",
        _COUNT.format("count(x LIKE '%1%2%3%4%5%6%7%8%9%0')"),
    ],
    "a megabyte": [
        f"SELECT '{'x' * 1_000_000}'",
        f"SELECT {'1 + ' * 250_000}1",
        "SELECT 1 " + "/* x */" * 150_000,
        "SELECT 1" + " " * 1_000_000,
        f"SELECT {'(' * 500_000}1{')' * 500_000}",
        " UNION ALL ".join(["SELECT 1"] * 20_000),
        "\0" * 1_000_000,
        "💥" * 250_000,
    ],
    "numbers and casts": [
        "SELECT 1e308 * 10, -1e308 * 10, 0.0 / 0.0, 5 % 0, -9223372036854775808 / -1",
        "SELECT CAST(zeroblob(200000) AS TEXT), CAST(hex(zeroblob(99999)) AS REAL)",
        "SELECT round(1e300, 9223372036854775807), char(-1, 1114112, 55296)",
        "SELECT printf('%.300000f', 1.0)",
        "SELECT printf('%.*c', 3e5, 'x')",
        "SELECT format('%.*c%.*c', 200000, 'x', 200000, 'x')",
        "SELECT printf('%300000.300000s', 'x')",
        "SELECT format('%*d', 300000, 1)",
        "SELECT substr('abc', -9223372036854775808, 9223372036854775807)",
        "SELECT group_concat(name, zeroblob(250000)) FROM singer a, singer b, singer c",
        "SELECT total(9e307) + total(9e307) FROM singer a, singer b, singer c",
        "SELECT ntile(0) OVER () FROM singer",
        "SELECT sum(age) OVER (ROWS 9223372036854775807 PRECEDING) FROM singer",
    ],
}
