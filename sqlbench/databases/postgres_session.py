"""One connection to PostgreSQL on which SQL from a model runs.

A statement runs in a read-only transaction that is always rolled back, so that nothing it does
outlives it, settings included. PostgreSQL parses it alone first: that yields its own message on a
faulty statement, and proves that the text is one whole statement. Then it runs as a sub-select of
a server-side cursor, where PostgreSQL's grammar takes nothing but a query, and where a row that is
too large is stopped before it is sent. All that is one round trip, and the rollback another.
Meanwhile sqlglot looks through the statement, and no row leaves this module before it has agreed.
"""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlbench.databases.base import QueryError, QueryResult, Row, cancelled, out_of_time
from sqlbench.databases.postgres_faults import fault_class
from sqlbench.databases.postgres_safety import broken, check_names, check_tree, denied
from sqlbench.databases.postgres_url import PostgresURL, import_psycopg
from sqlbench.databases.postgres_values import cut_rows, load_rows, pointer
from sqlbench.databases.watch import Ticket
from sqlbench.exceptions import ConfigError, DatabaseFailure

_BATCH = 500
_RAW = 2  # the place of the statement itself among what is sent for it
_GRACE = 2.0  # seconds that the server gets to stop a query by itself
_TICK = 0.1  # seconds between two looks at a ticket
_MAX_MESSAGE = 500
_CONNECT_TIMEOUT = 10

# Settings of every session: the same text for the same value, and the same work for the same query.
# Unknown ones (older servers) are left out.
_SETTINGS = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "default_transaction_read_only": "on",
    "lock_timeout": "2000",
    # If this process dies or gives up, the server must notice while a query runs.
    "client_connection_check_interval": "1000",
    "cursor_tuple_fraction": "1",
    "max_parallel_workers_per_gather": "0",
    "synchronize_seqscans": "off",
    "jit": "off",
}
_CONFIGURE = (
    "SELECT pg_catalog.set_config(s.name, v.value, false) FROM (VALUES "
    + ", ".join(f"('{name}', '{value}')" for name, value in _SETTINGS.items())
    + ") AS v (name, value) JOIN pg_catalog.pg_settings s ON s.name = v.name"
)
# A row is measured where it is made: the cast fails, and its message holds the row's size.
_TOO_LARGE = "sqlbench: a row of bytes"
_DECLARE = (
    "DECLARE sqlbench NO SCROLL CURSOR FOR SELECT sqlbench_row.* FROM (\n{sql}\n) AS sqlbench_row "
    "WHERE CASE WHEN pg_catalog.pg_column_size(sqlbench_row) <= {limit} THEN true ELSE "
    f"('{_TOO_LARGE} ' || pg_catalog.pg_column_size(sqlbench_row))::pg_catalog.bool END"
)

# SQLSTATEs that are about the server and not about the statement (the first characters).
_SERVER_FAILS = ("08", "57P", "58", "25P03", "25P04", "40001", "53300", "XX001", "XX002")
_EXHAUSTED = {"53100", "53200", "53400"}  # disk full, out of memory, temp_file_limit
_CANCELLED = "57014"
_PROTOCOL_VIOLATION = "08P01"  # a statement with parameters, for one


@dataclass(frozen=True, slots=True)
class PostgresLimits:
    """How much one statement may cost.

    Attributes
    ----------
    wall_clock : float
        Seconds. PostgreSQL counts no steps, so this is the only limit on work, and a query that it
        stops is not reproducible.
    max_rows, max_bytes : int
        Rows and bytes fetched; a longer result is cut off and says so.
    max_row_bytes : int
        The longest row; a longer one is an error.
    max_sql_bytes : int
        The longest statement.
    """

    wall_clock: float = 10.0
    max_rows: int = 10_000
    max_bytes: int = 16 * 2**20
    max_row_bytes: int = 256 * 2**10
    max_sql_bytes: int = 100_000


class ConnectionLost(Exception):
    """The connection broke: whatever was asked may be asked again on another."""


