"""A SQLite file as a `Database`: a pool of sandboxed connections and a few worker threads."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from sqlbench.databases.base import QueryResult, Schema
from sqlbench.databases.pool import PooledDatabase
from sqlbench.databases.sqlite_file import open_readonly
from sqlbench.databases.sqlite_limits import Limits
from sqlbench.databases.sqlite_sandbox import SandboxedConnection, out_of_memory
from sqlbench.databases.sqlite_schema import read_schema
from sqlbench.databases.watch import Ticket
from sqlbench.exceptions import SuiteError


class SQLiteDatabase(PooledDatabase[SandboxedConnection]):
    """A read-only SQLite file behind the sandbox; implements `Database`.

    The file must not change while it is open here (it is opened as immutable, see
    `open_readonly`). `run` answers within 50 ms of the time limit whatever SQLite does; `execute`
    waits for the step that is under way, which no thread can end: a sort of what the memory holds
    takes some tenths of a second.

    Parameters
    ----------
    path : path-like
        The database file.
    db_id : str, optional
        The name of the database, by default the file's name without its suffix.
    limits : Limits, optional
        What one statement may cost.
    workers : int, optional
        Threads that serve `run`; each is at work on a connection of its own.

    Examples
    --------
    >>> database = SQLiteDatabase("concert_singer.sqlite")  # doctest: +SKIP
    >>> database.execute("SELECT count(*) FROM singer").rows  # doctest: +SKIP
    [(6,)]
    """

    dialect = "sqlite"

    def __init__(
        self,
        path: str | Path,
        db_id: str | None = None,
        *,
        limits: Limits | None = None,
        workers: int = 2,
    ) -> None:
        self.path = Path(path)
        self.limits = limits if limits is not None else Limits()
        self._schema: Schema | None = None
        self._reading = threading.Lock()
        super().__init__(db_id if db_id is not None else self.path.stem, self.limits, workers)

    def schema(self) -> Schema:
        """Return tables and views with columns, keys, row counts and sample values."""
        self._check_open()
        with self._reading:
            if self._schema is None:
                connection = open_readonly(self.path)
                try:
                    self._schema = read_schema(connection, self.db_id)
                except sqlite3.Error as error:
                    raise SuiteError(f"The database {self.path} is damaged: {error}.") from None
                finally:
                    connection.close()
            return self._schema

    def __repr__(self) -> str:
        return f"SQLiteDatabase({str(self.path)!r}, {self.db_id!r})"

    def _execute(self, sql: str, ticket: Ticket) -> QueryResult:
        connection = self._take()
        try:
            if connection is None:
                connection = SandboxedConnection(self.path, self.limits)
            return connection.execute(sql, ticket)
        except MemoryError:
            # Opening a connection, while other queries have taken all that is allowed.
            raise out_of_memory() from None
        finally:
            if connection is not None:
                self._give_back(connection)
