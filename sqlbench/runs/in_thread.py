"""Work in a thread that is waited for even where its task is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def to_its_end(
    work: Callable[[], T], undo: Callable[[T], Awaitable[None]] | None = None
) -> T:
    """Return what work gives in a thread; undo it where nobody waits for it any more.

    A thread cannot be cancelled, and goes on: a lock that it takes would be held by nobody, and an
    interrupted run be refused as one in use.

    Parameters
    ----------
    work : callable
        What is called in a thread.
    undo : callable or None
        Takes what it has given, where the task was cancelled.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        while not working.done():
            with contextlib.suppress(asyncio.CancelledError):  # told again: it goes on all the same
                await asyncio.wait([working])
        if working.exception() is None and undo is not None:
            await undo(working.result())
        raise
