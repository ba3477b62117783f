"""DuckDB's values as the rest of sqlbench compares, shows, stores and sends them.

As on the other engines a cell is None, a bool, an int of 64 bits, a float, a text or bytes:
decimals with a fraction and integers beyond 64 bits are floats, dates and times are ISO texts, and
what is nested (LIST, STRUCT, MAP), an INTERVAL or a time with a zone is the text that DuckDB
prints. All but `decoded` runs in the worker process.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlbench.databases.base import NAN, Row

# A cell that JSON cannot say: row, column, and "nan", "inf", "-inf" or "x" and bytes in hex.
Special = tuple[int, int, str]

_plain_words = "BOOLEAN TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER VARCHAR JSON"
_PLAIN = frozenset(_plain_words.split())
_FIRST_WORD = re.compile(r'"?(\w+)"?(?: (?=WITH\b)WITH TIME ZONE)?')
_INT64 = range(-(2**63), 2**63)
_EDGES = {date.min, date.max, datetime.min, datetime.max}


class NeedsText(Exception):
    """Raised where Python's type of a value says less than the value: DuckDB is to print it."""


def needs_text(type_: str) -> bool:
    """Whether a column of this type is to be printed by DuckDB."""
    return _loader(type_) is None


def loaders(types: Sequence[str], *, printed: bool) -> list[Callable[[Any], Any] | None]:
    """Return for each column what its values go through; None where they stay as they are.

    Parameters
    ----------
    types : sequence of str
        The columns' types, as DuckDB writes them.
    printed : bool
        Whether DuckDB has printed what `needs_text` says.
    """
    found = [_loader(t) for t in types]
    return [None if f is _same or (f is None and printed) else f for f in found]


def load(rows: Iterable[Row], through: Sequence[Callable[[Any], Any] | None]) -> list[Row]:
    """Return rows as fetched from DuckDB with their values loaded.

    Raises
    ------
    NeedsText
        If a value is one that Python's type cannot hold: an infinite date.
    """
    if not any(through):
        return list(rows)
    return [
        tuple([v if f is None or v is None else f(v) for v, f in zip(row, through, strict=True)])
        for row in rows
    ]


def weight(row: Row) -> int:
    """Return the bytes that a row counts for."""
    return sum([len(v) if isinstance(v, str | bytes) else 8 for v in row])


def specials(rows: list[Row], types: Sequence[str]) -> tuple[list[Row], list[Special]]:
    """Take out of rows what JSON cannot say; `decoded` puts it back."""
    at = [j for j, t in enumerate(types) if t in ("FLOAT", "DOUBLE", "BLOB", "HUGEINT")]
    found: list[Special] = []
    for j in at:
        for i, row in enumerate(rows):
            value = row[j]
            if isinstance(value, bytes):
                found.append((i, j, "x" + value.hex()))
            elif isinstance(value, float) and not math.isfinite(value):
                found.append((i, j, str(value)))
    if found:
        changed = {i: list(rows[i]) for i, _, _ in found}
        for i, j, _ in found:
            changed[i][j] = None
        rows = [tuple(changed[i]) if i in changed else row for i, row in enumerate(rows)]
    return rows, found


def decoded(rows: Iterable[Sequence[Any]], found: Iterable[Sequence[Any]]) -> list[Row]:
    """Return rows as they were before `specials`."""
    lists = [list(row) for row in rows] if found else rows
    for i, j, value in found:
        special: Any = bytes.fromhex(value[1:]) if value[0] == "x" else float(value)
        lists[i][j] = NAN if special != special else special  # type: ignore[index]
    return [tuple(row) for row in lists]


def _same(value: Any) -> Any:
    return value


def _integer(value: int) -> int | float:
    return value if value in _INT64 else float(value)


def _decimal(value: Any) -> int | float:
    return _integer(int(value)) if value.as_tuple().exponent == 0 else float(value)


def _single(value: float) -> float:
    """Return a FLOAT as the number that it was written as: 0.1 and not 0.10000000149."""
    if not math.isfinite(value):
        return value
    packed = struct.pack("f", value)
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        try:
            if struct.pack("f", short) == packed:
                return short
        except OverflowError:  # rounded up beyond the largest
            continue
    return float(f"{value:.9g}")


def _day(value: Any) -> str:
    if value in _EDGES:
        raise NeedsText  # infinity, which Python lacks, or truly the year 9999
    return str(value)


def _moment(value: Any) -> str:
    text = _day(value)
    return text.rstrip("0") if "." in text else text


def _time(value: Any) -> str:
    text = str(value)
    return text.rstrip("0") if "." in text else text


_LOADERS: dict[str, Callable[[Any], Any]] = {
    "NULL": _same,
    "BLOB": _same,
    "DOUBLE": _same,
    "ENUM": _same,
    "UBIGINT": _integer,
    "HUGEINT": _integer,
    "UHUGEINT": _integer,
    "DECIMAL": _decimal,
    "FLOAT": _single,
    "DATE": _day,
    "TIMESTAMP": _moment,
    "TIMESTAMP_S": _moment,
    "TIMESTAMP_MS": _moment,
    "TIME": _time,
    "UUID": str,
}


def _loader(type_: str) -> Callable[[Any], Any] | None:
    """Return what values of a type go through; None if DuckDB is to print them."""
    if type_ in _PLAIN:
        return _same
    if type_.endswith("]"):
        return None  # a list of anything
    first = _FIRST_WORD.match(type_)
    name = first.group().strip('"') if first else ""
    return _LOADERS.get(name)
