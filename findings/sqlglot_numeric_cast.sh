#!/usr/bin/env bash
# sqlglot 30.30.0, SQLite to SQLite: CAST(… AS NUMERIC), and DECIMAL, are written as CAST(… AS REAL).
# In SQLite NUMERIC keeps a whole number an INTEGER, and integers are divided as integers. So a
# statement that only went through sqlglot can give another answer, and raises nothing.
# Seen: CAST('12' AS NUMERIC) / 5 is 2 as written by hand, and 2.4 as written by sqlglot.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip --quiet --disable-pip-version-check install sqlglot==30.30.0
"$folder/env/bin/python" - <<'PY'
import sqlite3

import sqlglot

database = sqlite3.connect(":memory:")
for kind in ("NUMERIC", "DECIMAL(10, 2)"):
    sql = f"SELECT CAST('12' AS {kind}) / 5"
    written = sqlglot.transpile(sql, read="sqlite", write="sqlite")[0]
    before, after = (database.execute(s).fetchone()[0] for s in (sql, written))
    print(f"{sql} = {before}; written as {written} = {after}")
    assert "AS REAL" in written and (before, after) == (2, 2.4)
PY
