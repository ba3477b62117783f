"""A SQLite file as a `Database`: a pool of sandboxed connections and a few worker threads."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlbench.databases.base import QueryError, QueryResult, Schema
from sqlbench.databases.sqlite_sandbox import (
    Limits,
    SandboxedConnection,
    Ticket,
    open_readonly,
    out_of_memory,
)
from sqlbench.databases.sqlite_schema import read_schema
from sqlbench.exceptions import SuiteError


class SQLiteDatabase:
    """A read-only SQLite file behind the sandbox; implements `Database`.

    Connections are opened when first needed and kept in a pool. The file must not change while
    it is open here (it is opened as immutable, see `open_readonly`).

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
        self.db_id = db_id if db_id is not None else self.path.stem
        self.limits = limits if limits is not None else Limits()
        self._lock = threading.Lock()
        self._idle: list[SandboxedConnection] = []
        self._running: set[Ticket] = set()
        self._schema: Schema | None = None
        self._closed = False
        # Its threads start with the first `run`.
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix=f"sqlite-{self.db_id}")

    def execute(self, sql: str) -> QueryResult:
        """Run one statement in this thread.

        Parameters
        ----------
        sql : str
            The statement, from any source.

        Raises
        ------
        QueryError
            The statement did not run: SQLite's message, or the sandbox's.
        SuiteError
            The file is missing, or is no SQLite database.
        """
        return self._execute(sql, Ticket())

    async def run(self, sql: str) -> QueryResult:
        """Run one statement in a worker thread; cancelling the caller stops the query."""
        self._check_open()
        ticket = Ticket()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._workers, self._execute, sql, ticket)
        finally:
            # Only matters if this task was cancelled while the worker is still at it. A flag
            # and not `Connection.interrupt`, which might hit the connection's next query.
            ticket.cancelled = True

    def schema(self) -> Schema:
        """Return tables and views with columns, keys, row counts and sample values."""
        self._check_open()
        with self._lock:
            if self._schema is None:
                connection = open_readonly(self.path)
                try:
                    self._schema = read_schema(connection, self.db_id)
                except sqlite3.Error as error:
                    raise SuiteError(f"The database {self.path} is damaged: {error}.") from None
                finally:
                    connection.close()
            return self._schema

    def close(self) -> None:
        """Stop what is running and close every connection; later calls raise `RuntimeError`."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for ticket in self._running:
                ticket.cancelled = True
        for connection in idle:
            connection.close()
        self._workers.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SQLiteDatabase({str(self.path)!r}, {self.db_id!r})"

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(f"The database {self.db_id!r} is closed.")

    def _execute(self, sql: str, ticket: Ticket) -> QueryResult:
        with self._lock:
            self._check_open()
            self._running.add(ticket)
            # The connection used last is used next: its cache is warm.
            connection = self._idle.pop() if self._idle else None
        try:
            if connection is None:
                connection = SandboxedConnection(self.path, self.limits)
            return connection.execute(sql, ticket)
        except QueryError:
            if ticket.cancelled:
                self._check_open()
            raise
        except MemoryError:
            # Opening a connection, while other queries have taken all that is allowed.
            raise out_of_memory() from None
        finally:
            with self._lock:
                self._running.discard(ticket)
                if connection is not None and not self._closed:
                    self._idle.append(connection)
                    connection = None
            if connection is not None:
                connection.close()
