"""Numbers in sentences, and tables as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any


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
    """Return a plain table with aligned columns, readable in a terminal and as Markdown.

    A cell is one line: a space stands for a line's end in it. A bar in it is escaped, as it would
    end the cell.
    """
    head, *cells = [[_cell(c) for c in row] for row in (header, *rows)]
    widths = [max(len(r[i]) for r in (head, *cells)) for i in range(len(head))]

    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(v.ljust(w) for v, w in zip(values, widths, strict=True)) + " |"

    return "\n".join(
        [line(head), "|" + "|".join("-" * (w + 2) for w in widths) + "|", *map(line, cells)]
    )


def _cell(value: object) -> str:
    return re.sub(r"\s*[\r\n]\s*", " ", str(value)).replace("|", r"\|")


def carried(text: str) -> str:
    """Return a text as UTF-8, and so an Arrow table, can carry it.

    Models write halves of characters (lone surrogates); "\N{REPLACEMENT CHARACTER}" stands for
    one. Logs keep them.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def carried_values(values: Any) -> Any:
    """Return JSON values whose texts UTF-8 can carry."""
    if isinstance(values, str):
        return carried(values)
    if isinstance(values, dict):
        return {name: carried_values(value) for name, value in values.items()}
    if isinstance(values, list):
        return [carried_values(value) for value in values]
    return values
