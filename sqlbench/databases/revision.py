"""Which code it is that makes a result: what is kept on disk is kept for that code alone."""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path


@cache
def revision_of(*parts: str, packages: tuple[str, ...] = ()) -> str:
    """Return a hash of parts of the package, their data files, and the versions of what they use.

    Parameters
    ----------
    *parts : str
        Files or folders below ``sqlbench``; a folder with all that is in it.
    packages : tuple of str
        Whose versions count, beside Python's and SQLite's.
    """
    versions = [sys.version_info[:2], sqlite3.sqlite_version, *map(version, packages)]
    digest = hashlib.sha256(repr(versions).encode())
    root = Path(__file__).parents[1]
    for part in parts:
        found = root / part
        for path in [found] if found.is_file() else sorted(found.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
