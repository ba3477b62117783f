"""What is waited for even where its task is cancelled: threads, and the closing of what is open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def to_its_end(work: Awaitable[T]) -> T:
    """Return what work gives; where this task is cancelled, once or more, wait for it all the same.

    Raises
    ------
    CancelledError
        Then, and once it is over.
    """
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        while not working.done():
            with contextlib.suppress(asyncio.CancelledError):  # told again: it goes on all the same
                await asyncio.wait([working])
        raise


async def made_in_thread(make: Callable[[], T], undo: Callable[[T], Awaitable[None]]) -> T:
    """Make something in a thread; undo it where nobody waits for it any more.

    A thread cannot be cancelled, and goes on: a lock that it takes would be held by nobody, and an
    interrupted run be refused as one in use.

    Parameters
    ----------
    make : callable
        What is called in a thread.
    undo : callable
        Takes what it has given, where this task was cancelled.
    """
    making = asyncio.ensure_future(asyncio.to_thread(make))
    try:
        return await to_its_end(making)
    except asyncio.CancelledError:
        if not making.cancelled() and making.exception() is None:
            await to_its_end(undo(making.result()))
        raise
