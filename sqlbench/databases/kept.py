"""What took long to find and comes out the same again, kept in the cache folder for all processes.

A file is named after the code that found it, so none is ever out of date; one that is damaged, or
cannot be written, is as good as none.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlbench.databases.revision import revision_of
from sqlbench.paths import cache_folder

_BUSY = 5.0  # seconds: then what this process found is not kept


class KeptOnDisk:
    """Values that JSON can hold, by key.

    Parameters
    ----------
    folder : str
        Of the cache folder.
    *code : str
        What of the package finds the values, see `revision_of`; Python's, SQLite's and sqlglot's
        versions count, too.
    """

    def __init__(self, folder: str, *code: str) -> None:
        self._folder, self._code = folder, code
        self._read: dict[Path, dict[str, Any]] = {}

    @property
    def path(self) -> Path:
        """The file for this code."""
        name = f"{revision_of(*self._code, packages=('sqlglot',))[:24]}.sqlite"
        return cache_folder() / self._folder / name

    def get(self, key: str) -> Any:
        """Return what is kept; None where nothing is."""
        return self._known().get(key)

    def keep(self, key: str, value: Any) -> None:
        """Keep a value, which may replace another."""
        self._known()[key] = value
        with contextlib.suppress(OSError, sqlite3.Error), _opened(self.path) as db:
            db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (key, json.dumps(value)))

    def _known(self) -> dict[str, Any]:
        path = self.path
        if path not in self._read:
            self._read[path] = _read(path)
        return self._read[path]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=_BUSY)
    try:
        with db:
            db.execute("PRAGMA synchronous = OFF")
            db.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value TEXT)")
            yield db
    finally:
        db.close()


def _read(path: Path) -> dict[str, Any]:
    """Return all that is kept; a damaged file is removed, and made anew by who finds next."""
    if not path.exists():
        return {}
    try:
        with _opened(path) as db:
            rows = db.execute("SELECT key, value FROM kept").fetchall()
        return {str(key): json.loads(value) for key, value in rows}
    except sqlite3.OperationalError:
        return {}  # locked, or nowhere to write
    except (sqlite3.DatabaseError, ValueError, TypeError):
        with contextlib.suppress(OSError):
            path.unlink()
        return {}
