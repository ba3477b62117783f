#!/usr/bin/env bash
# SQLite 3.51.3 and 3.53.4 (apsw's wheels): the text of a REAL has up to 15 digits in the first and
# up to 17 in the second. So what a query counts, groups or compares by such a text changes with the
# version that runs it: a benchmark's stored gold result, made by one, is not what the other gives.
# Seen: 0.1 + 0.2 beside 0.3 are one distinct text in 3.51.3 and two in 3.53.4; the average of 0.1,
# 0.2 and 0.3 is shown as 0.2 and as 0.19999999999999998.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 3.51.3.0 3.53.4.0; do
	"${PYTHON:-python3.11}" -m venv "$folder/$version"
	"$folder/$version/bin/python" -m pip --quiet --disable-pip-version-check install "apsw==$version"
	"$folder/$version/bin/python" - >>"$folder/seen" <<'PY'
import apsw

database = apsw.Connection(":memory:")
database.execute("CREATE TABLE t (v REAL); INSERT INTO t VALUES (0.3), (0.1 + 0.2)")
distinct = database.execute("SELECT count(DISTINCT v || '') FROM t").fetchone()[0]
mean = database.execute(
    "SELECT avg(column1) || '' FROM (VALUES (0.1), (0.2), (0.3))"
).fetchone()[0]
print(apsw.sqlite_lib_version(), distinct, mean)
PY
done
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN'
3.51.3 1 0.2
3.53.4 2 0.19999999999999998
SEEN
