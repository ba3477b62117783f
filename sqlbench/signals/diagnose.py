"""From an answer and its outcome to a diagnosis."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from sqlbench.databases.base import Database, Outcome
from sqlbench.databases.shelf import on_shelf
from sqlbench.signals.base import Diagnosis, Signal
from sqlbench.signals.catalogue import Catalogue, catalogue_at_hand, catalogue_of
from sqlbench.signals.doubt import Floats, Weights, fit_of, load_weights
from sqlbench.signals.facts import gather_facts
from sqlbench.signals.kept import find, is_noted, keep, kept, key_of, note, place_of, put
from sqlbench.signals.reading import Reading
from sqlbench.signals.registry import measure
from sqlbench.signals.skeleton import elements

_SENTENCES = 8  # of a diagnosis, most telling first


def diagnose(
    question: str,
    sql: str,
    database: Database,
    outcome: Outcome,
    *,
    weights: Weights | None = None,
) -> Diagnosis:
    """Say how doubtful an answer is, why, and what the database holds instead.

    Neither a gold nor a model is needed. A statement that does not parse is judged by the texts
    and the error alone.

    Parameters
    ----------
    question : str
        The question in words; it may be empty. What comes after its first line is read as a hint
        (BIRD's evidence): its words count as said, and it asks for nothing.
    sql : str
        The statement.
    database : Database
        Where it ran, SQLite or PostgreSQL. Extra queries run in the same sandbox, with limits of
        their own.
    outcome : QueryResult or QueryError
        What its run gave.
    weights : Weights, optional
        By default those that come with the package (`load_weights`).
    """
    if weights is not None:
        return _diagnosed(Reading(question, sql, database, outcome), weights, outcome)
    catalogue = catalogue_of(database)
    key = key_of(catalogue, question, sql, outcome)
    if key is None:
        return _measured(question, sql, database, outcome, catalogue)[0]
    found = kept(key)
    if found is not None and is_noted(key):
        return found
    place = place_of(catalogue, database, question, sql, outcome)
    lying = None if place is None or found is not None else find(place)
    if lying is not None:
        found = lying
        keep(key, found)
    else:
        lasting = True
        if found is None:
            found, lasting = _measured(question, sql, database, outcome, catalogue)
        if lasting:
            keep(key, found)
            if place is not None:
                put(place, found)
    note(key)
    return found


def _measured(
    question: str, sql: str, database: Database, outcome: Outcome, catalogue: Catalogue
) -> tuple[Diagnosis, bool]:
    """Measure an answer; return also whether another run would say the same of it."""
    given_up = catalogue.given_up
    with on_shelf(None):  # what its own statements gave is in it
        reading = Reading(question, sql, database, outcome)
        found = _diagnosed(reading, load_weights(), outcome)
    return found, catalogue.given_up == given_up and reading.catalogue is catalogue


def _diagnosed(reading: Reading, known: Weights, outcome: Outcome) -> Diagnosis:
    signals = measure(reading)
    row = inputs_of(reading, signals, known)
    speaking = [i for i, s in enumerate(signals) if s.evidence]
    # The doubt without each of the signals that speak: what it loses is what they tell.
    without = np.repeat(row[None], len(speaking) + 1, axis=0)
    places = {name: i for i, name in enumerate(known.signals)}
    for k, i in enumerate(speaking, 1):
        if signals[i].name in places:
            without[k, places[signals[i].name]] = 0.0
    doubts = known.probability(without)
    order = sorted(range(len(speaking)), key=lambda k: (doubts[k + 1], k))
    evidence = tuple(signals[speaking[k]].evidence for k in order[:_SENTENCES])
    facts = gather_facts(reading.statement, reading.catalogue, reading.asked, outcome)
    return Diagnosis(round(float(doubts[0]), 6), signals, evidence, facts)


def inputs_of(reading: Reading, signals: Sequence[Signal], weights: Weights) -> Floats:
    """Return what the trees read of one answer: the signals, then how its skeleton fits."""
    values = {s.name: np.nan if s.value is None else s.value for s in signals}
    own = np.array([values.get(name, np.nan) for name in weights.signals], dtype=np.float64)
    expected = weights.expected(reading.links.masked)
    statement = reading.statement
    fit = fit_of(expected, elements(statement) if statement is not None else None)
    return np.concatenate([own, fit])


async def adiagnose(
    question: str,
    sql: str,
    database: Database,
    outcome: Outcome,
    *,
    weights: Weights | None = None,
) -> Diagnosis:
    """Do as `diagnose` in a worker thread, so that the event loop is never blocked."""
    catalogue = catalogue_at_hand(database) if weights is None else None
    key = None if catalogue is None else key_of(catalogue, question, sql, outcome)
    before = None if key is None else kept(key)
    if catalogue is not None and key is not None:
        if before is not None and is_noted(key):
            return before
        if before is None and (place := place_of(catalogue, database, question, sql, outcome)):
            lying = find(place)
            if lying is not None:
                keep(key, lying)
                note(key)
                return lying
    return await asyncio.to_thread(diagnose, question, sql, database, outcome, weights=weights)
