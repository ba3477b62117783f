"""Work that a click starts, on the kernel's own event loop.

JupyterLab delivers clicks in another thread (a subshell, which ends with the browser tab), also
while a cell runs. The work runs on the loop of the cell that made the widget, and so outlives the
tab; a cell that computes without waiting holds it up, and clicks then take effect when it ends.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any


class Background:
    """Starts coroutines on one loop, whichever thread asks."""

    def __init__(self) -> None:
        self._loop = _running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start ``work()``.

        Raises
        ------
        RuntimeError
            If no event loop runs, neither now nor when the widget was made.
        """
        self.call(lambda: self._start(work))

    def call(self, function: Callable[[], object]) -> None:
        """Call a function in the loop's thread: at once if this is it, else as soon as it can."""
        here = _running_loop()
        self._loop = self._loop or here
        if self._loop is None:
            raise RuntimeError("A widget's buttons need an event loop: use it in a notebook.")
        if here is self._loop:
            function()
        else:
            self._loop.call_soon_threadsafe(function)

    def cancel(self) -> None:
        """Cancel all that was started."""
        self.call(lambda: [task.cancel() for task in self._tasks])

    async def settled(self) -> None:
        """Wait until nothing that was started is under way; errors are the work's own to show."""
        await asyncio.sleep(0)
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        assert self._loop is not None
        # An empty context: what is drawn belongs to no particular cell, and so is never dropped.
        task = self._loop.create_task(work(), context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
