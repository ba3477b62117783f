"""How fast calls go out: never more than the provider allows, and fewer where it struggles."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

BASE_SECONDS = 0.5
LONGEST_WAIT = 60.0
SHRINK = 0.7


class Gate:
    """Limits the calls in flight: additive increase, multiplicative decrease (Chiu and Jain 1989).

    It begins at its cap. A call that meets a rate limit shrinks it, once for all the calls that
    were in flight together; every call that goes well makes it grow, by about one a round trip.

    Parameters
    ----------
    cap : int
        The most calls in flight.
    """

    def __init__(self, cap: int) -> None:
        self.cap, self.limit = cap, float(cap)
        self.in_flight = 0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []  # a heap
        self._asked = 0
        self._shrunk = 0.0

    @asynccontextmanager
    async def pass_through(self, turn: float = 0.0) -> AsyncIterator[None]:
        """Wait for a place, and hold it; the lowest turn goes first, whoever asked first.

        The policy learns from episodes in their order, and no episode begins more than `lag` after
        one that has not ended. So the oldest goes first, whatever its attempt: all wait for it.

        Parameters
        ----------
        turn : float
            Where the call's episode stands in its experiment (`ModelRequest.progress`).
        """
        while self.in_flight >= int(self.limit):
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._asked += 1
            heapq.heappush(self._waiting, (turn, self._asked, place))
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._wake()  # the place was given to this call: pass it on
                raise
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            self._wake()

    def went_well(self) -> None:
        """Grow a little."""
        self.limit = min(float(self.cap), self.limit + 1.0 / max(1.0, self.limit))
        self._wake()

    def was_limited(self, since: float) -> None:
        """Shrink, unless it has shrunk since this call went out."""
        if since >= self._shrunk:
            self.limit = max(1.0, self.limit * SHRINK)
            self._shrunk = time.monotonic()

    def _wake(self) -> None:
        free = int(self.limit) - self.in_flight
        while free > 0 and self._waiting:
            place = heapq.heappop(self._waiting)[2]
            if not place.done():
                place.set_result(None)
                free -= 1


class Turns:
    """Lets a few through in each turn of the event loop, so that no turn takes long.

    Answers that come in together would all send their next request in one turn: 64 of them keep
    the loop from everything else for as long as that takes.

    Parameters
    ----------
    most : int
        How many.
    """

    def __init__(self, most: int = 4) -> None:
        self.most = most
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Go on in this turn, or in a later one, in order of asking."""
        loop = asyncio.get_running_loop()
        if self._taken == 0:
            loop.call_soon(self._next)
        if self._taken < self.most and not self._waiting:
            self._taken += 1
            return
        place = loop.create_future()
        self._waiting.append(place)
        await place

    def _next(self) -> None:
        self._taken = 0
        while self._waiting and self._taken < self.most:
            place = self._waiting.popleft()
            if not place.done():  # else its call was cancelled
                place.set_result(None)
                self._taken += 1
        if self._taken:
            asyncio.get_running_loop().call_soon(self._next)


class Window:
    """Lets at most so much through in any stretch of time: a provider's limit per minute.

    Parameters
    ----------
    most : int
        How much.
    seconds : float
        The stretch.
    """

    def __init__(self, most: int, seconds: float = 60.0) -> None:
        self.most, self.seconds = most, seconds
        self._taken: deque[list[float]] = deque()  # [when, how much]
        self._sum = 0.0
        self._turn = asyncio.Lock()

    async def take(self, amount: float) -> list[float]:
        """Wait until ``amount`` may pass, in order of asking; more than all waits for emptiness.

        Returns
        -------
        list
            The entry, for `correct`.
        """
        async with self._turn:
            while self._room() < amount and self._taken:
                await asyncio.sleep(self._taken[0][0] + self.seconds - time.monotonic())
            entry = [time.monotonic(), amount]
            self._taken.append(entry)
            self._sum += amount
            return entry

    def correct(self, entry: list[float], amount: float) -> None:
        """Say how much it really was."""
        if entry[0] + self.seconds > time.monotonic():
            self._sum += amount - entry[1]
            entry[1] = amount

    def _room(self) -> float:
        now = time.monotonic()
        while self._taken and self._taken[0][0] + self.seconds <= now:
            self._sum -= self._taken.popleft()[1]
        return self.most - self._sum


def pause_before(retry: int, asked: float | None, rng: random.Random) -> float:
    """Return how long to wait before a retry: exponential backoff with jitter (Brooker 2015).

    Parameters
    ----------
    retry : int
        From 1.
    asked : float or None
        The endpoint's Retry-After. It is waited out in full, and a little more, so that calls
        that were refused together do not come back together.
    rng : random.Random
        Of the jitter.
    """
    backoff = min(LONGEST_WAIT, BASE_SECONDS * 2.0 ** (retry - 1))
    if asked is not None:
        return asked + rng.random() * min(backoff, 0.1 * asked + 0.05)
    return backoff * (0.5 + 0.5 * rng.random())