class PostgresSession:
    """One sandboxed connection; used by one thread at a time, not always by the same.

    Parameters
    ----------
    url : PostgresURL
        Where to.
    limits : PostgresLimits
        What one statement may cost.
    schemas : sequence of str
        The search path; empty keeps the role's own.
    allow_superuser : bool
        Whether a superuser may log in.

    Raises
    ------
    DatabaseFailure
        If the server cannot be reached, or does not let the role in.
    ConfigError
        If the role is a superuser and may not be.
    """

    def __init__(
        self,
        url: PostgresURL,
        limits: PostgresLimits,
        schemas: Sequence[str] = (),
        *,
        allow_superuser: bool = False,
    ) -> None:
        psycopg = import_psycopg()
        self._limits, self._pq = limits, psycopg.pq
        self._lost: type[Exception] = psycopg.Error
        try:
            self._connection = psycopg.connect(
                url.url,
                autocommit=True,
                connect_timeout=_CONNECT_TIMEOUT,
                client_encoding="utf8",
                application_name="sqlbench",
                keepalives_idle=30,
                tcp_user_timeout=30_000,
            )
        except psycopg.Error as error:
            raise DatabaseFailure(
                f"PostgreSQL at {url.shown} cannot be reached: {url.scrub(str(error))}"
            ) from None
        self._pgconn = self._connection.pgconn
        try:
            self._connection.execute(_CONFIGURE)
        except psycopg.Error as error:
            self.close()
            raise DatabaseFailure(
                f"PostgreSQL at {url.shown} fails: {url.scrub(str(error))}"
            ) from None
        if self._pgconn.parameter_status(b"is_superuser") == b"on" and not allow_superuser:
            self.close()
            raise ConfigError(
                f"{url.shown} logs in as a superuser, which SQL from a model must not be: log in "
                "as a plain role that may only read (CREATE ROLE reader LOGIN; GRANT SELECT …), or "
                "say --allow-superuser (allow_superuser=True)."
            )
        path = ", ".join('"' + s.replace('"', '""') + '"' for s in schemas).replace("'", "''")
        # Set again for each statement: behind a pooler, a session is not always the same one.
        self._begin = (
            f"SELECT pg_catalog.set_config('statement_timeout', '{limits.wall_clock * 1000:.0f}', "
            "true), pg_catalog.setseed(0)"
            + (f", pg_catalog.set_config('search_path', '{path}', true)" if path else "")
        ).encode()
        self._poll = select.poll()
        self._poll.register(self._pgconn.socket, select.POLLIN)

    @property
    def usable(self) -> bool:
        """Whether the connection is open and idle."""
        return bool(
            self._pgconn.status == self._pq.ConnStatus.OK
            and self._pgconn.transaction_status == self._pq.TransactionStatus.IDLE
        )

    @property
    def server_version(self) -> str:
        """The server's version."""
        return (self._pgconn.parameter_status(b"server_version") or b"?").decode().split()[0]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def execute(self, sql: str, ticket: Ticket, volatile: frozenset[str]) -> QueryResult:
        """Run one statement from any source.

        Parameters
        ----------
        sql : str
            The statement.
        ticket : Ticket
            Set by another thread to stop it.
        volatile : frozenset of str
            Functions that it may not call.

        Raises
        ------
        QueryError
            If it does not run.
        ConnectionLost
            If the connection breaks.
        """
        limits = self._limits
        started = time.monotonic()
        text = check_names(sql, limits.max_sql_bytes, volatile)
        declare = _DECLARE.format(sql=text, limit=limits.max_row_bytes).encode()
        fetch = f"FETCH FORWARD {min(_BATCH, limits.max_rows + 1)} FROM sqlbench".encode()
        deadline = started + limits.wall_clock
        commands = [b"BEGIN READ ONLY", self._begin, text.encode(), declare, fetch]
        try:
            self._send(commands, parse_only=_RAW)
            readable, refusal = check_tree(text)  # while the server is at work
            results = self._collect(ticket, deadline)
            if refusal is not None and (readable or len(results) > _RAW + 1):
                raise denied(refusal)
            if len(results) < len(commands) or _failed(self._pq, results[-1]):
                raise self._query_error(results, text)
            page = results[-1]
            if not page.nfields:
                raise broken("the statement returns no columns")
            columns = tuple((page.fname(i) or b"").decode() for i in range(page.nfields))
            rows: list[Row] = []
            size = 0
            while True:
                size += load_rows(page, rows)
                more = page.ntuples == _BATCH
                if size > limits.max_bytes or len(rows) > limits.max_rows or not more:
                    break
                if time.monotonic() > deadline:
                    raise self._timeout()
                self._send([fetch])
                page = self._collect(ticket, deadline)[-1]
                if _failed(self._pq, page):
                    raise self._query_error([page], "")
        finally:
            self._roll_back()
        truncated = size > limits.max_bytes or len(rows) > limits.max_rows
        return QueryResult(
            columns,
            cut_rows(rows, limits.max_rows, limits.max_bytes),
            truncated,
            time.monotonic() - started,
        )

    def read(self, sql: str) -> list[Row]:
        """Run one statement of our own, in a read-only transaction as well.

        Raises
        ------
        QueryError
            If it does not run.
        ConnectionLost
            If the connection breaks.
        """
        deadline = time.monotonic() + self._limits.wall_clock
        commands = [b"BEGIN READ ONLY", self._begin, sql.encode()]
        try:
            self._send(commands)
            results = self._collect(Ticket(), deadline)
            if len(results) < len(commands) or _failed(self._pq, results[-1]):
                raise self._query_error(results, "")
        finally:
            self._roll_back()
        page = results[-1]
        rows: list[Row] = []
        load_rows(page, rows)
        return rows

    def _send(self, commands: Sequence[bytes], parse_only: int | None = None) -> None:
        """Send commands in one go; nothing waits for the server yet."""
        pgconn = self._pgconn
        try:
            pgconn.enter_pipeline_mode()
            for i, command in enumerate(commands):
                if i == parse_only:
                    pgconn.send_prepare(b"", command)
                else:
                    pgconn.send_query_params(command, None)
            pgconn.pipeline_sync()
            pgconn.flush()
        except self._lost as error:
            self.close()
            raise ConnectionLost(str(error)) from None

    def _collect(self, ticket: Ticket, deadline: float) -> list[Any]:
        """Return the results of what was sent, up to the first error."""
        pgconn, status = self._pgconn, self._pq.ExecStatus
        results: list[Any] = []
        try:
            while True:
                self._wait(ticket, deadline)
                result = pgconn.get_result()
                if result is None:
                    if pgconn.status != self._pq.ConnStatus.OK:
                        raise ConnectionLost("the server closed the connection")
                elif result.status == status.PIPELINE_SYNC:
                    break
                elif result.status != status.PIPELINE_ABORTED:
                    results.append(result)
            pgconn.exit_pipeline_mode()
            return results
        except self._lost as error:
            self.close()
            raise ConnectionLost(str(error)) from None

    def _wait(self, ticket: Ticket, deadline: float) -> None:
        """Wait until a result can be taken without blocking."""
        pgconn = self._pgconn
        while True:
            unsent = pgconn.flush()
            if not unsent and not pgconn.is_busy():
                return
            self._poll.modify(pgconn.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
            if self._poll.poll(_TICK * 1000):
                pgconn.consume_input()
            if ticket.stopped is not None or time.monotonic() > deadline + _GRACE:
                # Not by a request to cancel: a server that hangs would not answer that either.
                self.close()
                raise self._timeout() if ticket.stopped is None else cancelled()

    def _roll_back(self) -> None:
        if self._pgconn.status != self._pq.ConnStatus.OK:
            return
        if self._pgconn.transaction_status == self._pq.TransactionStatus.ACTIVE:
            self.close()  # interrupted before the results came
        elif self._pgconn.transaction_status != self._pq.TransactionStatus.IDLE:
            deadline = time.monotonic() + self._limits.wall_clock
            self._send([b"ROLLBACK"])
            self._collect(Ticket(), deadline)

    def _timeout(self) -> QueryError:
        return out_of_time(self._limits.wall_clock)

    def _query_error(self, results: Sequence[Any], sql: str) -> Exception:
        """Return what the caller is to see of the last of some results, an error."""
        result, fields = results[-1], self._pq.DiagnosticField
        place = len(results) - 1

        def read(name: Any) -> str:
            return (result.error_field(name) or b"").decode("utf-8", "replace")

        state, message = read(fields.SQLSTATE), read(fields.MESSAGE_PRIMARY)
        if not state or (state.startswith(_SERVER_FAILS) and state != _PROTOCOL_VIOLATION):
            self.close()
            return ConnectionLost(message or "the server closed the connection")
        if state == _CANCELLED:
            return self._timeout()
        if state in _EXHAUSTED:
            return QueryError(message, sqlstate=state, timeout=True, reproducible=False)
        if _TOO_LARGE in message:
            bytes_ = message.rpartition(" ")[2].strip('"')
            return QueryError(
                f"the result has a row of {bytes_} bytes; at most {self._limits.max_row_bytes} are "
                "allowed (PostgresLimits.max_row_bytes of sqlbench, which "
                "PostgresDatabase(url, limits=...) sets)",
                sqlstate="54000",
            )
        if place == _RAW + 1 and state == "42601":  # a whole statement, and still no query
            return denied("only SELECT statements may be run")
        text = message[:_MAX_MESSAGE]
        position = read(fields.STATEMENT_POSITION)
        if place == _RAW and position:
            text += pointer(sql, int(position) - 1)
        for label, name in (("DETAIL", fields.MESSAGE_DETAIL), ("HINT", fields.MESSAGE_HINT)):
            if more := read(name):
                text += f"\n{label}:  {more[:_MAX_MESSAGE]}"
        fault = fault_class(state, read(fields.SOURCE_FUNCTION), text, sql)
        return QueryError(text, sqlstate=state, fault=fault)


def _failed(pq: Any, result: Any) -> bool:
    return bool(result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE))
