"""Where two results differ, row by row, for a person who wants to know what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlbench.databases.base import QueryResult, Row
from sqlbench.grading.columns import match_columns


@dataclass(frozen=True, slots=True)
class RowDifference:
    """How a result differs from the gold's.

    Attributes
    ----------
    kind : str
        ``same``, ``order`` (the same rows in another order), ``columns`` (another number of
        columns), or ``rows``.
    missing, extra : tuple of Row
        Rows of the gold's that the result lacks, and rows that only the result has, as often as
        they do. Where the columns stand in another order rows are compared in the gold's.
    """

    kind: str
    missing: tuple[Row, ...] = ()
    extra: tuple[Row, ...] = ()

    def __str__(self) -> str:
        if self.kind == "same":
            return "The rows are the same, in the same order."
        if self.kind == "order":
            return "The rows are the same, in another order."
        missing, extra = len(self.missing), len(self.extra)
        rows = "row of the gold is" if missing == 1 else "rows of the gold are"
        text = f"{missing:,} {rows} missing, {extra:,} {'is' if extra == 1 else 'are'} extra"
        return f"{text}." if self.kind == "rows" else f"The number of columns differs; {text}."


def row_difference(gold: QueryResult, found: QueryResult) -> RowDifference:
    """Compare two results row by row, as multisets; cells by equality.

    Parameters
    ----------
    gold, found : QueryResult
        The right result, and another one.
    """
    want, got = gold.rows, _reordered(gold.rows, found.rows)
    if want == got:
        return RowDifference("same")
    missing, extra = _less(want, got), _less(got, want)
    if not missing and not extra:
        return RowDifference("order")
    kind = "rows" if len(gold.columns) == len(found.columns) else "columns"
    return RowDifference(kind, missing, extra)


def _reordered(want: Sequence[Row], got: Sequence[Row]) -> Sequence[Row]:
    """Return rows with their columns in the gold's order, where there is such an order."""
    if len(want) != len(got) or not want or len(want[0]) != len(got[0]):
        return got
    order = match_columns(want, got)
    return got if order is None else [tuple(row[j] for j in order) for row in got]


def _less(rows: Sequence[Row], others: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows that stand here more often than there, in their order."""
    left, result = Counter(rows) - Counter(others), []
    for row in rows:
        if left[row]:
            left[row] -= 1
            result.append(row)
    return tuple(result)
