"""Suites: questions in tasks, and the databases that they ask about."""

from __future__ import annotations

from sqlbench.exceptions import UnknownNameError
from sqlbench.suites.base import Entry, Question, Suite, Task

SUITE_SPECS = ("marketplace", "spider:DIR", "bird:DIR")

__all__ = ["SUITE_SPECS", "Entry", "Question", "Suite", "Task", "load_suite"]


def load_suite(spec: str) -> Suite:
    """Load a suite by its spec.

    Parameters
    ----------
    spec : str
        ``marketplace``, the built-in benchmark; ``spider:DIR`` or ``bird:DIR``, a benchmark's own
        folder, with ``?split=NAME`` for another split than dev.

    Raises
    ------
    UnknownNameError
        If there is no such suite.
    SuiteError
        If its files are missing or malformed.
    """
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
