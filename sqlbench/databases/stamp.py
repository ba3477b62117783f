"""What tells whether a database is still as it was: for whoever keeps what was read from one."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable
from pathlib import Path

from sqlbench.databases.base import Database, QueryError
from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.databases.file_hash import file_stamp

# The next transaction's number: every write of the server moves it, and reading leaves it alone.
_NEXT_TRANSACTION = "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text"


def content_stamp(database: Database) -> Hashable:
    """Return a value that differs once the database has changed.

    A file's stamp is its identity, size and time of change, and those of the write-ahead log
    beside it; one of Parquet and CSV files is that of each. A PostgreSQL server's is the number of
    its next transaction: a write anywhere on the server changes it, so equal stamps mean equal
    content, and unequal ones need not mean a change.
    A database that offers neither is taken for what the protocol says of it: as it was opened.

    Parameters
    ----------
    database : Database
        An open database.
    """
    if isinstance(database, DuckDBDatabase):
        return database.source.stamp()
    path = getattr(database, "path", None)
    if isinstance(path, Path):
        return tuple(_file_stamp(f"{path}{suffix}") for suffix in ("", "-wal"))
    if database.dialect == "postgres":
        with contextlib.suppress(QueryError):
            return str(database.execute(_NEXT_TRANSACTION).rows)
        return object()  # equal to no other: what was read is read again
    return None


def _file_stamp(path: str) -> tuple[int, ...]:
    try:
        return file_stamp(path)
    except OSError:
        return ()
