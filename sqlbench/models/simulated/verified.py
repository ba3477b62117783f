"""Verified faults, kept on disk: a fresh process needs not verify them again.

What a question's faults are depends on its gold query, the database's content, SQLite, sqlglot and
the code that plants, runs and judges them. A file is named after all of that but the question, so
none is ever out of date; one that is damaged, or cannot be written, is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlbench.databases.revision import revision_of
from sqlbench.episodes.errors import ErrorClass
from sqlbench.paths import cache_folder
from sqlbench.suites.base import Question, Suite

_CODE = ("databases", "episodes", "grading", "models/simulated")
_BUSY = 5.0  # seconds: then the faults of this process are not kept


class VerifiedFaults:
    """The faults of a suite's questions that some process has verified before.

    Parameters
    ----------
    suite : Suite
        Whose databases are SQLite files; of others nothing is kept.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._known: dict[str, dict[str, list[str]]] | None = None

    def get(self, question: Question) -> KeptFaults | None:
        """Return what is known of a question; None if nothing can be kept of it."""
        if self._suite.databases[question.db_id].dialect != "sqlite":
            return None
        content = self._suite.fingerprints.get(question.db_id)
        if content is None or question.gold is None:
            return None
        key = hashlib.sha256(json.dumps([content, question.gold]).encode()).hexdigest()
        if self._known is None:
            self._known = _read(_file())
        return KeptFaults(key, self._known.setdefault(key, {}))


class KeptFaults:
    """What is known of one question's faults.

    Parameters
    ----------
    key : str
        Of the question, its gold and its database.
    known : dict of str to list of str
        Queries by class, and the answer.
    """

    def __init__(self, key: str, known: dict[str, list[str]]) -> None:
        self._key, self._known = key, known

    def answer(self) -> str | None:
        """Return the right answer, if it is known."""
        found = self._known.get("answer")
        return found[0] if found else None

    def variants(self, error_class: ErrorClass) -> tuple[str, ...] | None:
        """Return the verified queries of a class, if they are known."""
        found = self._known.get(error_class)
        return None if found is None else tuple(found)

    def keep(self, what: str, queries: tuple[str, ...]) -> None:
        """Keep a class's queries, or the answer (``"answer"``)."""
        self._known[str(what)] = list(queries)
        with contextlib.suppress(OSError, sqlite3.Error), _opened(_file()) as db:
            row = (self._key, str(what), json.dumps(queries))
            db.execute("INSERT OR REPLACE INTO fault VALUES (?, ?, ?)", row)


def _name() -> str:
    """Return the name of the file for this SQLite, this sqlglot and this code."""
    return f"{revision_of(*_CODE, packages=('sqlglot',))[:24]}.sqlite"


def _file() -> Path:
    return cache_folder() / "faults" / _name()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=_BUSY)
    try:
        with db:
            db.execute("PRAGMA synchronous = OFF")
            db.execute(
                "CREATE TABLE IF NOT EXISTS fault (question TEXT, what TEXT, queries TEXT,"
                " PRIMARY KEY (question, what))"
            )
            yield db
    finally:
        db.close()


def _read(path: Path) -> dict[str, dict[str, list[str]]]:
    """Return all that is kept; a damaged file is removed, and made anew by who verifies next."""
    known: dict[str, dict[str, list[str]]] = {}
    if not path.exists():
        return known
    try:
        with _opened(path) as db:
            for question, what, queries in db.execute("SELECT * FROM fault"):
                known.setdefault(question, {})[what] = json.loads(queries)
    except sqlite3.OperationalError:
        return known  # locked, or nowhere to write
    except (sqlite3.DatabaseError, ValueError):
        with contextlib.suppress(OSError):
            path.unlink()
        return {}
    return known
