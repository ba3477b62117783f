"""Hostile statements by kind, for a database with `singer(id, name, age)` and `concert`.

Each kind says what has to come of its statements:

- DENIED: an error that starts with "not authorized"
- BROKEN: an error, of whatever words
- ENDLESS: an error with `timeout`, by the count of steps and not by the clock, if the limit is low
- HEAVY: anything within the limits

Each ends by itself within two seconds and 256 MB where nothing guards the engine (`run_bare`).
"""

from __future__ import annotations

_MANY = 100_000  # rows: more than a sandbox with low limits goes through, and no harm without it
_COUNT = (
    f"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT {_MANY}) "
    "SELECT {} FROM c"
)
_TO = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT {}) SELECT {}"
_LONG = "(SELECT hex(zeroblob(9000)) AS t, hex(zeroblob(4500)) || '1' AS m)"


def _doubling(levels: int) -> str:
    """Name each query twice in the next: SQLite copies 2 ** levels of them before it runs one."""
    parts = ["t0 AS (SELECT 1 AS x)"]
    parts += [f"t{i} AS (SELECT a.x FROM t{i - 1} a, t{i - 1} b)" for i in range(1, levels)]
    return f"WITH {', '.join(parts)} SELECT count(*) FROM t{levels - 1}"


DENIED = [
    # writing
    "INSERT INTO singer VALUES (99, 'x', 1)",
    "INSERT OR REPLACE INTO singer VALUES (1, 'x', 1)",
    "INSERT INTO singer SELECT * FROM singer",
    "REPLACE INTO singer VALUES (1, 'x', 1)",
    "UPDATE singer SET age = 0",
    "UPDATE singer SET age = 0 WHERE 0",
    "UPDATE singer SET age = 0 RETURNING *",
    "DELETE FROM singer",
    "DELETE FROM singer RETURNING name",
    "WITH s AS (SELECT 1) DELETE FROM singer",
    "WITH s AS (SELECT 1 AS x) INSERT INTO singer SELECT x, 'a', 2 FROM s",
    "/* harmless */ DELETE FROM singer",
    "-- harmless\nDELETE FROM singer",
    "EXPLAIN DELETE FROM singer",
    "EXPLAIN SELECT * FROM singer",
    "/**/ explain QUERY PLAN SELECT * FROM singer",
    "\ufeffDELETE FROM singer",
    f"{'/**/' * 10_000}\ufeffDELETE FROM singer",
    "--\n" * 10_000 + "DELETE FROM singer",
    # the schema
    "DROP TABLE singer",
    "DROP TABLE IF EXISTS singer",
    "DROP INDEX singer_name",
    "DROP VIEW old_singer",
    "CREATE TABLE evil (x)",
    "CREATE TABLE evil AS SELECT * FROM singer",
    "CREATE TEMP TABLE evil (x)",
    "CREATE TEMPORARY TABLE evil AS SELECT * FROM singer",
    "CREATE TABLE temp.evil (x)",
    "CREATE VIEW evil AS SELECT 1",
    "CREATE TEMP VIEW evil AS SELECT 1",
    "CREATE INDEX evil ON singer (age)",
    "CREATE UNIQUE INDEX evil ON singer (age)",
    "CREATE TRIGGER evil AFTER INSERT ON singer BEGIN DELETE FROM singer; END",
    "CREATE TEMP TRIGGER evil AFTER INSERT ON singer BEGIN DELETE FROM singer; END",
    "CREATE VIRTUAL TABLE evil USING fts5(x)",
    "CREATE VIRTUAL TABLE temp.evil USING rtree(id, a, b)",
    "ALTER TABLE singer RENAME TO evil",
    "ALTER TABLE singer RENAME COLUMN name TO evil",
    "ALTER TABLE singer ADD COLUMN evil INT",
    "ALTER TABLE singer DROP COLUMN age",
    # other files
    "ATTACH DATABASE 'evil.sqlite' AS evil",
    "ATTACH 'evil.sqlite' AS evil",
    "ATTACH ':memory:' AS evil",
    "ATTACH '' AS evil",
    "ATTACH 'file:evil.sqlite?mode=rwc' AS evil",
    "ATTACH 'file:evil?mode=memory&cache=shared' AS evil",
    "ATTACH '/etc/passwd' AS evil",
    "DETACH DATABASE main",
    "VACUUM",
    "VACUUM main",
    "VACUUM INTO 'evil.sqlite'",
    "VACUUM INTO '/tmp/evil.sqlite'",
    # settings
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = ON",
    "PRAGMA journal_mode = WAL",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA temp_store = FILE",
    "PRAGMA hard_heap_limit = 1000000000",
    "PRAGMA soft_heap_limit = 1000000000",
    "PRAGMA user_version = 7",
    "PRAGMA application_id = 7",
    "PRAGMA schema_version = 7",
    "PRAGMA cache_size = 1000000",
    "PRAGMA mmap_size = 1000000000",
    "PRAGMA optimize",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA incremental_vacuum",
    "PRAGMA integrity_check",
    "PRAGMA database_list",
    "PRAGMA table_info(singer)",
    "PRAGMA case_sensitive_like = ON",
    "EXPLAIN PRAGMA query_only = OFF",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM pragma_table_info('singer')",
    "SELECT singer.name FROM singer, pragma_function_list",
    "SELECT (SELECT journal_mode FROM pragma_journal_mode)",
    # transactions and maintenance
    "BEGIN",
    "BEGIN EXCLUSIVE",
    "BEGIN IMMEDIATE TRANSACTION",
    "COMMIT",
    "END",
    "ROLLBACK",
    "SAVEPOINT evil",
    "RELEASE evil",
    "ROLLBACK TO evil",
    "ANALYZE",
    "ANALYZE singer",
    "REINDEX",
    "REINDEX singer",
    # functions and tables that reach outside
    "SELECT load_extension('evil')",
    "SELECT load_extension('/tmp/evil.so', 'init')",
    "SELECT LOAD_EXTENSION('evil') FROM singer",
    "SELECT name FROM singer WHERE load_extension(name) IS NULL",
    "WITH s AS (SELECT load_extension('evil') AS x) SELECT * FROM s",
    "SELECT fts3_tokenizer('simple')",
    "SELECT fts3_tokenizer('simple', fts3_tokenizer('simple'))",
    "SELECT sqlite_log(1, 'evil')",
    "SELECT * FROM dbstat",
    "SELECT sum(pgsize) FROM dbstat WHERE name = 'singer'",
    "SELECT * FROM fts3tokenize('simple', 'a b')",
    # straight-line code that no limit on steps sees
    f"SELECT 1 FROM singer WHERE {' AND '.join(['(' + ' OR '.join(['age'] * 90) + ')'] * 90)}",
    f"SELECT {' + '.join(f'(t LIKE m || {i})' for i in range(300))} FROM {_LONG}",
]

