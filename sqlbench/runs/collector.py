"""Keep Python's garbage collector from stopping a long run, for as long as it has a long log.

A full collection looks at every object there is, and those of 10⁵ episodes take it a third of a
second, in which nothing else happens. What a run keeps, it keeps to its end: it need not be looked
at again.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

EPISODES = 500


class CollectorRest:
    """Spares the collector what was there before a run, and what the run keeps, until it ends.

    Before episodes' objects are spared, garbage is collected, so none of it is; what is in use
    at that moment and becomes garbage later is freed after the run. Does nothing where the
    collector is off, or somebody else spares it something.

    Parameters
    ----------
    every : int
        After so many episodes.
    """

    def __init__(self, every: int = EPISODES) -> None:
        self.every = every
        self._kept = 0
        self._active = False

    def __enter__(self) -> Self:
        self._active = gc.isenabled() and gc.get_freeze_count() == 0
        if self._active:  # the modules alone take a collection a tenth of a second
            gc.freeze()
        return self

    def kept(self) -> None:
        """Say that another episode was kept."""
        if self._active and self._kept == 0:
            gc.freeze()  # what the first episode needed, the modules of a client, say, stays too
        elif self._active and self._kept % self.every == 0:
            gc.collect()
            gc.freeze()
        self._kept += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._active:
            gc.unfreeze()


@contextmanager
def no_collection() -> Iterator[None]:
    """Do not collect meanwhile: what makes many objects and no garbage would be looked at often."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
