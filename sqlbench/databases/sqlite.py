"""A SQLite file as a `Database`: a pool of sandboxed connections and a few worker threads."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Hashable
from pathlib import Path

from sqlbench.databases.base import QueryResult, Schema
from sqlbench.databases.file_hash import file_stamp, hash_at_hand
from sqlbench.databases.memo import Key
from sqlbench.databases.pool import PooledDatabase
from sqlbench.databases.sqlite_brief import NotBrief, may_be_brief
from sqlbench.databases.sqlite_file import open_readonly
from sqlbench.databases.sqlite_limits import Limits
from sqlbench.databases.sqlite_sandbox import SandboxedConnection, out_of_memory
from sqlbench.databases.sqlite_schema import read_schema
from sqlbench.databases.watch import Ticket
from sqlbench.exceptions import SuiteError
from sqlbench.paths import located


class SQLiteDatabase(PooledDatabase[SandboxedConnection]):
    """A read-only SQLite file behind the sandbox; implements `Database`.

    The file must not change while it is open here (it is opened as immutable, see
    `open_readonly`). `execute` and `run` answer within 50 ms of the time limit, whatever SQLite
    does. No thread can end a step that is under way (a sort of what the memory holds, a call on a
    long text): its thread is left to it, and the next statement has another. A brief statement runs
    in its caller's thread (`sqlbench.databases.sqlite_brief`).

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
        self.path = located(path)
        self._file = str(self.path)
        self.limits = limits if limits is not None else Limits()
        self._limits_said = str(self.limits)  # whose hash is known
        self._schema: Schema | None = None
        self._size: int | None = None
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

    def reopen(self) -> None:
        """Forget what was read of the file, which has changed: statements to come see it as it is.

        For whoever finds that the file is another (`content_stamp`); a statement under way ends on
        what it began with.
        """
        with self._reading:
            self._schema = self._size = None
        self._drop_idle()
        with self._making:
            siblings = tuple(self._siblings.values())
        for sibling in siblings:
            sibling.reopen()

    def with_limits(self, limits: Limits) -> SQLiteDatabase:
        """Return the same file under other limits, on connections apart; closed with this one."""
        return self._sibling(
            limits, lambda: SQLiteDatabase(self.path, self.db_id, limits=limits, workers=1)
        )

    def content(self) -> Hashable:
        """Return the file as it is now, and the limits: they decide what a statement gives."""
        try:
            return (*file_stamp(self._file), self._limits_said)
        except OSError:
            return None  # the sandbox says what is wrong with it

    def lasting_content(self) -> str | None:
        """Return what stands for the file's content and the limits on any machine, if at hand."""
        try:
            found = hash_at_hand(file_stamp(self._file))
        except OSError:
            return None
        return None if found is None else f"{found} {self._limits_said}"

    def __repr__(self) -> str:
        return f"SQLiteDatabase({str(self.path)!r}, {self.db_id!r})"

    def execute(self, sql: str) -> QueryResult:
        """Run one statement and wait for it, but no longer than its time limit and 50 ms.

        Parameters
        ----------
        sql : str
            The statement, from any source.

        Raises
        ------
        QueryError
            The statement did not run: SQLite's message, or the sandbox's.
        SuiteError
            The file cannot be used.
        """
        key = self._key(sql)
        kept = self._kept(key)
        if kept is None:
            kept = self._at_once(sql, key)
        return self._wait_for(sql, key) if kept is None else kept

    def _at_once(self, sql: str, key: Key | None) -> QueryResult | None:
        if self._size is None:
            with contextlib.suppress(OSError):  # the sandbox says what is wrong with it
                self._size = self.path.stat().st_size
        if self._size is None or not may_be_brief(sql, self._size):
            return None
        try:
            return self._begin(sql, Ticket(key, brief=True))
        except NotBrief:
            return None

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
