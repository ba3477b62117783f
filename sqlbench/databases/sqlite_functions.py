"""SQL functions that the SQLite sandbox replaces, because the built-in ones break its promises."""

from __future__ import annotations

import hashlib
import math
import re
import sqlite3
from collections.abc import Callable
from typing import Any

_MASK = 2**64 - 1
_DIGITS = re.compile(r"\d+")


def install_functions(connection: sqlite3.Connection, max_value_bytes: int) -> Callable[[], None]:
    """Replace ``random``, ``randomblob``, ``printf`` and the two-argument ``trim`` family.

    Parameters
    ----------
    connection : sqlite3.Connection
        Where to install them.
    max_value_bytes : int
        No blob is made much longer than this; SQLite refuses it as too big.

    Returns
    -------
    callable
        Starts the random sequence again; to be called before each statement.
    """
    counter = 0

    def restart() -> None:
        nonlocal counter
        counter = 0

    def random() -> int:
        # SplitMix64: the n-th number is a function of n alone, so there is nothing to seed.
        nonlocal counter
        counter += 1
        z = counter * 0x9E3779B97F4A7C15 & _MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
        return (z ^ z >> 31) - 2**63

    def randomblob(length: Any) -> bytes:
        wanted = length if isinstance(length, int | float) else 1
        size = int(min(max(wanted, 1), max_value_bytes + 1))
        seed = random().to_bytes(8, "big", signed=True)
        return hashlib.shake_128(seed).digest(size)

    connection.create_function("random", 0, random)
    connection.create_function("randomblob", 1, randomblob)
    # SQLite compares each letter with each letter to trim: a minute for two long strings, in
    # one step that nothing can interrupt.
    for name, strip in (("trim", str.strip), ("ltrim", str.lstrip), ("rtrim", str.rstrip)):
        connection.create_function(name, 2, _trimmer(strip), deterministic=True)
    # ``printf('%.*c', 1e9, 'x')`` fills a gigabyte in one step before it is found to be too long.
    printf = _formatter(max_value_bytes)
    for name in ("printf", "format"):
        connection.create_function(name, -1, printf, deterministic=True)
    return restart


def _formatter(max_value_bytes: int) -> Callable[..., Any]:
    """Return SQLite's own printf, run elsewhere, but for widths and precisions beyond the limit."""
    own = sqlite3.connect(":memory:", check_same_thread=False, cached_statements=16)
    own.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_value_bytes)

    def printf(*values: Any) -> Any:
        if values and isinstance(values[0], str | bytes):
            text = _text(values[0])
            widths = [float(digits) for digits in _DIGITS.findall(text)]
            if "*" in text:  # taken from the arguments, whichever they are
                widths += [abs(float(v)) for v in values[1:] if isinstance(v, int | float)]
            if sum(widths) > max_value_bytes:
                raise ValueError("a width or precision is too large")
        marks = ", ".join("?" * len(values))
        return own.execute(f"SELECT printf({marks})", values).fetchone()[0]

    return printf


def _trimmer(strip: Callable[[str, str], str]) -> Callable[[Any, Any], str | None]:
    def trim(value: Any, letters: Any) -> str | None:
        if value is None or letters is None:
            return None
        return strip(_text(value), "".join(set(_text(letters))))

    return trim


def _text(value: Any) -> str:
    """Return a value as SQLite casts it to text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if not isinstance(value, float):
        return str(value)
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    digits, exponent, power = f"{value:.15g}".partition("e")
    return digits + ("" if "." in digits else ".0") + exponent + power
