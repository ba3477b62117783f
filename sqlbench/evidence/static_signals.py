"""The signals of stored first answers: from the texts alone, or with results where there are any.

A stored record holds the question, the SQL and the error's message, and no rows. Where its database
is not at hand only those signals are read that need neither schema nor data; the others are unknown
and so is what they would add to the doubt.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqlbench.databases import SQLiteDatabase
from sqlbench.databases.base import Database, QueryError, QueryResult
from sqlbench.environment.doubting import context_features
from sqlbench.signals import Diagnosis, Outcome, Signal, diagnose
from sqlbench.signals.diagnose import inputs_of
from sqlbench.signals.doubt import Weights, load_weights
from sqlbench.signals.reading import Reading
from sqlbench.signals.registry import SIGNALS, measure

# What the question's words and the statement's tree tell without a schema.
_STATIC = ("request", "structure")
_OF_THE_ERROR = ("raised", "severity_raised")


def record_signals(
    records: Iterable[Mapping[str, Any]], databases: Mapping[str, Database] | None = None
) -> NDArray[np.float64]:
    """Return the block ``signals`` of stored first answers, shape (n, 14).

    Parameters
    ----------
    records : iterable of mapping
        Each with ``question``, ``db_id``, ``before_sql`` and ``before_message``; what else is in
        them (the gold, the outcome) is not read.
    databases : mapping of str to Database, optional
        Those that are at hand: there the answer runs in the sandbox, and every signal is read.
    """
    at_hand, weights = databases or {}, load_weights()
    blocks = []
    with tempfile.TemporaryDirectory() as folder, SQLiteDatabase(_empty(Path(folder))) as empty:
        for record in records:
            question, sql = str(record["question"]), str(record["before_sql"])
            database = at_hand.get(str(record["db_id"]))
            if database is not None:
                found = diagnose(question, sql, database, _run(database, sql))
            else:
                message = record["before_message"]
                outcome = QueryResult((), []) if message is None else QueryError(str(message))
                found = _static(question, sql, empty, outcome, weights)
            blocks.append(context_features(found))
    return np.array(blocks, dtype=np.float64)


def _static(
    question: str, sql: str, empty: Database, outcome: Outcome, weights: Weights
) -> Diagnosis:
    """Return what the texts tell; a signal that needs more is unknown."""
    reading = Reading(question, sql, empty, outcome)
    told = {d.name for d in SIGNALS if d.reads in _STATIC or d.name in _OF_THE_ERROR}
    signals = tuple(s if s.name in told else Signal(s.name, None) for s in measure(reading))
    doubt = float(weights.probability(inputs_of(reading, signals, weights)[None])[0])
    return Diagnosis(round(doubt, 6), signals)


def _run(database: Database, sql: str) -> Outcome:
    try:
        return database.execute(sql)
    except QueryError as error:
        return error


def _empty(folder: Path) -> Path:
    path = folder / "empty.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("VACUUM")  # writes the file's head
    connection.close()
    return path
