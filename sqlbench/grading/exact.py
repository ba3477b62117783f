"""The metric ``exact``: the same rows as often, in any column order.

Two results agree if one permutation of the prediction's columns makes its rows the gold's, as a
multiset, or in order if the gold's outermost statement has ORDER BY. NULL equals only NULL, 1
equals 1.0, and '1' equals neither. Where the results differ only by the dust of floats, rows are
sorted by their cells rounded to 6 significant digits and compared with a relative tolerance of
1e-9. The idea is the execution accuracy of Zhong et al. (2020, "Semantic Evaluation for
Text-to-SQL with Distilled Test Suites"), with DISTINCT respected and order taken from the gold's
syntax tree.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlbench.databases.base import QueryResult, Row
from sqlbench.grading.columns import match_columns
from sqlbench.grading.gold import Gold

RELATIVE_TOLERANCE = 1e-9
SIGNIFICANT_DIGITS = 6


def exact_reason(gold: Gold, pred: QueryResult) -> str:
    """Return ``match``, or the reason why the results differ."""
    want, got = gold.result.rows, pred.rows
    if not want and not got:
        return "match"
    if len(gold.result.columns) != len(pred.columns):
        return "column_count"
    if want == got:
        return "match"
    if len(want) != len(got) or gold.result.truncated != pred.truncated:
        return "duplicates" if _same_rows(set(want), set(got)) else "row_count"
    if gold.ordered:
        if _same_sequence(want, got):
            return "match"
        return "order" if _same_rows(want, got) else "values"
    if _same_rows(want, got):
        return "match"
    return "duplicates" if _same_rows(set(want), set(got)) else "values"


def _same_rows(want: Sequence[Row] | set[Row], got: Sequence[Row] | set[Row]) -> bool:
    """Whether the rows agree as multisets under one column permutation."""
    want, got = list(want), list(got)
    if len(want) != len(got):
        return False
    if match_columns(want, got) is not None:
        return True
    if not (_has_float(want) and _has_float(got)):
        return False
    order = match_columns(_rounded(want), _rounded(got))
    if order is None:
        return False
    permuted = [tuple(row[j] for j in order) for row in got]
    pairs = zip(sorted(want, key=_sort_key), sorted(permuted, key=_sort_key), strict=True)
    return all(_close_rows(a, b) for a, b in pairs)


def _same_sequence(want: Sequence[Row], got: Sequence[Row]) -> bool:
    """Whether the rows agree in order: then every column must have its equal, cell by cell."""
    mine = [tuple(column) for column in zip(*want, strict=True)]
    theirs = [tuple(column) for column in zip(*got, strict=True)]
    if Counter(mine) == Counter(theirs):
        return True
    free: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for column in theirs:
        free[tuple(map(_round, column))].append(column)
    for column in mine:
        candidates = free[tuple(map(_round, column))]
        close = next((c for c in candidates if _close_rows(column, c)), None)
        if close is None:
            return False
        candidates.remove(close)
    return True


def _close_rows(a: Row, b: Row) -> bool:
    return all(map(_close, a, b))


def _close(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=RELATIVE_TOLERANCE) or a == b
    if isinstance(b, float) and isinstance(a, int):
        return math.isclose(a, b, rel_tol=RELATIVE_TOLERANCE)
    return bool(a == b)


def _has_float(rows: Sequence[Row]) -> bool:
    return any(isinstance(cell, float) for row in rows for cell in row)


def _rounded(rows: Sequence[Row]) -> list[Row]:
    return [tuple(map(_round, row)) for row in rows]


def _round(cell: Any) -> Any:
    if isinstance(cell, (int, float)) and cell and math.isfinite(cell):
        return float(f"{cell:.{SIGNIFICANT_DIGITS - 1}e}")
    return cell


def _sort_key(row: Row) -> tuple[tuple[str, Any], ...]:
    # Cells of different types cannot be compared with each other: the type's name goes first.
    return tuple(
        ("number", _round(cell)) if isinstance(cell, (int, float)) else _typed(cell) for cell in row
    )


def _typed(cell: Any) -> tuple[str, Any]:
    return ("", "") if cell is None else (type(cell).__name__, cell)
