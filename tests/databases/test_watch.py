"""The clock of the statements under way."""

from __future__ import annotations

import threading
import time

from sqlbench.databases.watch import Ticket, Watch


class Counting(Watch):
    """Counts how often the thread looks."""

    looks = 0

    def _look_at_all(self, now):
        self.looks += 1
        return super()._look_at_all(now)


def test_one_brief_statement_after_the_other_does_not_wake_the_thread_each_time():
    watch, began = Counting(), time.monotonic()
    for _ in range(2_000):
        ticket = Ticket(brief=True)
        ticket.deadline = time.monotonic() + 0.05
        watch.begin(ticket)
        watch.end(ticket)
        time.sleep(0)  # lets the thread look, if it is awake
    assert watch.looks <= 2 * (time.monotonic() - began) / 0.05 + 2


def test_a_statement_is_stopped_at_its_deadline_whenever_it_began():
    watch = Watch()
    for lasts in (0.03, 0.12, 0.03):  # the first wakes the thread, the others begin as it lingers
        stopped, ticket, when = threading.Event(), Ticket(), list[float]()

        def interrupt(when=when, stopped=stopped):
            when.append(time.monotonic())
            stopped.set()

        ticket.interrupt = interrupt
        ticket.deadline = time.monotonic() + lasts
        watch.begin(ticket)
        assert stopped.wait(10) and ticket.stopped == "clock"
        watch.end(ticket)
        assert when[0] >= ticket.deadline
