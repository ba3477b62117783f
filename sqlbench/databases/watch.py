"""The clock of the statements under way: one thread stops those whose time is up.

SQLite calls a progress handler every so many steps, and a step may be a slow function: a handler
that looked at the clock would be seconds late. `sqlite3.Connection.interrupt` ends a query at its
next row, whatever a row costs. SQLite forgets it while it compiles, so it is said again and again
until the statement is over. A single step (sorting what the memory holds, say) cannot be ended:
the caller gets the answer meanwhile, and the thread is given up.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable
from typing import Literal

_AGAIN = 0.01  # seconds between two interrupts of the same statement
_GRACE = 0.02  # seconds that a statement has for ending by itself, before its caller is answered
# Seconds that the thread looks again after, where the statement that woke it is over: else each of
# many brief ones would wake it. No deadline of a later statement comes sooner (`sqlite_brief`).
_LINGER = 0.05


class Ticket:
    """One statement on its way: when its time is up, and how it is told.

    Attributes
    ----------
    deadline : float
        When its time is up, by `time.monotonic`; whoever runs the statement says it.
    stopped : {"clock", "cancelled"} or None
        Why the statement must end, if it must.
    interrupt : callable or None
        Ends the statement, from another thread.
    answer : callable or None
        Tells the caller, from another thread, that the statement did not end in time.
    give_up : callable or None
        Has another take the place of the thread that is at it, from another thread.
    answered : bool
        Whether the caller was told.
    kept_as : hashable or None
        What the memo keeps its outcome as, if it is to keep it.
    brief : bool
        Whether the statement runs in its caller's thread, and ends before a clock is needed.
    """

    deadline = float("inf")
    stopped: Literal["clock", "cancelled"] | None = None
    interrupt: Callable[[], None] | None = None
    answer: Callable[[], object] | None = None
    give_up: Callable[[], object] | None = None
    stopped_at = float("inf")
    answered = False

    def __init__(self, kept_as: tuple[Hashable, str] | None = None, *, brief: bool = False) -> None:
        self.kept_as, self.brief = kept_as, brief


class Watch:
    """Watches the tickets of a process. Its thread starts with the first of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Ticket] = set()
        self._wakes = float("inf")
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, ticket: Ticket) -> None:
        """Watch a ticket, whose `deadline` and `interrupt` are set."""
        self._running.add(ticket)
        # Deadlines come in order where the limits are the same: the thread sleeps on.
        if ticket.deadline < self._wakes or ticket.stopped is not None:
            with self._lock:
                self._wake_up()

    def end(self, ticket: Ticket) -> None:
        """Watch it no more: it is not interrupted once this has returned."""
        with self._lock:
            self._running.discard(ticket)

    def cancel(self, ticket: Ticket) -> None:
        """Stop a statement that nobody waits for, whether it runs already or not."""
        with self._lock:
            if ticket.stopped is None:
                ticket.stopped, ticket.stopped_at = "cancelled", time.monotonic()
            if ticket in self._running:
                self._wake_up()

    def _wake_up(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="sqlbench-watch", daemon=True)
            self._thread.start()
        self._wake.set()

    def _watch(self) -> None:
        woken = True
        while True:
            self._wake.clear()
            self._wakes = float("inf")  # what begins from here on wakes it, and is looked at next
            now = time.monotonic()
            wakes = self._look_at_all(now)
            self._wakes = min(wakes, now + _LINGER) if woken else wakes
            woken = self._wake.wait(min(max(0.0, self._wakes - now), threading.TIMEOUT_MAX))

    def _look_at_all(self, now: float) -> float:
        """Stop the tickets that must end; return when to look again."""
        with self._lock:
            # The copy goes with this call: a thread that waits keeps no connection alive.
            return min((self._look(t, now) for t in tuple(self._running)), default=float("inf"))

    def _look(self, ticket: Ticket, now: float) -> float:
        """Stop a ticket if need be; return when to look at it again."""
        if ticket.stopped is None:
            if now < ticket.deadline:
                return ticket.deadline
            ticket.stopped, ticket.stopped_at = "clock", ticket.deadline
        if ticket.interrupt is not None:
            ticket.interrupt()
        if now >= ticket.stopped_at + _GRACE and not ticket.answered:
            ticket.answered = True
            if ticket.give_up is not None:
                ticket.give_up()
            if ticket.answer is not None:
                ticket.answer()
        return now + _AGAIN


WATCH = Watch()
os.register_at_fork(after_in_child=WATCH.__init__)  # type: ignore[misc]  # threads do not fork
