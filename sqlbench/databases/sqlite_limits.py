"""How much one statement on SQLite may cost."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

# SQLite's own limits, beside those of `Limits`.
NATIVE_LIMITS = {
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_COLUMN: 400,  # a row of the longest blobs is there twice, in Python too
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 500,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 100,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 250,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 1_000,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 500_000,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one statement may cost.

    Attributes
    ----------
    vm_steps : int
        Steps of SQLite's virtual machine, counted in units of 500; 50 million take 1 to 2 s.
        The only limit that normally stops a query, and it is deterministic.
    wall_clock : float
        Seconds after which the query is stopped whatever it has counted: not reproducible.
    max_rows, max_bytes : int
        Rows fetched, and the memory that they take in Python, counted as 64 bytes a cell and, in
        text that is not ASCII, 4 a letter; a longer result is cut off and says so.
    max_value_bytes : int
        The longest string or blob. Functions such as ``like`` and ``json_patch`` take longer than
        linear, and cannot be interrupted: 0.3 s a call at 256 KiB, 8 s at 1 MiB.
    max_sql_bytes : int
        The longest statement.
    max_heap_bytes : int
        What SQLite may allocate, which the system's allocator makes up to a third more. SQLite
        keeps this limit for the whole process, and it is only ever lowered.
    """

    vm_steps: int = 50_000_000
    wall_clock: float = 30.0
    max_rows: int = 10_000
    max_bytes: int = 32 * 2**20
    max_value_bytes: int = 256 * 2**10
    max_sql_bytes: int = 100_000
    max_heap_bytes: int = 128 * 2**20
