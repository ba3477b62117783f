"""What a statement gave before: an unchanged file gives the same again.

Most of a run's statements come again and again: a gold query, a model's usual answer, a repair that
many policies try. One memo a process holds what they gave, up to a number of bytes; what was used
longest ago goes first. What another run might not give is never kept: a time-out, what ran out of
memory, what was cancelled, and a statement that asks for the time.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Generic, Self, TypeVar

from sqlbench.databases.base import Outcome, QueryError

MAX_BYTES = 64 * 2**20
SWITCH = "SQLBENCH_MEMO"  # in the environment, so that worker processes are switched off, too

_CELL = 64  # bytes that Python needs for a cell, beside its letters
_LARGEST = 2**20  # of one outcome: a few such would push out thousands of small ones
_CLOCK = re.compile(
    r"now|subsec|current_|\b(?:date|time|datetime|julianday|unixepoch)\s*\(\s*\)"
    r"|\bstrftime\s*\([^,()]*\)"
    r"|\btoday\b|\blocaltime|\btransaction_timestamp\b|\bag[eo]\s*\(",  # DuckDB's
    re.IGNORECASE,
)
# None of these words, and it need not be searched for: most statements have none.
_HINTS = (
    "now", "subsec", "current_", "date", "time", "julianday", "unixepoch", "today", "age", "ago",
)  # fmt: skip
_SWITCHED_OFF: ContextVar[bool] = ContextVar("memo_off", default=False)
_off = os.environ.get(SWITCH) == "off"  # read once: every statement asks


Key = tuple[Hashable, str]  # what stands for the content of a database, and a statement
V = TypeVar("V")


class Memo(Generic[V]):
    """Values by what they depend on; safe to use from several threads.

    Parameters
    ----------
    max_bytes : int
        What is kept, as Python holds it.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._renew()

    def _renew(self) -> None:
        self.bytes = 0
        self._kept: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()

    def of_process(self) -> Self:
        """Let a fork begin with an empty one: another thread may hold the lock at that moment."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)
        return self

    def get(self, key: Hashable) -> V | None:
        """Return what was kept, if anything."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
        return found[0]

    def put(self, key: Hashable, value: V, size: int) -> None:
        """Keep a value of so many bytes, unless it is a large one."""
        if size > _LARGEST:
            return
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = value, size
            self.bytes += size
            while self.bytes > self.max_bytes:
                _, (_, gone) = self._kept.popitem(last=False)
                self.bytes -= gone

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self.bytes = 0
            self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)


class Outcomes(Memo[Outcome]):
    """What statements gave."""

    def get(self, key: Hashable) -> Outcome | None:
        """Return what was kept, if anything; an error is a new one, without a traceback."""
        outcome = super().get(key)
        return _again(outcome) if isinstance(outcome, QueryError) else outcome

    def keep(self, key: Key, outcome: Outcome) -> None:
        """Keep an outcome, if it is one that comes again."""
        if isinstance(outcome, QueryError):
            if outcome.timeout or not outcome.reproducible:
                return
            outcome = _again(outcome)
        self.put(key, outcome, _size(key[1], outcome))


MEMO = Outcomes().of_process()
"""The process's own: every database of every run asks it."""


def may_be_kept(sql: str) -> bool:
    """Whether a statement gives the same again, and the memo is switched on."""
    return not is_switched_off() and not asks_for_the_time(sql)


def is_switched_off() -> bool:
    """Whether nothing is to be kept here."""
    return _off or _SWITCHED_OFF.get()


def switch_off() -> None:
    """Keep nothing from here on, in this process and in those that it starts."""
    global _off
    _off, os.environ[SWITCH] = True, "off"


def is_suspended() -> bool:
    """Whether this is within `no_memo`."""
    return _SWITCHED_OFF.get()


@lru_cache(maxsize=4096)
def asks_for_the_time(sql: str) -> bool:
    """Whether a statement may give something else on another day."""
    lowered = sql.lower()
    return any(hint in lowered for hint in _HINTS) and _CLOCK.search(sql) is not None


@contextmanager
def no_memo() -> Iterator[None]:
    """Run every statement in here for real: for a check whether one gives the same again."""
    token = _SWITCHED_OFF.set(True)
    try:
        yield
    finally:
        _SWITCHED_OFF.reset(token)


def _again(error: QueryError) -> QueryError:
    """Return the same error without a traceback, in a fifth of `copy.copy`'s time."""
    again = QueryError(
        error.message,
        sqlstate=error.sqlstate,
        timeout=error.timeout,
        reproducible=error.reproducible,
        fault=error.fault,
    )
    again.elapsed, again.sql = error.elapsed, error.sql
    return again


def _size(sql: str, outcome: Outcome) -> int:
    size = 768 + len(sql)
    if isinstance(outcome, QueryError):
        return size + len(outcome.message)
    size += _CELL * len(outcome.rows) * (len(outcome.columns) + 1)
    if size > _LARGEST:
        return size
    for row in outcome.rows:
        size += sum(len(v) for v in row if isinstance(v, str | bytes))
    return size
