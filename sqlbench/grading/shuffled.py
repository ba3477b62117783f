"""Copies of a SQLite database with the rows of its tables in another order, and no index.

SQL leaves open in which order a table's rows are read. A query whose answer changes with it (bare
columns in GROUP BY, ORDER BY with ties, LIMIT without ORDER BY) has several right answers.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

from sqlbench.databases.sqlite_file import open_readonly

_MOST_ROWS = 200_000  # of a table; a larger one is copied in its order


def shuffled_copy(source: Path, target: Path, seed: int) -> None:
    """Write a copy of a database whose tables have the same rows in another order.

    Parameters
    ----------
    source, target : Path
        The files; the target must not exist.
    seed : int
        The same seed, the same order.

    Raises
    ------
    sqlite3.Error
        If the database cannot be copied: a table of a module that is not installed, for one.
    """
    rng = random.Random(seed)
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    with (
        contextlib.closing(open_readonly(source)) as old,
        contextlib.closing(sqlite3.connect(target, isolation_level=None)) as new,
    ):
        new.execute("BEGIN")
        for (name,) in old.execute(tables).fetchall():
            _copy(old, new, name, rng)
        for (view,) in old.execute("SELECT sql FROM sqlite_master WHERE type = 'view'"):
            new.execute(view)
        new.execute("COMMIT")


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, name: str, rng: random.Random) -> None:
    columns = old.execute("SELECT name, type FROM pragma_table_info(?)", (name,)).fetchall()
    # Without keys: an INTEGER PRIMARY KEY is the order of the rows.
    declared = ", ".join(f"{_quoted(column)} {type_}" for column, type_ in columns)
    new.execute(f"CREATE TABLE {_quoted(name)} ({declared})")
    kept = ", ".join(_quoted(column) for column, _ in columns)
    rows = old.execute(f"SELECT {kept} FROM {_quoted(name)}").fetchall()
    if len(rows) <= _MOST_ROWS:
        rng.shuffle(rows)
    marks = ", ".join("?" * len(columns))
    new.executemany(f"INSERT INTO {_quoted(name)} VALUES ({marks})", rows)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
