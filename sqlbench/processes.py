"""Fresh processes that never outlive what started them.

`concurrent.futures` leaves its workers at work when their parent is killed, and lets them finish
what they have fetched when it is interrupted. Here each worker holds the end of a pipe whose other
end is the parent's alone: it closes when the parent says so, or dies.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection, wait
from typing import Any


class Processes(ProcessPoolExecutor):
    """A pool of fresh processes.

    Parameters
    ----------
    n : int
        How many.
    begin : callable
        What each runs first, with ``arguments``.
    ended : callable
        What each runs once its parent has said `stop`, or is dead; by default it ends the process.
    """

    def __init__(
        self,
        n: int,
        begin: Callable[..., None],
        *arguments: Any,
        ended: Callable[[], None] | None = None,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._theirs, self._ours = context.Pipe(duplex=False)
        start = (self._theirs, ended or _end, begin, *arguments)
        super().__init__(n, mp_context=context, initializer=_start, initargs=start)

    def stop(self) -> None:
        """Tell the workers that nothing more is wanted of them."""
        self._ours.close()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the workers, and let go of them."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        self._ours.close()
        self._theirs.close()


def _start(
    parent_end: Connection, ended: Callable[[], None], begin: Callable[..., None], *arguments: Any
) -> None:
    # A terminal sends Ctrl-C to everybody; the parent says what is to be done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_heed, args=(parent_end, ended), daemon=True).start()
    begin(*arguments)


def _heed(parent_end: Connection, ended: Callable[[], None]) -> None:
    wait([parent_end])
    ended()


def _end() -> None:
    os._exit(1)
