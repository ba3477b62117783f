"""SQLite as a sandbox: SQL that a model wrote runs on a file it cannot change or escape from.

The file is opened read-only, and an authorizer lets a statement do nothing but read. `setlimit`
and a heap limit bound what one step can cost; a progress handler counts the virtual machine's
steps and stops at an exact number of them, so that a time-out is as reproducible as a result.
The clock (`watch`) is only the backstop.

What stays outside the walls' reach: ``date('now')``, ``CURRENT_TIMESTAMP`` and their kin read the
real clock, so a query that asks for today's date has today's answer. ``random()`` and
``randomblob()`` are replaced by a fixed sequence that starts again with each statement.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from weakref import WeakMethod

from sqlbench.databases import sqlite_brief
from sqlbench.databases.base import QueryError, QueryResult, Row, cancelled, out_of_time
from sqlbench.databases.memory import release_memory
from sqlbench.databases.sqlite_authorizer import Authorizer, denied_tables, first_word
from sqlbench.databases.sqlite_ctes import is_longer
from sqlbench.databases.sqlite_file import open_readonly
from sqlbench.databases.sqlite_functions import has_short_formats, install_functions
from sqlbench.databases.sqlite_limits import NATIVE_LIMITS, Limits
from sqlbench.databases.watch import WATCH, Ticket

# The progress handler runs every so many steps. At 500 it costs 5% of a query's time.
_STEPS_PER_CHECK = 500
_BRIEF_CHECKS = sqlite_brief.MAX_STEPS // _STEPS_PER_CHECK
_CELL = 64  # bytes that Python needs for a cell, beside its letters
_LONG = 0.02  # seconds after which a statement's memory is given back to the system

_MAX_WORDS = 200_000  # 50 ms of compiling
# SQLite's own functions of texts serve those that are not UTF-8. At this length the slowest
# (trim, quadratic) takes half a second a call.
_MAX_NATIVE_BYTES = 16 * 2**10
_MAX_MESSAGE = 500  # SQLite repeats a bad token whole, and a message goes into a prompt


class _NotUTF8(Exception):
    """Raised where a function of ours was to take a text that is not UTF-8."""


class _Full(Exception):
    """Raised when a row is larger than what may still be fetched, before all of it is."""


class SandboxedConnection:
    """One sandboxed connection; used by one thread at a time, not always by the same."""

    def __init__(self, path: Path, limits: Limits, *, native: bool = False) -> None:
        self._path, self._limits, self._is_native = path, limits, native
        self._native: SandboxedConnection | None = None
        self._max_value = min(limits.max_value_bytes, _MAX_NATIVE_BYTES if native else 2**31 - 1)
        self._raised = False  # a function of ours did, in this statement
        self._whole = self._budget = max(1, limits.vm_steps // _STEPS_PER_CHECK)
        self._ticket = Ticket()
        self._fetched = self.checks = 0
        self._connection = connection = open_readonly(path)
        self._authorizer = Authorizer(denied_tables(connection), native=native)
        # Temporary results stay in memory, so no statement can fill the disk; the heap limit
        # keeps them from filling the memory.
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA hard_heap_limit = {limits.max_heap_bytes}")
        connection.execute("PRAGMA query_only = ON")
        _load_virtual_tables(connection)
        self._restart_random = install_functions(
            connection,
            limits.max_value_bytes,
            _weakly(self._go_on),
            _weakly(self._has_raised),
            of_text=not native,
        )
        # After the schema is read: a wide table may be in the file, only not all in one result.
        for limit, value in NATIVE_LIMITS.items():
            connection.setlimit(limit, value)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self._max_value)
        connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, limits.max_sql_bytes)
        connection.text_factory = self._text
        connection.set_authorizer(self._authorizer)
        connection.set_progress_handler(self._progress, _STEPS_PER_CHECK)

    def execute(self, sql: str, ticket: Ticket) -> QueryResult:
        """Run one statement; raises nothing but `QueryError` whatever the statement is.

        And `NotBrief`, where the ticket is a brief one's.
        """
        # What Ctrl-C left of another statement, in a caller's thread, ends here.
        WATCH.end(self._ticket)
        self._bound(brief=ticket.brief)
        try:
            return self._execute(sql, ticket)
        except _NotUTF8:
            if ticket.brief:
                raise sqlite_brief.NotBrief from None
            # Rare, so that only then a second connection is worth its memory.
            if self._native is None:
                self._native = SandboxedConnection(self._path, self._limits, native=True)
            return self._native.execute(sql, ticket)

    def _bound(self, *, brief: bool) -> None:
        """Set what a statement may cost, which is less for a brief one."""
        self._budget, value = self._whole, self._max_value
        if brief:
            self._budget = min(_BRIEF_CHECKS, self._whole)
            value = min(sqlite_brief.MAX_VALUE_BYTES, self._max_value)
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, value)

    def _execute(self, sql: str, ticket: Ticket) -> QueryResult:
        self._ticket, self._raised = ticket, False
        self._fetched = self.checks = 0
        short_formats = self._is_native and has_short_formats(sql, self._max_value)
        self._authorizer.restart(ticket, short_formats=short_formats)
        self._restart_random()
        started = time.monotonic()
        seconds = sqlite_brief.MAX_SECONDS if ticket.brief else self._limits.wall_clock
        ticket.deadline = started + seconds
        ticket.interrupt = self._connection.interrupt
        cursor = self._connection.cursor()
        try:
            WATCH.begin(ticket)
            text = sql.lower()
            if "pragma" in text and first_word(sql) == "PRAGMA":
                self._authorizer.denied = "action PRAGMA"
                raise sqlite3.Error
            if "explain" in text and first_word(sql) == "EXPLAIN":
                # It reads, but what it returns are memory addresses, and never an answer.
                self._authorizer.denied = "action EXPLAIN"
                raise sqlite3.Error
            short = len(sql) <= self._limits.max_sql_bytes  # else SQLite refuses it at once
            if "with" in text and ticket.brief and is_longer(sql, sqlite_brief.MAX_WORDS):
                raise sqlite_brief.NotBrief
            if "with" in text and short and is_longer(sql, _MAX_WORDS):
                self._authorizer.denied = (
                    f"with its WITH clauses written out a statement may have {_MAX_WORDS} words"
                )
                raise sqlite3.Error
            cursor.execute(sql)
            if cursor.description is None:
                if word := first_word(sql):  # REINDEX, where there is nothing to do
                    self._authorizer.denied = f"action {word}"
                    raise sqlite3.Error
                raise QueryError("incomplete input: the statement is empty")
            columns = tuple([c[0] for c in cursor.description])  # faster than a generator
            rows, truncated = self._fetch(cursor, len(columns))
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError) as error:
            # Looked at once: the clock goes on while an error of the statement's own is told.
            stopped = ticket.stopped
            if self._met_other_bytes(error, stopped):
                raise _NotUTF8 from None
            if ticket.brief and self._may_end_otherwise(error, stopped):
                raise sqlite_brief.NotBrief from None
            failure = self._query_error(sql, error, stopped)
            failure.elapsed = time.monotonic() - started
            raise failure from None
        finally:
            cursor.close()
            elapsed = time.monotonic() - started
            if elapsed > _LONG:
                release_memory()
            WATCH.end(ticket)  # last: it takes a while to free what a statement has filled
        return QueryResult(columns, rows, truncated, elapsed)

    def close(self) -> None:
        """Close the connection, from any thread."""
        WATCH.end(self._ticket)
        self._connection.close()
        if self._native is not None:
            self._native.close()

    def _met_other_bytes(self, error: Exception, stopped: str | None) -> bool:
        """Whether a function was to take a text that is not UTF-8, which Python's sqlite3 refuses.

        It says the same of a function that raised; ours say so themselves.
        """
        return (
            not self._is_native
            and not self._raised
            and stopped is None
            and str(error) == "user-defined function raised exception"
        )

    def _may_end_otherwise(self, error: Exception, stopped: str | None) -> bool:
        """Whether a statement failed for being no brief one, or for want of memory."""
        return (
            self.checks >= self._budget
            or stopped == "clock"
            or self._authorizer.unsure
            or isinstance(error, sqlite3.DataError | MemoryError)
        )

    def _has_raised(self) -> None:
        self._raised = True

    def _fetch(self, cursor: sqlite3.Cursor, width: int) -> tuple[list[Row], bool]:
        limits = self._limits
        rows: list[Row] = []
        try:
            for row in cursor:
                self._fetched += _CELL * width
                if bytes in map(type, row):
                    self._fetched += sum(len(v) for v in row if type(v) is bytes)
                if len(rows) == limits.max_rows or self._fetched > limits.max_bytes:
                    return rows, True
                rows.append(row)
        except _Full:
            return rows, True
        return rows, False

    def _text(self, data: bytes) -> str:
        """Return a text of a row, and weigh it: a row of many is never there as a whole."""
        # Real databases hold bytes that are not UTF-8; a strange letter is better than an error.
        text = str(data, "utf-8", "replace")
        self._fetched += len(text) if text.isascii() else 4 * len(text)
        if self._fetched > self._limits.max_bytes:
            raise _Full
        return text

    def _progress(self) -> bool:
        self.checks += 1
        return self.checks >= self._budget or self._ticket.stopped is not None

    def _go_on(self) -> None:
        """Raise if the statement is to stop: for functions, which no interrupt ends."""
        if self._ticket.stopped is not None:
            raise InterruptedError

    def _query_error(self, sql: str, error: Exception, stopped: str | None) -> QueryError:
        """Return what the caller is to see of an error that SQLite or Python raised."""
        message = str(error)
        if self.checks >= self._budget:
            steps = self._budget * _STEPS_PER_CHECK
            return QueryError(f"timeout: the query was stopped after {steps} steps", timeout=True)
        if stopped == "clock":
            return out_of_time(self._limits.wall_clock)
        if stopped == "cancelled":
            return cancelled()
        if self._authorizer.denied is not None:
            return QueryError(f"not authorized: {self._authorizer.denial(sql)}")
        unsaid = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_AUTH
        if message == "interrupted" or unsaid:
            # Ctrl-C, which the progress handler or the authorizer swallowed: nothing else does so.
            raise KeyboardInterrupt
        if isinstance(error, MemoryError):
            return out_of_memory()
        return QueryError(_plain(message, self._limits, self._max_value))


def _weakly(method: Callable[[], None]) -> Callable[[], None]:
    """Return what calls a method and does not keep its object alive.

    Python's garbage collector cannot see what a function of SQLite's holds: a connection that its
    own functions hold would never be closed.
    """
    weak = WeakMethod(method)

    def call() -> None:
        if (found := weak()) is not None:
            found()

    return call


def out_of_memory() -> QueryError:
    """Return what a MemoryError means to the agent: the heap limit stopped the query."""
    text = "out of memory: the query needs more memory than it is allowed"
    return QueryError(text, timeout=True, reproducible=False)


def _load_virtual_tables(connection: sqlite3.Connection) -> None:
    """Load the virtual tables that may be read; the authorizer keeps out all others."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'"
    ).fetchall()
    for name in ["json_each", "json_tree", *(name for (name,) in tables)]:
        quoted = '"' + name.replace('"', '""') + '"'
        # A module that is not installed: queries on its table will say so.
        with contextlib.suppress(sqlite3.Error):
            connection.execute(f"SELECT 1 FROM {quoted} LIMIT 0").fetchall()


def _plain(message: str, limits: Limits, max_value: int) -> str:
    """Return a message of Python's sqlite3 module in words that fit a statement's author."""
    if message.startswith("You can only execute one statement"):
        return "syntax error: only one statement may be run at a time"
    if message.startswith("Incorrect number of bindings"):
        return "syntax error: parameters (?, :name, @name, $name) have no values here"
    if message.startswith("query string is too large"):
        return f"the statement is longer than {limits.max_sql_bytes} bytes"
    if message.startswith("string or blob too big"):
        return (
            f"string or blob too big: the sandbox takes values of at most {max_value} bytes "
            "(Limits.max_value_bytes of sqlbench, which SQLiteDatabase(path, limits=...) sets)"
        )
    if "null character" in message:
        return "syntax error: the statement contains a NUL character"
    if "surrogates not allowed" in message:
        return "syntax error: the statement is not valid Unicode"
    if len(message) > _MAX_MESSAGE:
        return f"{message[: _MAX_MESSAGE - 50]} … {message[-47:]}"
    return message
