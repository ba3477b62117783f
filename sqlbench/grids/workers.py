"""Local worker processes for runs, which can be told to stop: what they have paid for is kept."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlbench.policies.registry import Builder, own_policies, register_policy
from sqlbench.processes import Processes

# How long a worker that is told to stop may take to keep what is in flight,
LAST_SECONDS = 30.0
# and how long its parent may then take to end it. One that is told to stop twice never does.
_FAREWELL_SECONDS = 3.0


class LocalWorkers(Processes):
    """A pool of fresh processes that know the policies registered here.

    Parameters
    ----------
    n : int
        How many.
    """

    def __init__(self, n: int) -> None:
        super().__init__(n, _begin, own_policies(), ended=_end_runs)


class _Runs:
    """The runs of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: set[asyncio.Task[object]] = set()
        self._stopped = False

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
        self.interrupt()

    def interrupt(self) -> None:
        """Cancel what runs now; others may follow."""
        with self._lock:
            for task in self._tasks:
                task.get_loop().call_soon_threadsafe(task.cancel)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Cancel the current task when this process is told to stop."""
        task = asyncio.current_task()
        assert task is not None
        with self._lock:
            if self._stopped:
                raise asyncio.CancelledError
            self._tasks.add(task)
        try:
            yield
        finally:
            with self._lock:
                self._tasks.discard(task)

    @property
    def idle(self) -> bool:
        return not self._tasks


RUNS = _Runs()


def _begin(policies: Mapping[str, Builder]) -> None:
    for name, builder in policies.items():
        register_policy(name, builder)


def _end_runs() -> None:
    RUNS.stop()
    parent = multiprocessing.parent_process()
    assert parent is not None
    deadline = time.monotonic() + LAST_SECONDS
    while not RUNS.idle and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.join(_FAREWELL_SECONDS)
    os._exit(1)
