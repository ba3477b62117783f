"""Numbers in sentences, and tables as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


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


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a plain table with aligned columns, readable in a terminal and as Markdown."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(r[i]) for r in [list(header), *cells]) for i in range(len(header))]

    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(v.ljust(w) for v, w in zip(values, widths, strict=True)) + " |"

    return "\n".join(
        [line(header), "|" + "|".join("-" * (w + 2) for w in widths) + "|", *map(line, cells)]
    )
