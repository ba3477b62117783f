"""Names in a schema's text stand for themselves: quoted where SQLite would read something else."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from sqlbench.databases import SQLiteDatabase
from sqlbench.databases.base import Column, Schema, Table, quote_name


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


@pytest.mark.parametrize(
    ("value", "sqlite", "postgres"),
    [
        ("it's", "'it''s'", "'it''s'"),
        ("a\n b", "'a b'", "'a b'"),
        ("x" * 60, "'" + "x" * 36 + "…'", "'" + "x" * 36 + "…'"),
        (b"\x00\xff", "X'00FF'", r"'\x00ff'"),
        (True, "TRUE", "TRUE"),
        (None, "NULL", "NULL"),
        (7, "7", "7"),
        (1e300, "1e+300", "1e+300"),
        (float("inf"), "9e999", "'Infinity'"),
        (float("-inf"), "-9e999", "'-Infinity'"),
    ],
)
def test_sample_values_in_prompts_are_literals_of_sql(value, sqlite, postgres):
    for dialect, literal in (("sqlite", sqlite), ("postgres", postgres)):
        table = Table("t", (Column("c", ""),), samples={"c": (value,)})
        prompt = Schema("d", dialect, (table,)).prompt()
        assert f"-- e.g. {literal}\n" in prompt
        # And as it is written, SQLite reads it back as the same value.
        if dialect == "sqlite" and "…" not in literal and "\n" not in str(value):
            with closing(sqlite3.connect(":memory:")) as db:
                assert db.execute(f"SELECT {literal}").fetchone() == (value,)
