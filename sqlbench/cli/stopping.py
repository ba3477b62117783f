"""Run to the end, or stop cleanly when asked to: Ctrl-C, or SIGTERM as a scheduler sends it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlbench.cli.stopped import Stopped

T = TypeVar("T")


@contextmanager
def stoppable() -> Iterator[None]:
    """Have SIGTERM and Ctrl-C raise `Stopped` in what is not a coroutine.

    Raises
    ------
    Stopped
        After either.
    """

    def stop(signum: int, frame: object) -> None:
        raise Stopped(signum)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(signal.SIGINT) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def run_stoppable(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; SIGTERM cancels it as Ctrl-C does.

    Raises
    ------
    Stopped
        After SIGTERM or Ctrl-C.
    """
    terminated = False

    async def watched() -> T:
        task = asyncio.current_task()
        assert task is not None

        def stop() -> None:
            nonlocal terminated
            terminated = True
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        return await main

    try:
        return asyncio.run(watched())
    except asyncio.CancelledError:
        if terminated:
            raise Stopped(signal.SIGTERM) from None
        raise
    except KeyboardInterrupt:
        raise Stopped(signal.SIGINT) from None
