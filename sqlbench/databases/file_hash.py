"""The hash of a database's file, read once for as long as the file is the same."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

FileStamp = tuple[int, int, int, int]
_KNOWN: dict[FileStamp, str] = {}


def file_stamp(path: str | Path) -> FileStamp:
    """Return a file's identity, size and time of change; raises `OSError`."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    stamp = file_stamp(path)
    known = _KNOWN.get(stamp)
    if known is None:
        with path.open("rb") as file:
            known = hashlib.file_digest(file, "sha256").hexdigest()
        if stamp == file_stamp(path):
            _KNOWN[stamp] = known
    return known


def hash_at_hand(stamp: FileStamp) -> str | None:
    """Return the hash of the file with this stamp if it was computed before; nothing is read."""
    return _KNOWN.get(stamp)


def read_hashes(databases: Iterable[object]) -> None:
    """Compute the hashes of SQLite databases, so that they are at hand.

    One that cannot be read has none; whoever runs a statement says what is wrong with it.
    """
    for database in databases:
        path = getattr(database, "path", None)
        if getattr(database, "dialect", None) == "sqlite" and isinstance(path, Path):
            with contextlib.suppress(OSError):
                file_hash(path)
