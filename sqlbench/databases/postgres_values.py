"""PostgreSQL's rows and errors as the rest of sqlbench compares and shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlbench.databases.base import NAN, Row

_MAX_LINE = 120


def pointer(sql: str, at: int) -> str:
    """Show the line of an error with a mark below its place, as psql does."""
    start = sql.rfind("\n", 0, at) + 1
    end = sql.find("\n", at)
    line = sql[start : end if end >= 0 else len(sql)]
    label = f"LINE {sql.count(chr(10), 0, at) + 1}: "
    if len(line) > _MAX_LINE:
        first = max(0, at - start - _MAX_LINE // 2)
        line, start = line[first : first + _MAX_LINE], start + first
    return f"\n{label}{line}\n{' ' * (len(label) + at - start)}^"


def load_rows(page: Any, rows: list[Row]) -> int:
    """Append the rows of a result of libpq's; return their size in bytes."""
    loaders = [_LOADERS.get(page.ftype(i), _text) for i in range(page.nfields)]
    value, count = page.get_value, range(page.ntuples)
    columns, size = [], 0
    for j, load in enumerate(loaders):
        cells = [value(i, j) for i in count]
        size += sum(8 if c is None else len(c) for c in cells)
        columns.append([None if c is None else load(c) for c in cells])
    rows.extend(zip(*columns, strict=True))
    return size


def cut_rows(rows: list[Row], max_rows: int, max_bytes: int) -> list[Row]:
    """Return the rows up to the cap; the one on which the bytes run out is left out."""
    size = 0
    for i, row in enumerate(rows[:max_rows]):
        size += sum(len(v) if isinstance(v, str | bytes) else 8 for v in row)
        if size > max_bytes:
            return rows[:i]
    return rows[:max_rows]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _float(value: bytes) -> float:
    number = float(value)
    return number if number == number else NAN


def _numeric(value: bytes) -> int | float:
    # Larger integers than SQLite has are floats there too.
    return int(value) if len(value) < 19 and value.lstrip(b"-").isdigit() else _float(value)


def _bytea(value: bytes) -> bytes:
    return bytes.fromhex(value[2:].decode())


# By type OID. All other types, dates among them, are the text that PostgreSQL prints: ISO dates
# compare and sort as SQLite's do, and no value is outside what Python's types can hold.
_LOADERS: dict[int, Callable[[bytes], Any]] = {
    16: lambda value: value == b"t",  # bool
    17: _bytea,
    20: int,
    21: int,
    23: int,
    26: int,  # oid
    700: _float,
    701: _float,
    1700: _numeric,
}
