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
_FORMATTER = re.compile(r"printf|format", re.IGNORECASE)
_FORMAT = re.compile(r"\b(?:printf|format)\s*\(\s*'((?:[^']++|'')*+)'\s*[,)]", re.IGNORECASE)


def install_functions(
    connection: sqlite3.Connection,
    max_value_bytes: int,
    go_on: Callable[[], None],
    raised: Callable[[], None],
    *,
    of_text: bool = True,
) -> Callable[[], None]:
    """Replace ``random``, ``randomblob``, ``printf``, ``instr``, ``replace`` and ``trim(x, y)``.

    Parameters
    ----------
    connection : sqlite3.Connection
        Where to install them.
    max_value_bytes : int
        No blob is made much longer than this; SQLite refuses it as too big.
    go_on : callable
        Raises if the statement is to stop.
    raised : callable
        Called where a function raises: else it was Python's sqlite3, which gives no function a
        text that is not UTF-8.
    of_text : bool
        False leaves SQLite's own functions of texts: they take such texts, and the connection has
        to keep them short.

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

    def define(name: str, arguments: int, function: Callable[..., Any]) -> None:
        def guarded(*values: Any) -> Any:
            try:
                go_on()
                return function(*values)
            except BaseException:
                raised()
                raise

        connection.create_function(name, arguments, guarded, deterministic=True)

    connection.create_function("random", 0, random)
    connection.create_function("randomblob", 1, randomblob)
    if not of_text:
        return restart
    # SQLite compares each letter with each letter to trim: a minute for two long strings, in
    # one step that nothing can interrupt.
    for name, strip in (("trim", str.strip), ("ltrim", str.lstrip), ("rtrim", str.rstrip)):
        define(name, 2, _trimmer(strip))
    # Quadratic in SQLite, 0.3 s a call on long strings; linear in Python.
    define("instr", 2, _instr)
    define("replace", 3, _replacer(max_value_bytes))
    # ``printf('%.*c', 1e9, 'x')`` fills a gigabyte in one step before it is found to be too long.
    printf = _formatter(max_value_bytes)
    for name in ("printf", "format"):
        define(name, -1, printf)
    return restart


def has_short_formats(sql: str, max_value_bytes: int) -> bool:
    """Whether each format in a statement stands in it, and asks for no long text.

    Parameters
    ----------
    sql : str
        The statement.
    max_value_bytes : int
        What widths and precisions may come to together.
    """
    formats = _FORMAT.findall(sql)
    widths = sum(int(digits) for text in formats for digits in _DIGITS.findall(text[:10_000]))
    named = len(_FORMATTER.findall(sql))
    return 0 < named == len(formats) and widths <= max_value_bytes and "*" not in "".join(formats)


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


def _instr(value: Any, wanted: Any) -> int | None:
    if value is None or wanted is None:
        return None
    if isinstance(value, bytes) and isinstance(wanted, bytes):
        return value.find(wanted) + 1
    return _text(value).find(_text(wanted)) + 1


def _replacer(max_value_bytes: int) -> Callable[[Any, Any, Any], Any]:
    def replace(value: Any, old: Any, new: Any) -> Any:
        if value is None or old is None:
            return None
        before = _text(old)
        if before[:1] in ("", "\0"):  # as SQLite, to which a NUL ends a text here
            return _text(value) if isinstance(value, bytes) else value
        if new is None:
            return None
        text, after = _text(value), _text(new)
        more = len(after.encode()) - len(before.encode())
        if len(text.encode()) + text.count(before) * more > max_value_bytes:
            return "x" * (max_value_bytes + 1)  # which SQLite refuses as too big
        return text.replace(before, after)

    return replace


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
    digits, exponent, power = f"{value + 0.0:.15g}".partition("e")  # no negative zero
    return digits + ("" if "." in digits else ".0") + exponent + power
