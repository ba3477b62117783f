"""A small SQLite database, and queries that take as long as one likes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlbench.databases import Database

# Longer than any test lets it run, and a second or two where nothing stops it.
COUNT = (
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 3000000) "
    "SELECT count(*) FROM c"
)
NUMBERS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT {}) SELECT x FROM c"
# Few steps, each of them slow: about a second where nothing stops them.
ROWS = 4_000
SLOW_ROWS = NUMBERS.format(ROWS).replace(
    "SELECT x FROM", "SELECT count(hex(zeroblob(130000 + x % 2)) LIKE '%' || x || '%') FROM"
)
SLOW_CALLS = NUMBERS.format(120).replace(
    "SELECT x FROM", "SELECT count(trim(hex(zeroblob(130000)), hex(randomblob(9)))) FROM"
)
# Results that take much memory, if nothing bounds it.
WIDE = {
    "wide text": "SELECT " + ", ".join(["hex(zeroblob(130000)) || '💥'"] * 120),
    "wide bytes as text": "SELECT " + ", ".join(["CAST(randomblob(262000) AS TEXT)"] * 320),
    "wide bytes": "SELECT " + ", ".join(["randomblob(262000)"] * 398),
    "blobs": NUMBERS.format(6_000).replace(
        "SELECT x F", f"SELECT {', '.join(['zeroblob(0)'] * 398)} F"
    ),
    "cells": NUMBERS.format(6_000).replace(
        "SELECT x F", "SELECT " + ", ".join(["'💥'"] * 398) + " F"
    ),
    "sort": NUMBERS.format(1_000) + " ORDER BY zeroblob(200000) || x",
}
# All that other tests than those of the corpora give to be stopped.
LONG = [COUNT, NUMBERS.format(500_000), SLOW_ROWS, SLOW_CALLS, *WIDE.values()]


def singers_file(folder: Path) -> Path:
    """Make the database in a folder of its own, under a name that a URI has to quote."""
    (folder / "data").mkdir()
    path = folder / "data" / "concert singer%20#1?.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, age INT);
        CREATE TABLE concert (id INTEGER PRIMARY KEY, singer_id INT REFERENCES singer);
        CREATE INDEX singer_name ON singer (name);
        CREATE VIEW old_singer AS SELECT * FROM singer WHERE age > 40;
        INSERT INTO singer (name, age) VALUES ('Joe', 52), ('Rose', 41), ('Ann', 25), ('Tim', 30);
        INSERT INTO concert (singer_id) VALUES (1), (2), (2);
        """
    )
    connection.close()
    return path


def good_query_runs(database: Database) -> bool:
    """Whether the database still answers."""
    return database.execute("SELECT name FROM singer WHERE id = 2").rows == [("Rose",)]
