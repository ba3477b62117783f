"""DuckDB files for tests; where DuckDB is not installed, the test that asks for one is skipped."""

from __future__ import annotations

from pathlib import Path

import pytest


def duckdb_file(path: Path, script: str) -> Path:
    """Make a database by a script; skip the test where the extra is missing.

    Parameters
    ----------
    path : Path
        Where to.
    script : str
        Statements.
    """
    duckdb = pytest.importorskip("duckdb", reason="needs the extra duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute(script)
    return path
