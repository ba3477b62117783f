"""DuckDB as a `Database`: a pool of worker processes, each with the database open read-only."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from pathlib import Path

from sqlbench.databases.base import QueryError, QueryResult, Row, Schema, cancelled, out_of_time
from sqlbench.databases.duckdb_faults import query_error, settle
from sqlbench.databases.duckdb_limits import DuckDBLimits
from sqlbench.databases.duckdb_process import (
    DuckDBProcess,
    OpenFailure,
    OutOfTime,
    ProcessEnded,
    check_installed,
)
from sqlbench.databases.duckdb_schema import read_schema
from sqlbench.databases.duckdb_source import EXPECTED_FILES, DuckDBSource, find_source
from sqlbench.databases.duckdb_values import decoded
from sqlbench.databases.pool import PooledDatabase
from sqlbench.databases.watch import WATCH, Ticket
from sqlbench.exceptions import DatabaseFailure, SuiteError
from sqlbench.paths import located

_SPARE = 2  # processes in reserve once one was killed: the last to come is still at its start
_SLOW = 0.05  # seconds after which a process is made ready to follow, should this one be ended


class DuckDBDatabase(PooledDatabase[DuckDBProcess]):
    """A DuckDB file, or Parquet and CSV files, behind the sandbox; implements `Database`.

    Each statement runs in a process of its own database, which is killed when the statement's time
    is up, and replaced. The files must not change while they are open here.

    Parameters
    ----------
    path : path-like
        The database file; a Parquet or CSV file, a folder of them, or a pattern: each file becomes
        a view of its name.
    db_id : str, optional
        The name of the database, by default the file's or folder's without a suffix.
    limits : DuckDBLimits, optional
        What one statement may cost.
    workers : int, optional
        Threads that serve `run`; each is at work on a process of its own.

    Attributes
    ----------
    engine_version : str or None
        DuckDB's, once a statement has run.

    Raises
    ------
    SuiteError
        If there is no such file, or none that DuckDB reads.
    MissingExtraError
        If DuckDB is not installed.
    """

    dialect = "duckdb"

    def __init__(
        self,
        path: str | Path,
        db_id: str | None = None,
        *,
        limits: DuckDBLimits | None = None,
        workers: int = 2,
    ) -> None:
        check_installed()
        self.path = located(path)
        source = find_source(self.path.absolute())  # the processes' working directory is another
        if source is None:
            raise SuiteError(
                f"The database {self.path} is not a DuckDB file, nor a folder of {EXPECTED_FILES}."
            )
        self.source: DuckDBSource = source
        self.limits = limits if limits is not None else DuckDBLimits()
        self._opened_as = source.stamp()
        self.engine_version: str | None = None
        self._schema: Schema | None = None
        self._facts: dict[str, list[str]] | None = None
        self._reading = threading.Lock()
        super().__init__(db_id if db_id is not None else source.stem, self.limits, workers)

    def schema(self) -> Schema:
        """Return tables and views with columns, keys, comments, row counts and sample values.

        Raises
        ------
        SuiteError
            The file cannot be used.
        """
        self._check_open()
        with self._reading:
            if self._schema is None:
                of_files = bool(self.source.files)
                self._schema = read_schema(self._read, self.db_id, of_files=of_files)
            return self._schema

    def reopen(self) -> None:
        """Forget what was read of the files, which have changed; see `SQLiteDatabase.reopen`."""
        with self._reading:
            self._schema = self._facts = None
            self._opened_as = self.source.stamp()
        self._drop_idle()
        with self._making:
            siblings = tuple(self._siblings.values())
        for sibling in siblings:
            sibling.reopen()

    def with_limits(self, limits: DuckDBLimits) -> DuckDBDatabase:
        """Return the same database under other limits, in processes apart; closed with this one."""
        return self._sibling(
            limits, lambda: DuckDBDatabase(self.path, self.db_id, limits=limits, workers=1)
        )

    def __repr__(self) -> str:
        return f"DuckDBDatabase({str(self.path)!r}, {self.db_id!r})"

    def content(self) -> Hashable:
        """Return the files as they are now, and the limits; None where they cannot be found."""
        try:
            return self.source.stamp(), self.limits
        except SuiteError:
            return None  # whoever runs the statement says what is wrong

    def _execute(self, sql: str, ticket: Ticket) -> QueryResult:
        started = time.monotonic()
        try:
            return self._ask({"sql": _checked(sql, self.limits)}, ticket)
        except QueryError as error:
            error.elapsed = time.monotonic() - started
            settle(error, self._names)
            raise

    def _read(self, sql: str) -> list[Row]:
        """Run a statement of our own."""
        return self._ask({"sql": sql, "trusted": True}, Ticket()).rows

    def _names(self) -> frozenset[str]:
        """Return what tables and columns are called, in small letters."""
        tables = self.schema().tables
        columns = {c.name.lower() for t in tables for c in t.columns}
        return frozenset(columns | {t.name.lower() for t in tables})

    def _ask(self, request: dict[str, object], ticket: Ticket) -> QueryResult:
        process = self._ready()
        ticket.interrupt = process.kill
        started = time.monotonic()
        deadline = started + self.limits.wall_clock
        WATCH.begin(ticket)  # which only cancels: the clock is looked at here
        try:
            process.ask(request)
            if not process.begins_to_answer(min(started + _SLOW, deadline)):
                self._prepare()
            answer = process.answer(deadline)
            if "error" in answer:
                error = query_error(answer["error"], answer["message"], str(request["sql"]))
                if error.timeout:
                    process.kill()  # what has met a limit of memory may hold on to what it has
                raise error
        except QueryError:
            raise
        except OutOfTime:
            process.kill()
            raise out_of_time(self.limits.wall_clock) from None
        except ProcessEnded:
            if ticket.stopped is not None:
                raise cancelled() from None
            process.kill()
            raise _ended(time.monotonic() >= deadline, self.limits) from None
        except BaseException:  # Ctrl-C
            process.kill()
            raise
        finally:
            WATCH.end(ticket)
            if process.alive:
                self._give_back(process)
            else:
                process.close()
                self._prepare(_SPARE)
        return QueryResult(
            tuple(answer["columns"]),
            decoded(answer["rows"], answer["specials"]),
            answer["truncated"],
            time.monotonic() - started,
        )

    def _prepare(self, spare: int = 1) -> None:
        """Have some processes ready for the next statements; those that begin wait at the back."""
        if len(self._idle) < spare and not self._closed:
            self._idle.insert(0, self._started())
        if self._closed:
            self._drop_idle()

    def _started(self) -> DuckDBProcess:
        limits = {name: getattr(self.limits, name) for name in self.limits.__slots__}
        setup = self.source.setup() | {"limits": limits, "facts": self._facts}
        return DuckDBProcess(setup, self._opened_as)

    def _ready(self) -> DuckDBProcess:
        """Return a process that has the database open, as it was when it was opened here."""
        if self.source.stamp() != self._opened_as:
            raise SuiteError(
                f"The database {self.path} has changed since it was opened: open it again."
            )
        while (process := self._take()) is not None:
            if process.alive and process.stamp == self._opened_as:
                break
            process.close()
        else:
            process = self._started()
        try:
            said = process.wait_until_ready()
        except OpenFailure as failure:
            process.close()
            raise self._unusable(*failure.args) from None
        except DatabaseFailure:
            process.close()
            raise
        if said is not None:
            self.engine_version = said["ready"]
            if process.stamp == self._opened_as:
                self._facts = said["facts"]
        return process

    def _unusable(self, kind: str, message: str) -> SuiteError:
        """Return what is wrong with a file that DuckDB cannot open."""
        text = " ".join(message.split())
        if "Could not set lock" in text or "onflicting lock" in text:
            return SuiteError(
                f"The database {self.path} is open for writing in another program: close it there, "
                "or give sqlbench a copy."
            )
        if "version number" in text:
            return SuiteError(
                f"The database {self.path} was written by another version of DuckDB, which this "
                f"one cannot read ({text})."
            )
        missing = next((f for f in self.source.files if not f.exists()), None)
        if missing is not None:
            return SuiteError(f"The database's file {missing} is gone, or cannot be read.")
        return SuiteError(f"The database {self.path} cannot be opened with DuckDB: {text[:300]}")


def _checked(sql: str, limits: DuckDBLimits) -> str:
    """Return a statement that is worth sending.

    Raises
    ------
    QueryError
        If it is none.
    """
    try:
        size = len(sql.encode())
    except UnicodeEncodeError:
        text = "Parser Error: syntax error: the statement is not valid Unicode"
        raise query_error("ParserException", text, sql) from None
    if size > limits.max_sql_bytes:
        text = f"the statement is longer than {limits.max_sql_bytes} bytes"
        raise query_error("Refused", text, sql)
    if "\0" in sql:
        text = "Parser Error: syntax error: the statement contains a NUL character"
        raise query_error("ParserException", text, sql)
    return sql


def _ended(late: bool, limits: DuckDBLimits) -> QueryError:
    """Return the error of a statement that took its process with it."""
    if late:
        return out_of_time(limits.wall_clock)
    text = "out of memory: the query needs more memory, or is nested deeper, than it is allowed"
    return QueryError(text, timeout=True, reproducible=False)
