"""What outlives a process: a shelf for what the memo would forget, beside a run's stored answers.

A run that is made again from its stored answers makes the same statements, and would run, compare
and measure each of them again. On a shelf lies what was found, under a hash of all that it depends
on: content, statement, limits, code, versions. Nothing lies there that another run, on another day,
might not give. Whoever has the file of the shelf has its rows; whoever gives it away, gives them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from sqlbench.databases.memo import is_suspended, is_switched_off, may_be_kept

# A word that means "now" may be put together where no rule sees it: on another day it means another
# day, and a shelf lasts. So a statement that asks for a time and builds texts is not for a shelf.
_TIME = re.compile(r"\b(?:date|time|datetime|julianday|unixepoch|strftime|timediff)\b", re.I)
_BUILDS = re.compile(r"\|\||\b(?:char|replace|printf|format|unhex)\b|concat|agg|json|->|x'", re.I)


class Shelf(Protocol):
    """Where values lie under their keys.

    Attributes
    ----------
    noted : set of int
        What this process knows to lie there, so that it is not put there again.
    """

    noted: set[int]

    def find(self, key: bytes) -> Any:
        """Return a value as JSON has it; None where there is none, or none that is whole."""
        ...

    def keep(self, key: bytes, value: Any) -> None:
        """Put a value of JSON's kinds there, soon; a large one is let go."""
        ...


_encode = json.JSONEncoder(separators=(",", ":")).encode
_IN_USE: ContextVar[Shelf | None] = ContextVar("shelf", default=None)


def shelf_in_use() -> Shelf | None:
    """Return the shelf of whoever runs here; None if there is none, or nothing is to be kept."""
    found = _IN_USE.get()
    return None if found is None or is_suspended() else found


@contextmanager
def on_shelf(shelf: Shelf | None) -> Iterator[None]:
    """Use a shelf, or none, for all that is done in here, in threads and tasks too.

    Where the memo is switched off there is none.
    """
    token = _IN_USE.set(None if is_switched_off() else shelf)
    try:
        yield
    finally:
        _IN_USE.reset(token)


def may_lie_there(sql: str) -> bool:
    """Whether a statement gives the same on any day."""
    return may_be_kept(sql) and not (_TIME.search(sql) and _BUILDS.search(sql))


def shelf_key(kind: str, *parts: object) -> bytes:
    """Return the key of a value: a hash of its kind and of what it depends on.

    Parameters
    ----------
    kind : str
        What it is.
    *parts : of JSON's kinds
        What it depends on; the code that made it is one of them (`sqlbench.databases.revision`).
    """
    text = _encode([kind, *parts])
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
