"""Fresh processes that never outlive what started them.

`concurrent.futures` leaves its workers at work when their parent is killed, and lets them finish
what they have fetched when it is interrupted. Here each worker holds the end of a pipe whose other
end is the parent's alone: it closes when the parent says so, or dies.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import Connection, wait
from typing import Any, ParamSpec, TypeVar

from sqlbench.exceptions import SQLBenchError

P = ParamSpec("P")
T = TypeVar("T")


class ForeignError(RuntimeError):
    """Stands for an exception of a worker's that does not survive the way: its type and message."""


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

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in a worker."""
        return super().submit(_call, fn, *args, **kwargs)

    def stop(self) -> None:
        """Tell the workers that nothing more is wanted of them."""
        self._ours.close()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the workers, and let go of them."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        self._ours.close()
        self._theirs.close()


def _call(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function; what it raises can be sent home, or the pool would take it for a death."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            said = "".join(traceback.format_exception_only(error)).strip()
            known = isinstance(error, SQLBenchError)
            sent = SQLBenchError(str(error)) if known else ForeignError(said)
            raise sent.with_traceback(error.__traceback__) from None
        raise


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
