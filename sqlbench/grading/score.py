"""The partial score: how near a wrong result comes, for the reward and never for a success."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sqlbench.databases.base import QueryResult, Row

WRONG_RESULT_WEIGHT = 0.75
Bag = Counter[frozenset[object]]


def task_score(
    gold: QueryResult, pred: QueryResult | None, match: bool, bag: Bag | None = None
) -> float:
    """Score a prediction: 1 for a match, 0 for an error, else 0.75 × F1 of the rows.

    A row counts as the multiset of its cells, so that the order of columns does not matter; rows
    count as often as they occur.

    Parameters
    ----------
    gold : QueryResult
        The gold's rows.
    pred : QueryResult or None
        The prediction's rows; None if it did not run.
    match : bool
        The verdict.
    bag : Counter, optional
        What `bag_of` makes of the gold's rows, where it is kept.

    Returns
    -------
    float
        In [0, 1], and at most 0.75 without a match.
    """
    if match:
        return 1.0
    if pred is None or not gold.rows or not pred.rows:
        return 0.0
    want, got = bag if bag is not None else bag_of(gold.rows), bag_of(pred.rows)
    if len(want) < len(got):  # the shorter is looked up in the longer
        want, got = got, want
    shared = sum(min(often, want[cells]) for cells, often in got.items() if cells in want)
    return WRONG_RESULT_WEIGHT * 2 * shared / (len(gold.rows) + len(pred.rows))


def bag_of(rows: Iterable[Row]) -> Bag:
    """Count rows, each as the multiset of its cells."""
    return Counter(map(_cells, rows))


def _cells(row: Row) -> frozenset[object]:
    """Return what equal multisets of cells have in common."""
    cells = frozenset(row)
    # No cell is a tuple, so the two forms never meet.
    return cells if len(cells) == len(row) else frozenset(Counter(row).items())