BROKEN = [
    # more than one statement, or none
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE singer",
    "SELECT 1;;DELETE FROM singer",
    "SELECT name FROM singer; ATTACH 'evil.sqlite' AS evil; --",
    "; DELETE FROM singer",
    "",
    " ",
    "\n\t\n",
    ";",
    ";;;",
    "-- only a comment",
    "/* only a comment */",
    "/* never closed",
    # bytes and letters
    "SELECT 'a\0b'",
    "\0",
    "SELECT 1\0; DROP TABLE singer",
    "SELECT '\ud800'",
    "\udfff",
    "\x1b[2J",
    "💥",
    "SELECT “name” FROM singer",
    # parameters
    "SELECT ?",
    "SELECT ?1, ?2",
    "SELECT ?999999999",
    "SELECT :name",
    "SELECT @name",
    "SELECT $name",
    "SELECT * FROM singer WHERE name = ? LIMIT ?",
    # what is no SQL
    "DROP TABLE",
    "SELECT",
    "SELECT * FROM",
    "Sure! Here is the query: SELECT 1",
    "```sql\nSELECT 1\n```",
    "'; DROP TABLE singer; --",
    "SELECT 'never closed",
    'SELECT "never closed',
    "SELECT [never closed",
    ".read /etc/passwd",
    ".shell touch evil",
    "SHOW TABLES",
    "COPY singer TO '/tmp/evil'",
    "SELECT * INTO OUTFILE '/tmp/evil' FROM singer",
    "SELECT 1 INTO evil",
    # functions of the shell and of other databases
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('evil', 'x')",
    "SELECT edit('x', 'vi')",
    "SELECT eval('DELETE FROM singer')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_sleep(100)",
    "SELECT sleep(100)",
    "SELECT * FROM generate_series(1, 10)",
    "SELECT * FROM zipfile('evil.zip')",
    "SELECT * FROM fsdir('/')",
    "SELECT * FROM sqlite_dbpage",
    "SELECT data FROM sqlite_dbpage WHERE pgno = 1",
    "UPDATE sqlite_master SET sql = 'x'",
    "DELETE FROM sqlite_master",
    "INSERT INTO sqlite_master VALUES ('table', 'evil', 'evil', 2, 'CREATE TABLE evil (x)')",
    "DROP TABLE sqlite_master",
    "SELECT RAISE(ABORT, 'x')",
    # values and statements beyond their limits
    "SELECT zeroblob(300000)",
    "SELECT zeroblob(9223372036854775807)",
    "SELECT randomblob(2147483647)",
    "SELECT hex(zeroblob(200000))",
    "SELECT replace(hex(zeroblob(100000)), '0', 'aaaaaaaaaaaaaaaa')",
    f"SELECT {'hex(' * 12}zeroblob(1000){')' * 12}",
    "SELECT 'x' LIKE hex(zeroblob(100000))",
    "SELECT 'x' GLOB hex(zeroblob(100000))",
    f"SELECT '{'x' * 200_000}'",
    f"SELECT {'9' * 200_000}",
    f"SELECT '{'x' * 90_000}",
    f"{'/**/' * 20_000}(",
    "SELECT randomblob(9e999)",
    f"SELECT {', '.join(['1'] * 5_000)}",
    f"SELECT {' + '.join(['1'] * 5_000)}",
    f"SELECT {'(' * 5_000}1{')' * 5_000}",
    f"SELECT {'- ' * 40_000}1",
    f"SELECT {'NOT ' * 20_000}1",
    f"SELECT {'(SELECT ' * 500}1{')' * 500}",
    f"SELECT max({', '.join(['1'] * 2_000)})",
    " UNION ".join(["SELECT 1"] * 3_000),
    f"SELECT 1 FROM {', '.join(['singer'] * 100)}",
    "WITH RECURSIVE c AS (SELECT * FROM c) SELECT * FROM c",
    "SELECT abs(-9223372036854775807 - 1)",
    f"SELECT json_extract({'[' * 3_000!r}, '$')",
]

