"""What was said of an answer before: on unchanged data the same is said again.

A model's usual answers come again and again, and each would be measured anew. What a limit of time
has touched is not kept, and nothing is where the memo of statements is switched off.
"""

from __future__ import annotations

from collections.abc import Hashable

from sqlbench.databases.base import Outcome, QueryError
from sqlbench.databases.memo import Memo, may_be_kept
from sqlbench.signals.base import Diagnosis
from sqlbench.signals.catalogue import Catalogue
from sqlbench.signals.reading import READ_ROWS

_KEPT = Memo[Diagnosis](32 * 2**20).of_process()
_SIGNAL = 240  # bytes that Python needs for one, beside its sentence


def key_of(catalogue: Catalogue, question: str, sql: str, outcome: Outcome) -> Hashable | None:
    """Return what a diagnosis depends on; None where another might come of it."""
    if not may_be_kept(sql):
        return None
    if isinstance(outcome, QueryError):
        if outcome.timeout or not outcome.reproducible:
            return None
        gave: Hashable = outcome.message
    else:
        # Texts: 1, 1.0 and true are equal, and not the same.
        read = repr(outcome.rows[:READ_ROWS])
        gave = outcome.columns, len(outcome.rows), outcome.truncated, read
    return catalogue.content, question, sql, gave


def kept(key: Hashable) -> Diagnosis | None:
    """Return what was said before, if that is kept."""
    return _KEPT.get(key)


def keep(key: Hashable, found: Diagnosis) -> None:
    """Keep a diagnosis."""
    texts = len(str(key)) + len(str(found.facts)) + sum(len(s.evidence) for s in found.signals)
    _KEPT.put(key, found, texts + _SIGNAL * len(found.signals))
