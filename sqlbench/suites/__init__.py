"""Suites: questions in tasks, and the databases that they ask about."""

from __future__ import annotations

from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.suites.base import Entry, Question, Suite, Task

SUITE_SPECS = ("marketplace", "spider:DIR", "bird:DIR", "FILE.yaml")

__all__ = ["SUITE_SPECS", "Entry", "Question", "Suite", "Task", "load_suite"]


def load_suite(spec: str, database: str | None = None, *, allow_superuser: bool = False) -> Suite:
    """Load a suite by its spec.

    Parameters
    ----------
    spec : str
        ``marketplace``, the built-in benchmark; ``spider:DIR`` or ``bird:DIR``, a benchmark's own
        folder, with ``?split=NAME`` for another split than dev;
        ``FILE.yaml`` with your own questions about a SQLite, DuckDB or PostgreSQL database.
    database : str, optional
        The marketplace on another engine: ``duckdb``, ``pg-embedded``, or
        ``postgresql://USER:PASSWORD@HOST/DB``. By default it is a SQLite file.
    allow_superuser : bool
        Whether the URL's role may be a superuser.

    Raises
    ------
    UnknownNameError
        If there is no such suite.
    ConfigError
        If the suite cannot be put on another database, or the database's spec is malformed.
    DatabaseFailure
        If the server cannot be reached.
    SuiteError
        If its files are missing or malformed.
    """
    if database == "duckdb" and spec == "marketplace":
        from sqlbench.suites.marketplace import duckdb

        return duckdb.load_marketplace(spec)
    if database is not None and spec == "marketplace":
        from sqlbench.suites.marketplace.postgres import load_marketplace

        return load_marketplace(spec, database, allow_superuser=allow_superuser)
    if database is not None:
        raise ConfigError(
            f"Only the suite 'marketplace' can be put on another database; {spec!r} names its own."
        )
    if spec.endswith((".yaml", ".yml")):
        from sqlbench.suites.files import load_file

        return load_file(spec)
    kind, _, argument = spec.partition(":")
    if kind == "marketplace" and not argument:
        from sqlbench.databases.sqlite import SQLiteDatabase
        from sqlbench.suites import marketplace

        return Suite(
            spec=spec,
            tasks=marketplace.tasks(),
            databases={"marketplace": SQLiteDatabase(marketplace.database_path(), "marketplace")},
            fingerprints={"marketplace": marketplace.fingerprint()},
        )
    if kind == "spider" and argument:
        from sqlbench.suites.spider import load_spider

        return load_spider(argument, spec)
    if kind == "bird" and argument:
        from sqlbench.suites.bird import load_bird

        return load_bird(argument, spec)
    raise UnknownNameError("suite", spec, SUITE_SPECS)
