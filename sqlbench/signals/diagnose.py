"""From an answer and its outcome to a diagnosis."""

from __future__ import annotations

import asyncio

from sqlbench.databases.base import Database, QueryError
from sqlbench.signals.base import Diagnosis, Outcome, Signal

# How often an answer is wrong on Spider dev (88 systems), by what its run alone says.
_RATES = {"raised": 1.0, "empty": 0.49, "rows": 0.22}


def diagnose(question: str, sql: str, database: Database, outcome: Outcome) -> Diagnosis:
    """Say how doubtful an answer is, why, and what the database holds instead.

    Neither a gold nor a model is needed. A statement that does not parse is judged by the texts
    and the error alone.

    Parameters
    ----------
    question : str
        The question in words, with its hint where there is one; it may be empty.
    sql : str
        The statement.
    database : Database
        Where it ran, SQLite or PostgreSQL. Extra queries run in the same sandbox, with limits of
        their own.
    outcome : QueryResult or QueryError
        What its run gave.
    """
    if isinstance(outcome, QueryError):
        signal = Signal("raised", 1.0, f"It raised: {outcome.message}.")
        return Diagnosis(_RATES["raised"], (signal,), (signal.evidence,))
    empty = not outcome.rows
    signals = (
        Signal("raised", 0.0),
        Signal("empty", float(empty), "It returned no rows." if empty else ""),
    )
    doubt = _RATES["empty" if empty else "rows"]
    return Diagnosis(doubt, signals, tuple(s.evidence for s in signals if s.value))


async def adiagnose(question: str, sql: str, database: Database, outcome: Outcome) -> Diagnosis:
    """Do as `diagnose` in a worker thread, so that the event loop is never blocked."""
    return await asyncio.to_thread(diagnose, question, sql, database, outcome)
