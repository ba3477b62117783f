"""Local worker processes that never outlive what started them, and that can be told to stop.

`concurrent.futures` leaves its workers at work when their parent is killed, and lets them finish
what they have fetched when it is interrupted. Here each worker holds the end of a pipe whose other
end is the parent's alone: it closes when the parent says so, or dies. Then the worker's runs are
cancelled, which keeps all that they have paid for.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait

from sqlbench.policies.registry import Builder, own_policies, register_policy

# How long a worker whose parent is dead may take to keep what is in flight.
LAST_SECONDS = 30.0


class LocalWorkers(ProcessPoolExecutor):
    """A pool of fresh processes.

    Parameters
    ----------
    n : int
        How many.
    """

    def __init__(self, n: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._theirs, self._ours = context.Pipe(duplex=False)
        super().__init__(
            n, mp_context=context, initializer=_begin, initargs=(self._theirs, own_policies())
        )

    def stop(self) -> None:
        """Tell the workers to stop their runs, and to begin no other."""
        self._ours.close()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the workers, and let go of them."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        self._ours.close()
        self._theirs.close()


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


def _begin(parent_end: Connection, policies: Mapping[str, Builder]) -> None:
    for name, builder in policies.items():
        register_policy(name, builder)
    _listen(parent_end)


def _listen(parent_end: Connection) -> None:
    # A terminal sends Ctrl-C to everybody; the parent says what is to be done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_heed, args=(parent_end,), daemon=True).start()


def _heed(parent_end: Connection) -> None:
    wait([parent_end])
    RUNS.stop()
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    deadline = time.monotonic() + LAST_SECONDS
    while not RUNS.idle and time.monotonic() < deadline:
        time.sleep(0.05)
    os._exit(1)
