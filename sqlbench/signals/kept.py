"""What was said of an answer before: on unchanged data the same is said again.

A model's usual answers come again and again, and each would be measured anew: what was said is
kept in the process, and on the shelf of a run's stored answers, where there is one. What a limit of
time has touched is not kept, and nothing is where the memo of statements is switched off.
"""

from __future__ import annotations

from collections.abc import Hashable

from sqlbench.databases.base import Database, Outcome, QueryError
from sqlbench.databases.memo import Memo, may_be_kept
from sqlbench.databases.revision import revision_of
from sqlbench.databases.shelf import may_lie_there, shelf_in_use, shelf_key
from sqlbench.signals.base import Diagnosis, diagnosis_of
from sqlbench.signals.catalogue import Catalogue
from sqlbench.signals.reading import READ_ROWS

_KEPT = Memo[Diagnosis](32 * 2**20).of_process()
_SIGNAL = 240  # bytes that Python needs for one, beside its sentence


def key_of(catalogue: Catalogue, question: str, sql: str, outcome: Outcome) -> Hashable | None:
    """Return what a diagnosis depends on; None where another might come of it."""
    if not may_be_kept(sql):
        return None
    gave = _gave(outcome)
    return None if gave is None else (catalogue.content, question, sql, gave)


def _gave(outcome: Outcome) -> Hashable | None:
    if isinstance(outcome, QueryError):
        if outcome.timeout or not outcome.reproducible:
            return None
        return outcome.message
    # Texts: 1, 1.0 and true are equal, and not the same.
    read = repr(outcome.rows[:READ_ROWS])
    return outcome.columns, len(outcome.rows), outcome.truncated, read


def kept(key: Hashable) -> Diagnosis | None:
    """Return what was said before, if that is kept."""
    return _KEPT.get(key)


def keep(key: Hashable, found: Diagnosis) -> None:
    """Keep a diagnosis."""
    texts = len(str(key)) + len(str(found.facts)) + sum(len(s.evidence) for s in found.signals)
    _KEPT.put(key, found, texts + _SIGNAL * len(found.signals))


def place_of(
    catalogue: Catalogue, database: Database, question: str, sql: str, outcome: Outcome
) -> bytes | None:
    """Return where a diagnosis lies on the shelf in use; None without one, or if for none."""
    if shelf_in_use() is None:
        return None
    lasting = getattr(database, "lasting_content", lambda: None)()
    gave = _gave(outcome)
    if lasting is None or gave is None or not may_lie_there(sql):
        return None
    code = revision_of("databases", "signals", packages=("sqlglot", "numpy"))
    return shelf_key("diagnosis", code, lasting, catalogue.schema_hash, question, sql, gave)


def find(place: bytes) -> Diagnosis | None:
    """Return the diagnosis that lies on the shelf, if one does."""
    shelf = shelf_in_use()
    if shelf is None or (value := shelf.find(place)) is None:
        return None
    try:
        return diagnosis_of(value)
    except (KeyError, TypeError, ValueError):
        return None


def put(place: bytes, found: Diagnosis) -> None:
    """Put a diagnosis on the shelf."""
    if (shelf := shelf_in_use()) is not None:
        shelf.keep(place, found.as_dict())


def is_noted(key: Hashable) -> bool:
    """Whether the shelf, if there is one, has been asked or told of a diagnosis."""
    shelf = shelf_in_use()
    return shelf is None or hash(key) in shelf.noted


def note(key: Hashable) -> None:
    """Remember that it has."""
    if (shelf := shelf_in_use()) is not None:
        shelf.noted.add(hash(key))
