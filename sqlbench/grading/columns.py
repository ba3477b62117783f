"""Find the column permutation that makes two multisets of rows equal.

Trying all n! permutations would blow up on look-alike columns. Rows and columns are coloured
instead, each from the other, until the colours tell as much apart as they can (colour refinement,
as for isomorphism of graphs); what is left is a search that drops a partial permutation as soon as
its projected rows differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlbench.databases.base import Row

# What the search may look at before the columns count as different. Refinement leaves a longer
# search only for results built to resist it (symmetric, and different in a few cells).
MAX_NODES = 2_000
MAX_CELLS = 4_000_000
REFINEMENTS = 3


def match_columns(want: Sequence[Row], got: Sequence[Row]) -> list[int] | None:
    """Return for each column of ``want`` its column in ``got``, or None if nothing fits.

    Parameters
    ----------
    want, got : sequence of tuple
        As many rows in both, all of one width each.
    """
    if not want:
        return []
    width = len(want[0])
    if width != len(got[0]):
        return None
    if Counter(want) == Counter(got):
        return list(range(width))
    if width == 1:
        return None
    # Cheaper than a round of refinement, and enough to part most results that differ.
    want_columns, got_columns = _contents(want), _contents(got)
    if Counter(want_columns) != Counter(got_columns):
        return None
    want_colours, got_colours = _colours(want, want_columns), _colours(got, got_columns)
    if sorted(want_colours) != sorted(got_colours):
        return None
    candidates = [[j for j in range(width) if got_colours[j] == c] for c in want_colours]
    # The rarest colour first: it decides most.
    order = sorted(range(width), key=lambda i: (len(candidates[i]), i))
    return _search(want, got, candidates, order)


def _contents(rows: Sequence[Row]) -> list[int]:
    """Colour each column by its cells alone."""
    return [_colour(column) for column in zip(*rows, strict=True)]


def _colours(rows: Sequence[Row], columns: list[int]) -> list[int]:
    for _ in range(REFINEMENTS - 1):
        # A row is coloured by its cells, each with the colour of its column, and so on in turn.
        row_colours = [_colour(zip(row, columns, strict=True)) for row in rows]
        columns = [
            _colour(zip(column, row_colours, strict=True)) for column in zip(*rows, strict=True)
        ]
    return columns


def _colour(items: Iterable[object]) -> int:
    return hash(frozenset(Counter(items).items()))


def _search(
    want: Sequence[Row], got: Sequence[Row], candidates: list[list[int]], order: list[int]
) -> list[int] | None:
    want_columns, got_columns = list(zip(*want, strict=True)), list(zip(*got, strict=True))
    budget = max(2 * len(order), min(MAX_NODES, MAX_CELLS // len(want)))
    chosen: list[int] = []

    def extend(want_ids: list[int], got_ids: list[int]) -> bool:
        """Add one column to both projections, whose rows are numbered by their contents."""
        nonlocal budget
        if len(chosen) == len(order):
            return True
        i = order[len(chosen)]
        numbers: dict[tuple[int, Any], int] = {}
        mine = _extended(want_ids, want_columns[i], numbers)
        wanted = Counter(mine)
        for j in candidates[i]:
            if j in chosen:
                continue
            budget -= 1
            if budget < 0:
                return False
            theirs = _extended(got_ids, got_columns[j], numbers)
            if wanted == Counter(theirs):
                chosen.append(j)
                if extend(mine, theirs):
                    return True
                chosen.pop()
        return False

    start = [0] * len(want)
    if not extend(start, start):
        return None
    permutation = [0] * len(order)
    for i, j in zip(order, chosen, strict=True):
        permutation[i] = j
    return permutation


def _extended(
    ids: list[int], column: tuple[Any, ...], numbers: dict[tuple[int, Any], int]
) -> list[int]:
    return [numbers.setdefault(key, len(numbers)) for key in zip(ids, column, strict=True)]
