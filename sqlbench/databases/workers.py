"""Threads that run statements. One that does not come back in time is given up and replaced.

No thread can end a step of SQLite's that is under way in another. So whoever waits for the
statement is answered without it, and the thread is left to its step: it takes no more work, and
ends when the step does. The next statement finds another thread.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable


class Workers:
    """Daemon threads with one queue; they start when work comes, and wait for more of it.

    Parameters
    ----------
    name : str
        Of the threads.
    most : int or None
        How many work at a time, beside those that are given up; None for as many as there is work.
    """

    def __init__(self, name: str, most: int | None = None) -> None:
        self._name, self._most = name, most
        self._begin()

    def submit(self, work: Callable[[Worker], None]) -> None:
        """Have something done by the next thread that is free; it may not raise."""
        if self._process != os.getpid():
            self._begin()  # threads do not fork
        with self._lock:
            if self._idle:
                worker = self._idle.pop()
            elif self._most is None or self._busy < self._most:
                self._busy += 1
                worker = Worker(self, self._name)
            else:
                self._queue.append(work)
                return
        worker.work = work
        worker.wake.release()

    def shutdown(self) -> None:
        """End the threads, and wait for those that are not given up."""
        with self._lock:
            self._closed = True
            for worker in self._idle:
                worker._rouse()
            self._idle.clear()
            threads = list(self._threads)
        for worker in threads:
            if worker.thread is not threading.current_thread():
                worker.over.wait()

    def give_up(self, worker: Worker) -> None:
        """Leave a thread to what it is at; the work that waits for one gets another."""
        with self._lock:
            if worker.given_up:
                return
            worker.given_up = True
            self._threads.discard(worker)
            worker.over.set()
            work = self._queue.popleft() if self._queue else None
            if work is None:
                self._busy -= 1
                return
            worker = Worker(self, self._name)
        worker.work = work
        worker.wake.release()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._threads: set[Worker] = set()
        self._queue: deque[Callable[[Worker], None]] = deque()
        self._busy = 0  # threads that are not given up
        self._closed = False

    def _next(self, worker: Worker) -> bool:
        """Give a thread that has done its work more of it, or let it wait; False to end it."""
        with self._lock:
            if worker.given_up:
                return False
            if self._queue:
                worker.work = self._queue.popleft()
                worker.wake.release()
            elif self._closed:
                self._threads.discard(worker)
                return False
            else:
                worker.work = None
                self._idle.append(worker)
        return True


class Worker:
    """One thread of some `Workers`; made under their lock.

    Attributes
    ----------
    given_up : bool
        Whether another has taken its place.
    over : threading.Event
        Set when nobody needs to wait for it any more.
    """

    def __init__(self, workers: Workers, name: str) -> None:
        # While it waits it holds nothing: workers that nobody holds any more are let go.
        self._workers = weakref.ref(workers, lambda _: self._rouse())
        self.given_up = False
        self.work: Callable[[Worker], None] | None = None
        self.wake = threading.Lock()
        self.wake.acquire()
        self.over = threading.Event()
        workers._threads.add(self)
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def _rouse(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is awake already
            self.wake.release()

    def _run(self) -> None:
        try:
            while True:
                self.wake.acquire()
                work, self.work = self.work, None
                if work is None:
                    return
                work(self)
                del work  # it holds a database, which goes when nobody uses it any more
                workers = self._workers()
                if workers is None or not workers._next(self):
                    return
                del workers
        finally:
            self.over.set()
