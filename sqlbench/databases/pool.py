"""What all databases share: worker threads, connections that are kept, statements under way."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Hashable
from functools import partial
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from sqlbench.databases.base import Outcome, QueryError, QueryResult, cancelled, out_of_time
from sqlbench.databases.memo import MEMO, Key, may_be_kept
from sqlbench.databases.outcomes import find_outcome, keep_outcome
from sqlbench.databases.shelf import shelf_in_use
from sqlbench.databases.watch import WATCH, Ticket
from sqlbench.databases.workers import Worker, Workers

_TURN = 0.001  # seconds that answers which are at hand may keep the event loop


class _Connection(Protocol):
    def close(self) -> None: ...


class _Limits(Protocol):
    @property
    def wall_clock(self) -> float: ...


C = TypeVar("C", bound=_Connection)
D = TypeVar("D")


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

    _made_of: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        """Keep what it is made of, for another process."""
        made = super().__new__(cls)
        made._made_of = (arguments, named)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what opens the same database anew, in the process that unpickles it."""
        arguments, named = self._made_of
        return partial(type(self), *arguments, **named), ()

    def __init__(self, db_id: str, limits: _Limits, workers: int) -> None:
        self.db_id = db_id
        self._wall_clock = limits.wall_clock
        # A list and a set whose single operations are atomic: no statement waits for a lock.
        self._idle: list[C] = []
        self._running: set[Ticket] = set()
        self._closed = False
        self._turn_ends = 0.0
        self._siblings: dict[_Limits, Any] = {}
        self._making = threading.Lock()
        self._workers = Workers(f"sqlbench-{db_id}", workers)
        self._callers = Workers(f"sqlbench-{db_id}-execute")  # a thread a caller of `execute`

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
        key = self._key(sql)
        kept = self._kept(key)
        return self._begin(sql, Ticket(key)) if kept is None else kept

    async def run(self, sql: str) -> QueryResult:
        """Do as `execute` in a worker thread; cancelling the caller stops the query.

        Where the statement's time is up and the database is slow to stop it, the caller is
        answered all the same.
        """
        key = self._key(sql)
        kept = self._kept(key)
        if kept is None:
            kept = self._at_once(sql, key)
        if kept is not None:
            await self._let_others()
            return kept
        ticket = Ticket(key)
        loop = asyncio.get_running_loop()
        # One future, not two that are chained (`run_in_executor`): a tenth less for a tiny query.
        result: asyncio.Future[QueryResult] = loop.create_future()

        def answer() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(result.cancel)

        ticket.answer = answer
        here = contextvars.copy_context()
        self._workers.submit(
            lambda worker: here.run(self._serve, sql, ticket, loop, result, worker)
        )
        try:
            return await result
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not ticket.answered or (task is not None and task.cancelling()):
                WATCH.cancel(ticket)
                raise
        raise self._late(ticket)

    async def _let_others(self) -> None:
        """Let the event loop's other tasks have their turn, where they have waited for a while."""
        if time.monotonic() >= self._turn_ends:
            await asyncio.sleep(0)
            self._turn_ends = time.monotonic() + _TURN

    def close(self) -> None:
        """Stop what is running and close every connection; later calls raise `RuntimeError`."""
        self._closed = True
        for ticket in tuple(self._running):
            WATCH.cancel(ticket)
        self._drop_idle()
        self._workers.shutdown()
        self._callers.shutdown()
        with self._making:
            siblings = tuple(self._siblings.values())
        for sibling in siblings:
            sibling.close()

    def _sibling(self, limits: _Limits, make: Callable[[], D]) -> D:
        """Return the same database under other limits; it is closed with this one."""
        with self._making:
            self._check_open()
            if limits not in self._siblings:
                self._siblings[limits] = make()
            found: D = self._siblings[limits]
            return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _at_once(self, sql: str, key: Key | None) -> QueryResult | None:
        """Run one statement in the caller's thread, if it is certain to be brief."""
        return None

    def _execute(self, sql: str, ticket: Ticket) -> QueryResult:
        """Run one statement on a connection of the pool."""
        raise NotImplementedError

    def _wait_for(self, sql: str, key: Key | None) -> QueryResult:
        """Do as `execute` in another thread, and answer when its time is up, whatever it does."""
        self._check_open()
        ticket, over = Ticket(key), threading.Lock()
        outcomes: list[QueryResult | BaseException] = []
        over.acquire()
        here = contextvars.copy_context()

        def answer() -> None:
            with contextlib.suppress(RuntimeError):  # the other of the two was faster
                over.release()

        def work(worker: Worker) -> None:
            outcomes.append(here.run(self._outcome, sql, ticket, self._callers, worker))
            answer()

        ticket.answer = answer
        self._callers.submit(work)
        try:
            over.acquire()
        except BaseException:
            WATCH.cancel(ticket)  # Ctrl-C
            raise
        if not outcomes:
            raise self._late(ticket)
        outcome = outcomes.pop()
        if isinstance(outcome, QueryResult):
            return outcome
        try:
            # The frames of the other thread would keep its connection.
            raise outcome.with_traceback(None) if isinstance(outcome, QueryError) else outcome
        finally:
            del outcome

    def _late(self, ticket: Ticket) -> QueryError:
        """Return the error of a statement that is still at work after its time."""
        if ticket.stopped == "cancelled":
            self._check_open()
            return cancelled()
        error = out_of_time(self._wall_clock)
        error.elapsed = time.monotonic() - ticket.deadline + self._wall_clock
        return error

    def content(self) -> Hashable:
        """Return what stands for the content of the database; None where it may change."""
        return None

    def lasting_content(self) -> str | None:
        """Return what stands for content and limits on any machine; None if that is unknown."""
        return None

    def _key(self, sql: str) -> Key | None:
        """Return what a statement's outcome is kept as; None where it is not to be kept."""
        self._check_open()
        content = self.content()
        return None if content is None or not may_be_kept(sql) else (content, sql)

    def _kept(self, key: Key | None) -> QueryResult | None:
        """Return what the statement gave before, if that is kept; raises the error that it gave."""
        if key is None:
            return None
        outcome = MEMO.get(key)
        if (shelf := shelf_in_use()) is not None and hash(key) not in shelf.noted:
            outcome = self._shelved(key, outcome)
        if isinstance(outcome, QueryError):
            raise outcome
        return outcome

    def _shelved(self, key: Key, outcome: Outcome | None) -> Outcome | None:
        """Put what the memo knows on the shelf in use, or look there for what it does not know."""
        shelf, sql = shelf_in_use(), key[1]
        content = None if shelf is None else self.lasting_content()
        if shelf is None or content is None:
            return outcome
        if outcome is not None:
            keep_outcome(shelf, content, sql, outcome)
        else:
            outcome = find_outcome(shelf, content, sql)
            if outcome is None:
                return None  # it is run now, and then put there
            MEMO.keep(key, outcome)
        shelf.noted.add(hash(key))
        return outcome

    def _keep(self, key: Key | None, outcome: Outcome) -> None:
        if key is not None:
            MEMO.keep(key, outcome)
            self._shelved(key, outcome)

    def _serve(
        self,
        sql: str,
        ticket: Ticket,
        loop: asyncio.AbstractEventLoop,
        result: asyncio.Future[QueryResult],
        worker: Worker,
    ) -> None:
        """Run one statement in a worker thread, and hand its result or its error to the loop."""
        if ticket.stopped is not None:
            return  # nobody waits for it any more
        outcome = self._outcome(sql, ticket, self._workers, worker)
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(_settle, result, outcome)
        del outcome  # an error holds this frame, and the frame it: a ring that keeps connections

    def _outcome(
        self, sql: str, ticket: Ticket, workers: Workers, worker: Worker
    ) -> QueryResult | BaseException:
        """Run one statement in a worker thread, which is given up if it does not come back."""
        ticket.give_up = lambda: workers.give_up(worker)
        try:
            return self._begin(sql, ticket)
        except BaseException as error:
            return error

    def _begin(self, sql: str, ticket: Ticket) -> QueryResult:
        self._running.add(ticket)  # and then looks: `close` says so, and then looks here
        try:
            self._check_open()
            result = self._execute(sql, ticket)
            self._keep(ticket.kept_as, result)
            return result
        except QueryError as error:
            if ticket.stopped is not None:
                self._check_open()
            error.sql = sql
            self._keep(ticket.kept_as, error)
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