ENDLESS = [
    _COUNT.format("count(*)"),
    _COUNT.format("sum(x)"),
    _COUNT.format("max(x % 7)"),
    _COUNT.format("x") + " WHERE x < 0",
    _COUNT.format("x") + " LIMIT 1 OFFSET 1000000000000",
    "WITH RECURSIVE c(x) AS (VALUES (1) UNION SELECT x + 1 FROM c LIMIT 100000)"
    " SELECT count(*) FROM c",
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c LIMIT 100000)"
    " SELECT count(*) FROM c",
    "SELECT count(*) FROM " + ", ".join(f"singer s{i}" for i in range(10)),
    "SELECT count(*) FROM " + " CROSS JOIN ".join(f"singer s{i}" for i in range(10)),
    "SELECT DISTINCT s0.age + s9.age FROM " + ", ".join(f"singer s{i}" for i in range(10)),
    "SELECT s0.name FROM "
    + " CROSS JOIN ".join(f"singer s{i}" for i in range(10))
    + " WHERE s9.age < 0",
    f"SELECT name FROM singer WHERE age = ({_COUNT.format('count(*)')})",
    f"SELECT name FROM singer WHERE EXISTS ({_COUNT.format('1')} WHERE x < 0)",
    f"SELECT (SELECT count(*) FROM ({_COUNT.format('x')}) WHERE x > age) FROM singer",
    "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a LIMIT 400),"
    " b(y) AS (SELECT 1 UNION ALL SELECT y + 1 FROM b LIMIT 400) SELECT count(*) FROM a, b",
    _COUNT.format("count(random())"),
    _COUNT.format("count(trim(x, '1'))"),
]

