"""Find the column permutation that makes two multisets of rows equal.

Trying all n! permutations would blow up on look-alike columns. Rows and columns are coloured
instead, each from the other, until the colours tell as much apart as they can (colour refinement,
as for isomorphism of graphs); what is left is a search that drops a partial permutation as soon as
its projected rows differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sqlbench.databases.base import Row

# Beyond this many partial permutations the columns count as different. Refinement leaves more
# only for results built to resist it (large, symmetric, and different in a few cells).
MAX_NODES = 2_000
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
    want_colours, got_colours = _colours(want), _colours(got)
    if sorted(want_colours) != sorted(got_colours):
        return None
    candidates = [[j for j in range(width) if got_colours[j] == c] for c in want_colours]
    # The rarest colour first: it decides most.
    order = sorted(range(width), key=lambda i: (len(candidates[i]), i))
    return _search(want, got, candidates, order)


def _colours(rows: Sequence[Row]) -> list[int]:
    width = len(rows[0])
    row_colours = [0] * len(rows)
    columns = [0] * width
    for _ in range(REFINEMENTS):
        columns = [
            _colour(zip((row[j] for row in rows), row_colours, strict=True)) for j in range(width)
        ]
        row_colours = [_colour(zip(row, columns, strict=True)) for row in rows]
    return columns


def _colour(items: Iterable[tuple[object, int]]) -> int:
    return hash(frozenset(Counter(items).items()))


def _search(
    want: Sequence[Row], got: Sequence[Row], candidates: list[list[int]], order: list[int]
) -> list[int] | None:
    nodes = 0
    chosen: list[int] = []

    def extend() -> bool:
        nonlocal nodes
        depth = len(chosen)
        if depth == len(order):
            return True
        mine = Counter(tuple(row[i] for i in order[: depth + 1]) for row in want)
        for j in candidates[order[depth]]:
            if j in chosen:
                continue
            nodes += 1
            if nodes > MAX_NODES:
                return False
            chosen.append(j)
            if mine == Counter(tuple(row[k] for k in chosen) for row in got) and extend():
                return True
            chosen.pop()
        return False

    if not extend():
        return None
    permutation = [0] * len(order)
    for i, j in zip(order, chosen, strict=True):
        permutation[i] = j
    return permutation
