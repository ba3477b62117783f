"""Signals that read the result: its size, its columns, its values."""

from __future__ import annotations

import math
from numbers import Number

from sqlbench.databases.base import Row
from sqlbench.episodes.errors import classify_error, severity
from sqlbench.signals.reading import Measure, Reading, Register

signal = Register("result")


@signal
def raised(r: Reading) -> Measure:
    """The statement raised an error."""
    return (1, f"It raised an error: {r.error.message}.") if r.error else 0


@signal
def severity_raised(r: Reading) -> Measure:
    """How far the error's class is from an answer, 0 to 6."""
    return severity(classify_error(r.error)) if r.error else 0


@signal.of_rows
def empty(r: Reading, rows: list[Row]) -> Measure:
    """The result has no rows."""
    return (not rows, "The result has no rows.")


@signal.of_rows
def all_null(r: Reading, rows: list[Row]) -> Measure:
    """Every value of the result is NULL."""
    return (bool(rows) and all(v is None for row in rows for v in row), "All values are NULL.")


@signal.of_rows
def null_column(r: Reading, rows: list[Row]) -> Measure:
    """A column of the result is NULL throughout."""
    if not rows:
        return 0
    found = any(all(row[i] is None for row in rows) for i in range(r.width))
    return (found, "A column of the result is NULL throughout.")


@signal.of_rows
def null_share(r: Reading, rows: list[Row]) -> Measure:
    """The share of values that are NULL or blank."""
    cells = len(rows) * r.width
    return sum(v is None or v == "" for row in rows for v in row) / cells if cells else 0


@signal.of_rows
def one_zero(r: Reading, rows: list[Row]) -> Measure:
    """The result is a single zero."""
    found = len(rows) == 1 and r.width == 1 and rows[0][0] in (0, 0.0)
    return (found, "The result is a single zero.")


@signal.of_rows
def duplicate_rows(r: Reading, rows: list[Row]) -> Measure:
    """The share of rows that are there already."""
    if not rows:
        return 0
    share = 1 - len(set(map(_hashable, rows))) / len(rows)
    return (share, f"{share:.0%} of the rows are repeated.")


@signal.of_rows
def row_count(r: Reading, rows: list[Row]) -> Measure:
    """The logarithm of the number of rows."""
    return math.log1p(r.size)


@signal.of_rows
def one_row(r: Reading, rows: list[Row]) -> Measure:
    """The result is one row."""
    return r.size == 1


@signal.of_rows
def width(r: Reading, rows: list[Row]) -> Measure:
    """How many columns the result has."""
    return r.width


@signal.of_rows
def one_number(r: Reading, rows: list[Row]) -> Measure:
    """The result is a single number."""
    return len(rows) == 1 and r.width == 1 and isinstance(rows[0][0], Number)


@signal.of_rows
def numeric_columns(r: Reading, rows: list[Row]) -> Measure:
    """How many columns hold numbers."""
    return sum(isinstance(v, Number) for v in rows[0]) if rows else 0


@signal.of_rows
def constant_column(r: Reading, rows: list[Row]) -> Measure:
    """A column has one and the same value in every one of several rows."""
    if len(rows) < 2:
        return 0
    found = any(all(row[i] == rows[0][i] for row in rows[1:]) for i in range(r.width))
    return (found, "A column of the result has the same value in every row.")


@signal.of_rows
def twin_columns(r: Reading, rows: list[Row]) -> Measure:
    """Two columns of the result are the same."""
    if not rows or r.width > 20:
        return 0
    columns = [tuple(_hashable(column)) for column in zip(*rows, strict=True)]
    return (len(set(columns)) < len(columns) and len(rows) > 1, "Two columns are the same.")


@signal.of_rows
def echo(r: Reading, rows: list[Row]) -> Measure:
    """A value that the question itself gives is a column of the result."""
    if not rows or len(rows) > 50:
        return 0
    whole = r.question.lower
    for i in range(r.width):
        held = {row[i] for row in rows if isinstance(row[i], str) and len(row[i]) > 2}
        if len(held) == 1 and (text := held.pop()).lower() in whole:
            return (1, f"The result repeats {text!r}, which the question gives.")
    return 0


@signal.of_rows
def whole_table(r: Reading, rows: list[Row]) -> Measure:
    """There are as many rows as one of the statement's tables has."""
    statement = r.statement
    if statement is None:
        return None
    sizes = {t.row_count for n in statement.tables if (t := r.catalogue.table(n)) is not None}
    return r.size > 1 and r.size in sizes


@signal.of_rows
def more_than_tables(r: Reading, rows: list[Row]) -> Measure:
    """There are more rows than in the largest table that is selected from."""
    statement = r.statement
    if statement is None or not statement.selected:
        return None
    owners = [t for c in statement.selected if (t := r.catalogue.table(c.table)) is not None]
    most = max((t.row_count or 0 for t in owners), default=0)
    found = 0 < most < r.size
    return (found, f"There are {r.size} rows, and {most} in the table that is selected from.")


def _hashable(row: Row) -> Row:
    return tuple(v if not isinstance(v, (list, dict)) else repr(v) for v in row)
