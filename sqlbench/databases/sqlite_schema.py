"""Reads the schema of a SQLite database: tables and views, keys, row counts, sample values."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlbench.databases.base import Column, ForeignKey, Schema, Table

_ROWS_SEEN = 1_000  # rows that are looked at for sample values
_SAMPLES = 3


def read_schema(connection: sqlite3.Connection, db_id: str) -> Schema:
    """Return the schema of the main database, tables in the order of their creation.

    Parameters
    ----------
    connection : sqlite3.Connection
        An open connection without an authorizer.
    db_id : str
        The name the schema carries.
    """
    names = connection.execute(
        "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"
        r" AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY rowid"
    ).fetchall()
    inner = _shadows(connection)
    names = [(name, kind) for name, kind in names if name not in inner]
    columns = {name: _columns(connection, name) for name, _ in names}
    tables = []
    for name, kind in names:
        if not columns[name]:
            continue  # a view on a table that is gone, or a module that is not installed
        if kind == "view":
            tables.append(Table(name, columns[name]))
            continue
        count, samples = _contents(connection, name)
        keys = _foreign_keys(connection, name, columns)
        tables.append(Table(name, columns[name], keys, count, samples))
    return Schema(db_id, "sqlite", tuple(tables))


def _shadows(connection: sqlite3.Connection) -> set[str]:
    """Return the tables in which virtual tables (FTS5, R-tree) keep what is theirs."""
    try:
        rows = connection.execute("PRAGMA main.table_list").fetchall()
    except sqlite3.Error:  # before SQLite 3.37
        return set()
    return {name for _, name, kind, *_ in rows if kind == "shadow"}


def _columns(connection: sqlite3.Connection, table: str) -> tuple[Column, ...]:
    try:
        rows = connection.execute(
            "SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1", (table,)
        ).fetchall()
    except sqlite3.Error:
        return ()
    return tuple(Column(name, type_, primary_key=pk > 0) for name, type_, pk in rows)


def _foreign_keys(
    connection: sqlite3.Connection, table: str, columns: dict[str, tuple[Column, ...]]
) -> tuple[ForeignKey, ...]:
    real_names = {name.lower(): name for name in columns}
    keys: dict[int, list[tuple[str, str, str | None]]] = {}
    # SQLite numbers the keys from the last declared to the first.
    for id_, target, source, to in connection.execute(
        'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id DESC, seq',
        (table,),
    ):
        keys.setdefault(id_, []).append((real_names.get(target.lower(), target), source, to))
    result = []
    for parts in keys.values():
        target = parts[0][0]
        named = tuple(to for _, _, to in parts if to is not None)
        # REFERENCES t without columns means t's primary key.
        ref_columns = named or _primary_key(connection, target)
        # Real schemas name columns that are not there: such a key joins nothing.
        there = {column.name.lower() for column in columns.get(target, ())}
        exist = target not in columns or there.issuperset(c.lower() for c in ref_columns)
        if len(ref_columns) == len(parts) and exist:
            result.append(ForeignKey(tuple(source for _, source, _ in parts), target, ref_columns))
    return tuple(result)


def _primary_key(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,)
    )
    return tuple(name for (name,) in rows)


def _contents(
    connection: sqlite3.Connection, table: str
) -> tuple[int | None, dict[str, tuple[Any, ...]]]:
    """Return a table's row count, and each column's first distinct values in rowid order."""
    quoted = '"' + table.replace('"', '""') + '"'
    found: dict[str, list[Any]] = {}
    try:
        (count,) = connection.execute(f"SELECT count(*) FROM {quoted}").fetchone()
        cursor = connection.execute(f"SELECT * FROM {quoted} NOT INDEXED LIMIT {_ROWS_SEEN}")
        names = [column[0] for column in cursor.description]
        for row in cursor:
            for name, value in zip(names, row, strict=True):
                values = found.setdefault(name, [])
                wanted = value is not None and not isinstance(value, bytes)
                if wanted and len(values) < _SAMPLES and value not in values:
                    values.append(value)
    except sqlite3.Error:
        return None, {}  # a name that is not UTF-8, a virtual table without its module
    return count, {name: tuple(values) for name, values in found.items() if values}
