"""Memory that a query has left behind goes back to the system."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def release_memory() -> None:
    """Give freed memory back, where the C library would keep it.

    The GNU C library keeps what was freed in small pieces, for each thread apart: after a query
    that filled its heap limit, 200 MB that nothing else can use.
    """
    _trimmer()(0)


@functools.cache
def _trimmer() -> Callable[[int], Any]:
    import ctypes

    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return lambda pad: None  # another C library, which has no need of it
