#!/usr/bin/env bash
# sqlglot 30.30.0, SQLite to SQLite: `FROM big, small` is written as `FROM big CROSS JOIN small`. In
# standard SQL these are the same; in SQLite they are not: the optimizer orders the tables of a comma
# join as it likes, and keeps the order of a CROSS JOIN. So a statement that only went through
# sqlglot (to be formatted, qualified, or to have one condition changed) can run another plan.
# Seen: the comma join scans the small table and looks up rows of the big one by its key; what
# sqlglot wrote scans the big table. The rows are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip --quiet --disable-pip-version-check install sqlglot==30.30.0
"$folder/env/bin/python" - <<'PY'
import sqlite3

import sqlglot

database = sqlite3.connect(":memory:")
database.executescript(
    """
    CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE small (big INTEGER, kind INTEGER);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO big SELECT i, 'n' || i FROM n;
    INSERT INTO small VALUES (1, 1), (2, 1), (3, 0);
    """
)
sql = "SELECT COUNT(*) FROM big, small WHERE big.id = small.big AND small.kind = 1"
written = sqlglot.transpile(sql, read="sqlite", write="sqlite")[0]


def first_step(statement):
    return database.execute(f"EXPLAIN QUERY PLAN {statement}").fetchone()[3]


print("written:", written)
print("first step:", first_step(sql), "->", first_step(written))
assert "big CROSS JOIN small" in written
assert database.execute(sql).fetchall() == database.execute(written).fetchall() == [(2,)]
assert first_step(sql) == "SCAN small" and first_step(written) == "SCAN big"
PY
