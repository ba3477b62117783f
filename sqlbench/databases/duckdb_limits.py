"""How much one statement on DuckDB may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DuckDBLimits:
    """How much one statement may cost.

    Attributes
    ----------
    wall_clock : float
        Seconds. DuckDB counts no steps, so this is the only limit on work, and a query that it
        stops is not reproducible.
    max_rows, max_bytes : int
        Rows and bytes fetched; a longer result is cut off and says so.
    max_row_bytes : int
        The longest row; a longer one is an error.
    max_sql_bytes : int
        The longest statement.
    max_memory_bytes : int
        The address space that the worker process may take beyond what an idle one has. DuckDB
        itself is told half of it (its ``memory_limit``), and says which query needs more.
    """

    wall_clock: float = 10.0
    max_rows: int = 10_000
    max_bytes: int = 16 * 2**20
    max_row_bytes: int = 256 * 2**10
    max_sql_bytes: int = 100_000
    max_memory_bytes: int = 512 * 2**20
