"""What all databases share: worker threads, connections that are kept, statements under way."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from sqlbench.databases.base import QueryError, QueryResult, out_of_time
from sqlbench.databases.watch import WATCH, Ticket


class _Connection(Protocol):
    def close(self) -> None: ...


class _Limits(Protocol):
    @property
    def wall_clock(self) -> float: ...


C = TypeVar("C", bound=_Connection)


class PooledDatabase(Generic[C]):
    """A `Database` but for what it runs its statements on, which `_execute` says.

    Connections are opened when first needed, each is used by one thread at a time, and the one
    used last is used next: it is warm.

    Parameters
    ----------
    db_id : str
        The name of the database.
    limits : Limits or PostgresLimits
        What one statement may cost.
    workers : int
        Threads that serve `run`; they start with the first `run`.
    """

    def __init__(self, db_id: str, limits: _Limits, workers: int) -> None:
        self.db_id = db_id
        self._wall_clock = limits.wall_clock
        # A list and a set whose single operations are atomic: no statement waits for a lock.
        self._idle: list[C] = []
        self._running: set[Ticket] = set()
        self._closed = False
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix=f"sqlbench-{db_id}")

    def execute(self, sql: str) -> QueryResult:
        """Run one statement in this thread.

        Parameters
        ----------
        sql : str
            The statement, from any source.

        Raises
        ------
        QueryError
            The statement did not run: the database's message, or the sandbox's.
        SuiteError, DatabaseFailure
            The database itself cannot be used: a file that is missing, a server out of reach.
        """
        return self._begin(sql, Ticket())

    async def run(self, sql: str) -> QueryResult:
        """Do as `execute` in a worker thread; cancelling the caller stops the query.

        Where the statement's time is up and the database is slow to stop it, the caller is
        answered all the same.
        """
        self._check_open()
        ticket = Ticket()
        loop = asyncio.get_running_loop()
        # One future, not two that are chained (`run_in_executor`): a tenth less for a tiny query.
        result: asyncio.Future[QueryResult] = loop.create_future()
        self._workers.submit(self._serve, sql, ticket, loop, result)

        def answer() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(result.cancel)

        ticket.answer = answer
        try:
            return await result
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not ticket.answered or (task is not None and task.cancelling()):
                WATCH.cancel(ticket)
                raise
        error = out_of_time(self._wall_clock)
        error.elapsed = time.monotonic() - ticket.deadline + self._wall_clock
        raise error

    def close(self) -> None:
        """Stop what is running and close every connection; later calls raise `RuntimeError`."""
        self._closed = True
        for ticket in tuple(self._running):
            WATCH.cancel(ticket)
        self._drop_idle()
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

    def _execute(self, sql: str, ticket: Ticket) -> QueryResult:
        """Run one statement on a connection of the pool."""
        raise NotImplementedError

    def _serve(
        self,
        sql: str,
        ticket: Ticket,
        loop: asyncio.AbstractEventLoop,
        result: asyncio.Future[QueryResult],
    ) -> None:
        """Run one statement in a worker thread, and hand its result or its error to the loop."""
        if ticket.stopped is not None:
            return  # nobody waits for it any more
        try:
            outcome: QueryResult | BaseException = self._begin(sql, ticket)
        except BaseException as error:
            outcome = error
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(_settle, result, outcome)
        del outcome  # an error holds this frame, and the frame it: a ring that keeps connections

    def _begin(self, sql: str, ticket: Ticket) -> QueryResult:
        self._running.add(ticket)  # and then looks: `close` says so, and then looks here
        try:
            self._check_open()
            return self._execute(sql, ticket)
        except QueryError as error:
            if ticket.stopped is not None:
                self._check_open()
            error.sql = sql
            raise
        finally:
            self._running.discard(ticket)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(f"The database {self.db_id!r} is closed.")

    def _take(self) -> C | None:
        """Return an idle connection, if there is one."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _give_back(self, connection: C) -> None:
        self._idle.append(connection)
        if self._closed:
            self._drop_idle()

    def _drop_idle(self) -> None:
        while (connection := self._take()) is not None:
            connection.close()


def _settle(result: asyncio.Future[QueryResult], outcome: QueryResult | BaseException) -> None:
    if result.done():
        return  # its caller is gone, or was answered
    if isinstance(outcome, BaseException):
        result.set_exception(outcome)
    else:
        result.set_result(outcome)
