"""Names in a schema's text stand for themselves: quoted where SQLite would read something else."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from sqlbench.databases import SQLiteDatabase
from sqlbench.databases.base import quote_name


def test_a_schema_quotes_what_sqlite_takes_for_no_name(tmp_path):
    words = ["order", "Group", "values", "current_date", "plain", "two words", "filter"]
    path = tmp_path / "words.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        columns = ", ".join(f'"{w}" INT' for w in words)
        connection.execute(f'CREATE TABLE "table" ({columns})')
        connection.execute(f'INSERT INTO "table" VALUES ({", ".join("7" * len(words))})')
        connection.commit()
    with SQLiteDatabase(path, "words") as database:
        selected = ", ".join(quote_name(w) for w in words)
        result = database.execute(f"SELECT {selected} FROM {quote_name('table')}")
        assert result.rows == [(7,) * len(words)]
        prompt = database.schema().prompt()
    assert 'CREATE TABLE "table"' in prompt and '\n  "order" INT' in prompt
    assert "\n  plain INT" in prompt and '\n  "current_date" INT' in prompt
