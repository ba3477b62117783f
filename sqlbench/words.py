"""Numbers in sentences."""

from __future__ import annotations


def counted(n: int | None, noun: str) -> str:
    """Return a number with its noun: ``1 row``, ``2 rows``.

    Parameters
    ----------
    n : int or None
        None is a number that nobody knows.
    noun : str
        In the singular; its plural ends in s.
    """
    return f"? {noun}s" if n is None else f"{n} {noun}{'s' * (n != 1)}"
