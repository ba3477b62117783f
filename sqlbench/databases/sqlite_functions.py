"""SQL functions that the SQLite sandbox replaces, because the built-in ones break its promises."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable
from typing import Any

_MASK = 2**64 - 1
# Where nothing is to be replaced, newer versions return a number as text.
_NEW_REPLACE = (
    sqlite3.connect(":memory:").execute("SELECT typeof(replace(5, '', ''))").fetchone()[0] == "text"
)
_FORMATTER = re.compile(r"printf|format", re.IGNORECASE)
_FORMAT = re.compile(r"\b(?:printf|format)\s*\(\s*'((?:[^']++|'')*+)'\s*[,)]", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")


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
    own = sqlite3.connect(":memory:", check_same_thread=False, cached_statements=16)
    own.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_value_bytes)
    text = _caster(own)
    # SQLite compares each letter with each letter to trim: a minute for two long strings, in
    # one step that nothing can interrupt.
    for name in ("trim", "ltrim", "rtrim"):
        define(name, 2, _trimmer(name, text))
    # Quadratic in SQLite, 0.3 s a call on long strings; linear in Python.
    define("instr", 2, _finder(text))
    define("replace", 3, _replacer(max_value_bytes, text))
    # A width of a billion fills a gigabyte in one step before it is found to be too long.
    printf = _formatter(own, max_value_bytes)
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


def _formatter(own: sqlite3.Connection, max_value_bytes: int) -> Callable[..., Any]:
    """Return SQLite's own printf, run elsewhere, but for widths and precisions beyond the limit."""

    def printf(*values: Any) -> Any:
        if values and isinstance(values[0], str | bytes):
            form = values[0] if isinstance(values[0], str) else values[0].decode(errors="replace")
            widths = [float(digits) for digits in _DIGITS.findall(form)]
            if "*" in form:  # taken from the arguments, whichever they are
                widths += [abs(float(v)) for v in values[1:] if isinstance(v, int | float)]
            if sum(widths) > max_value_bytes:
                raise ValueError("a width or precision is too large")
        marks = ", ".join("?" * len(values))
        return own.execute(f"SELECT printf({marks})", values).fetchone()[0]

    return printf


def _trimmer(strip: str, text: Callable[[Any], str]) -> Callable[[Any, Any], str | None]:
    def trim(value: Any, letters: Any) -> str | None:
        if value is None or letters is None:
            return None
        known, given = set(text(letters)), text(value)
        first, last = 0, len(given)
        if strip != "rtrim":
            while first < last and given[first] in known:
                first += 1
        if strip != "ltrim":
            while last > first and given[last - 1] in known:
                last -= 1
        return given[first:last]

    return trim


def _finder(text: Callable[[Any], str]) -> Callable[[Any, Any], int | None]:
    def instr(value: Any, wanted: Any) -> int | None:
        if value is None or wanted is None:
            return None
        if isinstance(value, bytes) and isinstance(wanted, bytes):
            return value.find(wanted) + 1
        return text(value).find(text(wanted)) + 1

    return instr


def _replacer(max_value_bytes: int, text: Callable[[Any], str]) -> Callable[[Any, Any, Any], Any]:
    def replace(value: Any, old: Any, new: Any) -> Any:
        if value is None or old is None:
            return None
        before = text(old)
        if before[:1] in ("", "\0"):  # as SQLite, to which a NUL ends a text here
            return text(value) if isinstance(value, bytes) or _NEW_REPLACE else value
        if new is None:
            return None
        whole, after = text(value), text(new)
        more = len(after.encode()) - len(before.encode())
        if len(whole.encode()) + whole.count(before) * more > max_value_bytes:
            return "x" * (max_value_bytes + 1)  # which SQLite refuses as too big
        return whole.replace(before, after)

    return replace


def _caster(own: sqlite3.Connection) -> Callable[[Any], str]:
    """Return what makes a text of a value as SQLite casts it.

    SQLite itself says how a REAL is written: with 15 digits up to 3.52, with 17 from 3.53 on.
    """

    def text(value: Any) -> str:
        if isinstance(value, bytes):
            return value.decode("utf-8", errors="replace")
        if isinstance(value, float):
            return str(own.execute("SELECT CAST(? AS TEXT)", (value,)).fetchone()[0])
        return str(value)

    return text
