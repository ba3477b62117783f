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
