"""The metric ``exact``: the same rows as often, in any column order.

Two results agree if one permutation of the prediction's columns makes its rows the gold's, as a
multiset, or in order if the gold's outermost statement has ORDER BY. NULL equals only NULL, 1
equals 1.0, and '1' equals neither (where that alone parts them, the reason is ``type``). Where the
results differ only by the dust of floats, numbers that lie within a relative 1e-9 of each other
count as one number. The idea is the execution
accuracy of Zhong et al. (2020, "Semantic Evaluation for Text-to-SQL with Distilled Test Suites"),
with DISTINCT respected and order taken from the gold's syntax tree.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from types import NoneType
from typing import Any

from sqlbench.databases.base import QueryResult, Row
from sqlbench.grading.columns import match_columns
from sqlbench.grading.gold import Gold

RELATIVE_TOLERANCE = 1e-9
_NUMBER = re.compile(r"[+-]?(?:\d{1,18}|\d{1,18}\.\d{1,18})", re.ASCII)


def exact_reason(gold: Gold, pred: QueryResult) -> str:
    """Return ``match``, or the reason why the results differ."""
    want, got = gold.result.rows, pred.rows
    if len(gold.result.columns) != len(pred.columns):
        return "column_count"
    if want == got:
        return "match"
    if len(want) != len(got):
        repeated = _may_agree(gold.cells, got) and _same_rows(set(want), set(got))
        return "duplicates" if repeated else "row_count"
    if not _may_agree(gold.cells, got):
        return "values"
    if gold.ordered:
        if _same_sequence(want, got):
            return "match"
        if _same_rows(want, got):
            return "order"
        return "type" if _same_sequence(_as_numbers(want), _as_numbers(got)) else "values"
    if _same_rows(want, got):
        return "match"
    if _same_rows(set(want), set(got)):
        return "duplicates"
    return "type" if _same_rows(_as_numbers(want), _as_numbers(got)) else "values"


def _may_agree(ours: frozenset[object], got: Sequence[Row]) -> bool:
    """Whether rows might agree in any reading, by the cells that only one of them has.

    NULL, bytes and a text that spells no number equal nothing but themselves, whatever becomes of
    repeated rows, of the order of rows and columns, of floats' dust and of numbers spelt as text.
    So does an integer where there is neither a float nor such a text.
    """
    theirs = {cell for row in got for cell in row}
    apart: set[object] = set()
    for some, others in ((theirs, ours), (ours, theirs)):
        for cell in some:
            if cell not in others:
                kind = type(cell)
                if cell is None or kind is bytes or (kind is str and not _spells(cell)):
                    return False
                apart.add(cell)
    if not apart or {int} != set(map(type, apart)):
        return True
    return any(type(c) not in (int, str, NoneType) or _spells(c) for c in ours | theirs)


def _spells(cell: Any) -> bool:
    """Whether it is a text that spells a number."""
    return type(cell) is str and _NUMBER.fullmatch(cell) is not None


def _as_numbers(rows: Iterable[Row]) -> list[Row]:
    """Return rows in which a text that spells a number is that number."""
    return [tuple(map(_as_number, row)) for row in rows]


def _as_number(cell: Any) -> Any:
    if not _spells(cell):
        return cell
    return int(cell) if cell.lstrip("+-").isdigit() else float(cell)


def _same_rows(want: Iterable[Row], got: Iterable[Row]) -> bool:
    """Whether the rows agree as multisets under one column permutation."""
    want, got = list(want), list(got)
    if len(want) != len(got):
        return False
    if match_columns(want, got) is not None:
        return True
    numbers = _dust(want, got)
    return bool(numbers) and match_columns(_clean(want, numbers), _clean(got, numbers)) is not None


def _same_sequence(want: Sequence[Row], got: Sequence[Row]) -> bool:
    """Whether the rows agree in order: then every column must have its equal, cell by cell."""
    if _columns(want) == _columns(got):
        return True
    numbers = _dust(want, got)
    return bool(numbers) and _columns(_clean(want, numbers)) == _columns(_clean(got, numbers))


def _columns(rows: Sequence[Row]) -> Counter[tuple[Any, ...]]:
    return Counter(zip(*rows, strict=True))


def _dust(*results: Sequence[Row]) -> dict[float, float]:
    """Return for each float that has a close neighbour the one number that stands for them.

    Two different integers never become one: an integer is met by a float only if it is the one
    nearest to it.
    """
    floats = {cell for rows in results for row in rows for cell in row if type(cell) is float}
    numbers: dict[float, float] = {}
    group: list[float] = []
    for number in [*sorted(floats), math.nan]:
        if group and not math.isclose(group[-1], number, rel_tol=RELATIVE_TOLERANCE):
            stand_in = _whole(group[0])
            numbers |= {n: stand_in for n in group if n != stand_in}
            group = []
        group.append(number)
    return numbers


def _whole(number: float) -> float:
    if not math.isfinite(number):
        return number
    nearest = round(number)
    return nearest if math.isclose(number, nearest, rel_tol=RELATIVE_TOLERANCE) else number


def _clean(rows: Iterable[Row], numbers: dict[float, float]) -> list[Row]:
    return [
        tuple(numbers.get(cell, cell) if type(cell) is float else cell for cell in row)
        for row in rows
    ]
