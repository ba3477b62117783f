"""The marketplace on DuckDB: one file in the cache, made once, golds in its dialect.

The file's name carries the hash of its content, so that another version of the data is another
file. Tables, keys and comments are those of SQLite's; dates stay text.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import yaml

from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.exceptions import SuiteError
from sqlbench.paths import cache_folder
from sqlbench.suites import marketplace
from sqlbench.suites.base import Suite, Task
from sqlbench.suites.copies import tables_of, write_duckdb
from sqlbench.suites.marketplace.comments import comments
from sqlbench.suites.translation import translate

SPEC = "duckdb"
_VERSION = 1  # of how the file is made


def load_marketplace(spec: str) -> Suite:
    """Return the marketplace suite on DuckDB; make its file first if it is not there.

    Parameters
    ----------
    spec : str
        What the user wrote for the suite.

    Raises
    ------
    MissingExtraError
        If DuckDB is not installed.
    SuiteError
        If the cache folder cannot be written to.
    """
    return Suite(
        spec=spec,
        tasks=tasks(),
        databases={marketplace.DB_ID: DuckDBDatabase(database_path(), marketplace.DB_ID)},
        fingerprints={marketplace.DB_ID: f"duckdb-{marketplace.fingerprint()}"},
        server=SPEC,
    )


def database_path() -> Path:
    """Return the DuckDB file of the marketplace; make it first if it is missing.

    Raises
    ------
    MissingExtraError
        If DuckDB is not installed.
    SuiteError
        If the cache folder cannot be written to.
    """
    path = cache_folder() / f"marketplace-{marketplace.fingerprint()[:16]}-v{_VERSION}.duckdb"
    if path.is_file():
        return path  # it was moved into place whole
    source = marketplace.read_text("schema.sql")
    remarks = [
        f"COMMENT ON COLUMN {table}.{column} IS '{text.replace(chr(39), chr(39) * 2)}'"
        for table, column, text in comments(source)
    ]
    try:
        tables = list(tables_of(marketplace.database_path()))
        write_duckdb(path, tables, source + ";\n".join(["", *remarks]))
    except OSError as error:
        raise SuiteError(
            f"The marketplace database cannot be written to {path.parent} ({error.strerror}); "
            "set SQLBENCH_CACHE to a folder that can be written to."
        ) from error
    return path


@cache
def tasks() -> dict[str, Task]:
    """Return the tasks with their golds in DuckDB's dialect."""
    written = yaml.safe_load(marketplace.read_text("golds_duckdb.yaml"))
    with SQLiteDatabase(marketplace.database_path()) as source:
        schema = source.schema()
    return {
        task.id: replace(
            task,
            questions=tuple(
                replace(
                    q,
                    gold=written[q.id].strip()
                    if q.id in written
                    else translate(str(q.gold), schema, "duckdb", pretty=True).sql,
                )
                for q in task.questions
            ),
        )
        for task in marketplace.tasks().values()
    }
