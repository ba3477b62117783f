"""Neighbour databases: the same schema and keys, other rows.

The method is that of test-suite evaluation (Zhong, Yu and Klein 2020, "Semantic Evaluation for
Text-to-SQL with Distilled Test Suites"): a query that is right only on the rows at hand fails on
other rows of the same schema. Each neighbour drops some rows and repeats others under new keys,
draws values anew from their column's own and from the literals that the gold queries compare it
with, and keeps every reference pointing at a row.

There are three kinds, since what they show weighs differently. Of four neighbours two are *plain*:
texts that no two rows share (names, titles) stay different, and NULLs stand only where the original
has them. The third repeats such *names*: it tells grouping by a name from grouping by a key. The
fourth has *NULLs* wherever the schema allows them, but not in columns that golds sort by: SQLite
sorts NULL first, and no question for the smallest means that.

Neighbours are seeded, and kept in the cache folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from sqlbench.databases.base import Table as SchemaTable
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.databases.sqlite_file import open_readonly
from sqlbench.grading.literals import Value, literals_by_column, sorting_columns
from sqlbench.grading.neighbour_rows import Reference, RowMaker, Table, kind_of
from sqlbench.paths import cache_folder
from sqlbench.seeds import Role, generator

VERSION = 4


def neighbours(
    database: SQLiteDatabase, golds: Sequence[str], count: int, seed: int, fingerprint: str
) -> list[Path]:
    """Return the files of a database's neighbours; make those that are not in the cache.

    Parameters
    ----------
    database : SQLiteDatabase
        The original; its schema's foreign keys are kept.
    golds : sequence of str
        The gold queries, for their literals.
    count : int
        How many.
    seed : int
        The n-th neighbour is the same however many are asked for.
    fingerprint : str
        The content hash of the database.
    """
    key = json.dumps([VERSION, fingerprint, sorted(set(golds)), seed])
    folder = cache_folder() / "neighbours" / hashlib.sha256(key.encode()).hexdigest()[:24]
    paths = [folder / f"{database.db_id}-{number}.sqlite" for number in range(count)]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        original = _read(database, golds)
        for number in missing:
            rng = generator(seed, Role.ANALYSIS, f"neighbour {database.db_id}", number)
            _write(paths[number], original, RowMaker(original.tables, rng, kind_of(number)).rows())
    return paths


@dataclass(frozen=True)
class _Original:
    tables: dict[str, Table]  # referred-to tables first
    statements: list[str]  # what creates them
    later: list[str]  # indexes and views


def _read(database: SQLiteDatabase, golds: Sequence[str]) -> _Original:
    schema = {t.name: t for t in database.schema().tables}
    with closing(open_readonly(database.path)) as connection:
        objects = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
        ).fetchall()
        created = {
            name: sql
            for kind, name, sql in objects
            if kind == "table"
            and name in schema
            and not name.lower().startswith("sqlite_")
            and not sql.upper().startswith("CREATE VIRTUAL")
        }
        infos = {name: _columns(connection, name) for name in created}
        literals = literals_by_column(golds, [c for info in infos.values() for c, *_ in info])
        sorting = sorting_columns(golds)
        places = {
            name: {column.lower(): i for i, (column, *_) in enumerate(info)}
            for name, info in infos.items()
        }
        tables = {
            name: _table(connection, schema[name], infos[name], places, schema, literals, sorting)
            for name in created
        }
    order = _parents_first(tables)
    return _Original(
        {name: tables[name] for name in order},
        [created[name] for name in order],
        [sql for kind, _, sql in objects if kind in ("index", "view")],
    )


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[str, bool, bool]]:
    """Return name, nullable and primary of each column that can be written to."""
    info = connection.execute(
        'SELECT name, "notnull", pk FROM pragma_table_xinfo(?) WHERE hidden = 0', (table,)
    )
    return [(name, not notnull and not pk, pk > 0) for name, notnull, pk in info]


def _table(
    connection: sqlite3.Connection,
    table: SchemaTable,
    info: list[tuple[str, bool, bool]],
    places: dict[str, dict[str, int]],
    schema: dict[str, SchemaTable],
    literals: dict[str, list[Value]],
    sorting: set[str],
) -> Table:
    mine = places[table.name]
    keys = {i for i, (_, _, primary) in enumerate(info) if primary}
    primary = frozenset(keys)
    for (index,) in connection.execute(
        'SELECT name FROM pragma_index_list(?) WHERE "unique"', (table.name,)
    ).fetchall():
        names = connection.execute("SELECT name FROM pragma_index_info(?)", (index,)).fetchall()
        keys |= {mine[name.lower()] for (name,) in names if name and name.lower() in mine}
    for other in schema.values():
        for key in other.foreign_keys:
            if key.ref_table == table.name:
                keys |= {mine[c.lower()] for c in key.ref_columns if c.lower() in mine}
    references = []
    for key in table.foreign_keys:
        theirs = places.get(key.ref_table, {})
        if all(c.lower() in mine for c in key.columns) and all(
            c.lower() in theirs for c in key.ref_columns
        ):
            own = tuple(mine[c.lower()] for c in key.columns)
            targets = tuple(theirs[c.lower()] for c in key.ref_columns)
            references.append(Reference(own, key.ref_table, targets))
    columns = tuple(name for name, _, _ in info)
    listed = ", ".join(map(_quoted, columns))
    rows = connection.execute(f"SELECT {listed} FROM {_quoted(table.name)}").fetchall()
    return Table(
        table.name,
        columns,
        rows,
        tuple(nullable and name.lower() not in sorting for name, nullable, _ in info),
        frozenset(keys),
        primary,
        tuple(references),
        {i: literals[c.lower()] for i, c in enumerate(columns) if c.lower() in literals},
    )


def _parents_first(tables: dict[str, Table]) -> list[str]:
    # Lists and not sets: the order of a set of names differs from process to process, and each
    # table takes its random numbers in turn.
    graph = {
        name: [r.table for r in table.references if r.table != name and r.table in tables]
        for name, table in tables.items()
    }
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:
        return list(tables)


def _write(path: Path, original: _Original, rows: dict[str, list[list[Any]]]) -> None:
    """Write beside the target and move into place: nobody ever sees half a file."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(partial, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            for statement in original.statements:
                connection.execute(statement)
            for table in original.tables.values():
                names, marks = (
                    ", ".join(map(_quoted, table.columns)),
                    ", ".join("?" * len(table.columns)),
                )
                # A row that breaks a constraint (a composite key drawn twice) is one row less.
                connection.executemany(
                    f"INSERT OR IGNORE INTO {_quoted(table.name)} ({names}) VALUES ({marks})",
                    rows[table.name],
                )
            for statement in original.later:
                # A view on a table that is gone, a unique index on rows it never fitted.
                with suppress(sqlite3.Error):
                    connection.execute(statement)
            connection.execute("COMMIT")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
