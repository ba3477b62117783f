"""Verified faults, kept on disk: a fresh process needs not verify them again.

What a question's faults are depends on its gold query, the database's content, SQLite, sqlglot and
the code that plants, runs and judges them.
"""

from __future__ import annotations

import hashlib
import json

from sqlbench.databases.kept import KeptOnDisk
from sqlbench.episodes.errors import ErrorClass
from sqlbench.suites.base import Question, Suite

_CODE = ("databases", "episodes", "grading", "models/simulated")


class VerifiedFaults:
    """The faults of a suite's questions that some process has verified before.

    Parameters
    ----------
    suite : Suite
        Whose databases are SQLite files; of others nothing is kept.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._kept = KeptOnDisk("faults", *_CODE)

    def get(self, question: Question) -> KeptFaults | None:
        """Return what is known of a question; None if nothing can be kept of it."""
        if self._suite.databases[question.db_id].dialect != "sqlite":
            return None
        content = self._suite.fingerprints.get(question.db_id)
        if content is None or question.gold is None:
            return None
        key = hashlib.sha256(json.dumps([content, question.gold]).encode()).hexdigest()
        return KeptFaults(key, self._kept)


class KeptFaults:
    """What is known of one question's faults.

    Parameters
    ----------
    key : str
        Of the question, its gold and its database.
    kept : KeptOnDisk
        Queries by that key and a class, or ``answer``.
    """

    def __init__(self, key: str, kept: KeptOnDisk) -> None:
        self._key, self._kept = key, kept

    def answer(self) -> str | None:
        """Return the right answer, if it is known."""
        found = self._kept.get(f"{self._key} answer")
        return str(found[0]) if found else None

    def variants(self, error_class: ErrorClass) -> tuple[str, ...] | None:
        """Return the verified queries of a class, if they are known."""
        found = self._kept.get(f"{self._key} {error_class}")
        return None if found is None else tuple(found)

    def keep(self, what: str, queries: tuple[str, ...]) -> None:
        """Keep a class's queries, or the answer (``"answer"``)."""
        self._kept.keep(f"{self._key} {what}", list(queries))
