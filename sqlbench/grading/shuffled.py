"""Copies of a SQLite database with the rows of its tables in another order, and no index.

SQL leaves open in which order a table's rows are read. A query whose answer changes with it (bare
columns in GROUP BY, ORDER BY with ties, LIMIT without ORDER BY) has several right answers.
"""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import sqlite3
from pathlib import Path

from sqlbench.databases.base import Schema
from sqlbench.databases.sqlite_file import open_readonly
from sqlbench.suites.copies import quoted

_MOST_ROWS = 200_000  # of a table; a larger one is copied in its order


def shuffled_copy(source: Path, target: Path, seed: int) -> None:
    """Write a copy of a database whose tables have the same rows in another order.

    The file is copied, which keeps views, virtual tables, the encoding and texts that are not
    UTF-8; then each table is made anew.

    Parameters
    ----------
    source, target : Path
        The files; the target must not exist.
    seed : int
        The same seed, the same order.

    Raises
    ------
    SuiteError
        If the source cannot be read.
    OSError, sqlite3.Error
        If it cannot be copied: a column's collation that is a program's own, for one.
    """
    open_readonly(source).close()
    shutil.copyfile(source, target)
    with contextlib.closing(sqlite3.connect(target, isolation_level=None, uri=True)) as new:
        # The attached one is the original, as `open_readonly` has it.
        new.execute("ATTACH ? AS old", (f"{source.absolute().as_uri()}?mode=ro&immutable=1",))
        new.create_function("place", 0, random.Random(seed).random)
        new.execute("PRAGMA main.journal_mode = OFF")
        new.execute("PRAGMA foreign_keys = OFF")
        tables = new.execute(
            # Which leaves out virtual tables and those in which they keep what is theirs.
            "SELECT name, sql, strict FROM old.sqlite_master JOIN pragma_table_list"
            " USING (name, type) WHERE type = 'table' AND schema = 'old'"
            r" AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name"
        ).fetchall()
        new.execute("BEGIN")
        for name, statement, strict in tables:
            _shuffle(new, name, statement, strict=bool(strict))
        if new.execute("SELECT 1 FROM old.sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
            # A dropped table's highest AUTOINCREMENT goes with it.
            new.execute("DELETE FROM main.sqlite_sequence")
            new.execute("INSERT INTO main.sqlite_sequence SELECT * FROM old.sqlite_sequence")
        new.execute("COMMIT")


def needs_rowid(sql: str, schema: Schema) -> bool:
    """Return whether a query names the rowid of a table whose key that is: a copy deals it anew."""
    words = {word.lower() for word in re.findall(r"\w+", sql)}
    columns = {column.name.lower() for table in schema.tables for column in table.columns}
    keys = {table.name: [c for c in table.columns if c.primary_key] for table in schema.tables}
    keyed = {n.lower() for n, k in keys.items() if [c.type.upper() for c in k] == ["INTEGER"]}
    named = any(words.issuperset(re.findall(r"\w+", table)) for table in keyed)
    return named and bool(words & {"rowid", "oid", "_rowid_"} - columns)


def _shuffle(new: sqlite3.Connection, name: str, statement: str, *, strict: bool) -> None:
    """Make a table anew: without keys, since an INTEGER PRIMARY KEY is the order of the rows.

    Generated columns become plain ones, of the same values.
    """
    columns = new.execute(
        "SELECT name, type FROM pragma_table_xinfo(?, 'old') WHERE hidden <> 1", (name,)
    ).fetchall()
    collations = _collations(name, statement, [column for column, _ in columns])
    declared = ", ".join(
        # STRICT knows its types by their bare names; elsewhere a type may be any text.
        f"{quoted(column)} {type_ if strict or not type_ else quoted(type_)}"
        f" COLLATE {quoted(collation)}"
        for (column, type_), collation in zip(columns, collations, strict=True)
    )
    table, kept = quoted(name), ", ".join(quoted(column) for column, _ in columns)
    (count,) = new.execute(f"SELECT count(*) FROM old.{table}").fetchone()
    order = "ORDER BY place()" if count <= _MOST_ROWS else ""
    new.execute(f"DROP TABLE main.{table}")
    new.execute(f"CREATE TABLE main.{table} ({declared}) {'STRICT' if strict else ''}")
    new.execute(f"INSERT INTO main.{table} SELECT {kept} FROM old.{table} {order}")


def _collations(name: str, statement: str, columns: list[str]) -> list[str]:
    """Return the collation of each column, which SQLite tells only of an index."""
    index = f"collations of {name}"
    listed = ", ".join(map(quoted, columns))
    with contextlib.closing(sqlite3.connect(":memory:")) as scratch:
        scratch.execute(statement)
        scratch.execute(f"CREATE INDEX {quoted(index)} ON {quoted(name)} ({listed})")
        found = scratch.execute(
            "SELECT coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno", (index,)
        ).fetchall()
    return [collation for (collation,) in found]
