"""Which code it is that makes a result: what is kept on disk is kept for that code alone."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path

import sqlbench


@cache
def revision_of(*parts: str) -> str:
    """Return a hash of parts of the package, of their data files, and of Python's version.

    Parameters
    ----------
    *parts : str
        Files or folders below ``sqlbench``; a folder with all that is in it.
    """
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    root = Path(sqlbench.__file__).parent
    for part in parts:
        found = root / part
        for path in [found] if found.is_file() else sorted(found.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
