"""Run to the end, or stop cleanly when asked to: Ctrl-C, or SIGTERM as a scheduler sends it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Terminated(BaseException):
    """SIGTERM came, and what was finished is kept."""


def run_stoppable(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; SIGTERM cancels it as Ctrl-C does.

    Raises
    ------
    Terminated
        After SIGTERM.
    KeyboardInterrupt
        After Ctrl-C.
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
            raise Terminated from None
        raise
