"""The shelf of a response store: a table of its file for what was found of the stored answers.

What is put there is written by the store's own thread, many values in one transaction, so that a
process that is killed leaves none by halves and several processes may write. Values are never
changed. Each lies beside its hash: one that is damaged is taken away, and found anew.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

LARGEST = 256 * 2**10  # bytes of one value: it is read while others wait
MOST_NOTED = 200_000
MAX_BYTES = 512 * 2**20  # of all: what comes then is not put there

_TABLES = """
CREATE TABLE IF NOT EXISTS shelf (key BLOB PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS shelf_size (bytes INTEGER NOT NULL);
INSERT INTO shelf_size SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM shelf_size);
"""
_CHECK = 8  # bytes of the hash in front of a value


class _Noted(set[int]):
    """Hashes of what is known to lie there; when there are many, all are forgotten."""

    def add(self, noted: int) -> None:
        if len(self) >= MOST_NOTED:
            self.clear()
        super().add(noted)


class StoreShelf:
    """What lies beside a store's answers; implements `sqlbench.databases.shelf.Shelf`.

    It can be read before the store is opened, as golds are run before; what is put there meanwhile
    is written once it is (`attach`).

    Parameters
    ----------
    path : Path
        The store's file, which need not exist.
    readonly : bool
        Whether nothing is to be put there.
    max_bytes : int
        How much may lie there.
    """

    def __init__(self, path: Path, *, readonly: bool = False, max_bytes: int = MAX_BYTES) -> None:
        self.path, self.readonly, self.max_bytes = path, readonly, max_bytes
        self.noted: set[int] = _Noted()
        self._lock = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._closed = False
        self._pending: list[tuple[bytes, bytes | None]] = []  # None: damaged, to be taken away
        self._submit: Callable[[Callable[[], None]], object] | None = None
        self._writer: sqlite3.Connection | None = None

    def find(self, key: bytes) -> Any:
        """Return a value as JSON has it; None where there is none, or none that is whole."""
        with self._lock:
            try:
                found = self._look_up(key)
            except sqlite3.Error:  # not there yet, being recovered, damaged: found anew
                return None
        if found is None:
            return None
        try:
            if not isinstance(found, bytes) or found[:_CHECK] != _check(key, found[_CHECK:]):
                raise ValueError
            return json.loads(found[_CHECK:])
        except ValueError:
            self._put(key, None)
            return None

    def keep(self, key: bytes, value: Any) -> None:
        """Put a value of JSON's kinds there, soon; a large one is let go."""
        text = json.dumps(value, separators=(",", ":")).encode()
        if len(text) <= LARGEST:
            self._put(key, _check(key, text) + text)

    def attach(
        self, writer: sqlite3.Connection, submit: Callable[[Callable[[], None]], object]
    ) -> None:
        """Begin to write.

        Parameters
        ----------
        writer : sqlite3.Connection
            The store's own.
        submit : callable
            Runs a function in the thread that writes.
        """
        with self._lock:
            self._writer, self._submit = writer, submit
            if self._pending:
                submit(self._flush)

    def close(self) -> None:
        """Let the file go; nothing is found or put there any more."""
        with self._lock:
            self._closed = True
            if self._reader is not None:
                self._reader.close()

    def _look_up(self, key: bytes) -> Any:
        if self._closed:
            return None
        if self._reader is None:
            if not self.path.is_file():
                return None
            self._reader = sqlite3.connect(
                store_uri(self.path, readonly=self.readonly, new=False),
                uri=True, timeout=0.0, isolation_level=None, check_same_thread=False,
            )  # fmt: skip
        row = self._reader.execute("SELECT value FROM shelf WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def _put(self, key: bytes, value: bytes | None) -> None:
        with self._lock:
            if self.readonly or self._closed:
                return
            first = not self._pending
            self._pending.append((key, value))
            if first and self._submit is not None:
                self._submit(self._flush)

    def _flush(self) -> None:
        """Write what was put there, in the thread of the store."""
        with self._lock:
            pending, self._pending = self._pending, []
            writer = self._writer
        if writer is None or not pending:
            return
        try:
            _write(writer, pending, self.max_bytes)
        except sqlite3.Error:
            # A full disk, say: an answer that cannot be stored says so. This can be found again.
            if writer.in_transaction:
                writer.rollback()


def store_uri(path: Path, *, readonly: bool, new: bool = True) -> str:
    """Return the URI of a store; one that is read only may lie on a read-only disk."""
    uri = path.absolute().as_uri()
    if not readonly:
        return uri if new else f"{uri}?mode=rw"
    wal = Path(f"{path}-wal")
    # Without a write-ahead log nobody is writing.
    still = "" if wal.exists() and wal.stat().st_size else "&immutable=1"
    return f"{uri}?mode=ro{still}"


def merge_shelves(
    source: sqlite3.Connection, target: sqlite3.Connection, max_bytes: int = MAX_BYTES
) -> None:
    """Take over what lies on another store's shelf."""
    if source.execute("SELECT 1 FROM sqlite_master WHERE name = 'shelf'").fetchone():
        _write(target, source.execute("SELECT key, value FROM shelf ORDER BY key"), max_bytes)


def _write(
    writer: sqlite3.Connection, values: Iterable[tuple[bytes, bytes | None]], max_bytes: int
) -> None:
    if not writer.execute("SELECT 1 FROM sqlite_master WHERE name = 'shelf_size'").fetchone():
        writer.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
    writer.execute("BEGIN IMMEDIATE")
    (size,) = writer.execute("SELECT bytes FROM shelf_size").fetchone()
    for key, value in values:
        if value is None:
            writer.execute("DELETE FROM shelf WHERE key = ?", (key,))
        elif size + len(value) <= max_bytes:
            done = writer.execute("INSERT OR IGNORE INTO shelf VALUES (?, ?)", (key, value))
            size += len(value) * done.rowcount
    writer.execute("UPDATE shelf_size SET bytes = ?", (size,))
    writer.execute("COMMIT")


def _check(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(value, key=key, digest_size=_CHECK).digest()