HEAVY = [
    # long results
    _COUNT.format("x"),
    _COUNT.format("x, x, x, x"),
    _TO.format(1_000, "zeroblob(200000) FROM c"),
    _TO.format(200, "hex(randomblob(50000)) FROM c"),
    "SELECT a.* FROM singer a, singer b, singer c, singer d, singer e, singer f",
    f"VALUES {', '.join(f'({i})' for i in range(12_000))}",
    # memory
    _COUNT.format("group_concat(x)"),
    _TO.format(20_000, "group_concat(hex(zeroblob(1000))) FROM c"),
    _COUNT.format("json_group_array(x)"),
    _COUNT.format("json_group_object(x, x)"),
    _TO.format(30_000, "x FROM c ORDER BY x * 7919 % 100003"),
    _TO.format(1_000, "x FROM c ORDER BY zeroblob(20000) || x"),
    _TO.format(1_000, "DISTINCT zeroblob(20000) || x FROM c"),
    _TO.format(1_000, "count(*) FROM (SELECT zeroblob(20000) || x AS b FROM c) GROUP BY b"),
    _TO.format(1_000, "count(DISTINCT zeroblob(20000) || x) FROM c"),
    "WITH RECURSIVE c(x) AS (SELECT zeroblob(1000) UNION SELECT x || x FROM c LIMIT 10)"
    " SELECT 1 FROM c",
    _TO.format(4_000, "sum(x) OVER (ORDER BY x ROWS BETWEEN 999 PRECEDING AND 999 FOLLOWING)")
    + " FROM c",
    # functions that are slow in one step
    f"SELECT instr(t, m) FROM {_LONG}",
    f"SELECT {', '.join(f'instr(t, m || {i})' for i in range(30))} FROM {_LONG}",
    f"SELECT length(replace(t, m, 'x')) FROM {_LONG}",
    f"SELECT length(trim(t, m || t)) FROM {_LONG}",
    f"SELECT length(rtrim(replace(t, '0', '1'), substr(m, 1, 900))) FROM {_LONG}",
    f"SELECT t LIKE '%' || substr(m, 1, 480) || '1%' FROM {_LONG}",
    f"SELECT t LIKE replace(substr(m, 1, 240), '0', '%_') || '1' FROM {_LONG}",
    f"SELECT t GLOB '*' || replace(substr(m, 1, 100), '0', '[0a]') || '1*' FROM {_LONG}",
    _TO.format(1_500, "length(json_patch(o, o)) FROM (SELECT json_group_object(x, 1) o FROM c)"),
    _TO.format(9_000, "count(fullkey) FROM json_tree((SELECT json_group_array(x) FROM c))"),
    "SELECT length(printf('%.*f', 100000, 1e300))",
    "SELECT printf('%300000d', 1)",
    "SELECT printf('%s%n%p', 'a', 'b', 'c')",
    "SELECT json(replace(hex(zeroblob(900)), '0', '['))",
    "SELECT strftime(replace(hex(zeroblob(10000)), '00', '%Y'), 'now')",
    # slow to compile
    _doubling(9),
    _doubling(11),
    _doubling(13),
    "SELECT count(*) FROM " + " NATURAL JOIN ".join(f"singer AS s{i}" for i in range(30)),
    "SELECT count(*) FROM singer s0 "
    + " ".join(f"LEFT JOIN singer s{i} ON s{i}.id = s{i - 1}.id" for i in range(1, 60)),
    "SELECT 1 WHERE 1 IN (" + ", ".join(str(i) for i in range(12_000)) + ")",
    "SELECT name FROM singer WHERE " + " OR ".join(f"id = {i}" for i in range(400)),
    # odd, and allowed
    "SELECT * FROM sqlite_master",
    "SELECT * FROM sqlite_schema, singer",
    "SELECT * FROM sqlite_temp_master",
    "SELECT count(*) FROM json_each('[1, 2]')",
    "SELECT changes(), total_changes(), last_insert_rowid()",
    "SELECT sqlite_version(), sqlite_source_id()",
    "SELECT 9223372036854775807 + 1, 1 / 0, 1e999, -1e999",
    "SELECT 1; -- and no more",
    "\ufeffSELECT 1",
    'SELECT "no such column, so a string"',
]
