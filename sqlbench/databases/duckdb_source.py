"""What DuckDB opens: a file of its own, or Parquet and CSV files, each as a view."""

from __future__ import annotations

import glob
import os
import struct
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlbench.exceptions import SuiteError

SUFFIXES = (".duckdb", ".ddb")
_READERS = {
    ".parquet": "SELECT * FROM read_parquet('{path}')",
    ".csv": "SELECT * FROM read_csv('{path}')",
    ".tsv": "SELECT * FROM read_csv('{path}', delim = '\t')",
    ".csv.gz": "SELECT * FROM read_csv('{path}')",
}
EXPECTED_FILES = "Parquet or CSV files (" + ", ".join(f"*{suffix}" for suffix in _READERS) + ")"
# Where a file of DuckDB's says so, behind a checksum, and with which version of its storage.
_MAGIC, _VERSION, _AT = b"DUCK", struct.Struct("<Q"), 8
_OLDEST = 64  # DuckDB 0.9 and later


@dataclass(frozen=True, slots=True)
class DuckDBSource:
    """A database file, or the files that become views.

    Attributes
    ----------
    path : Path
        The file; of several, the folder that they are in.
    files : tuple of Path
        What the views read; empty for a database file.
    """

    path: Path
    files: tuple[Path, ...] = ()

    @property
    def stem(self) -> str:
        """The database's name where it is given none."""
        return self.path.stem or "files"

    def setup(self) -> dict[str, Any]:
        """Return what a worker is told to open."""
        views = [(view_name(f), _reader(f).format(path=_escaped(f))) for f in self.files]
        return {"path": str(self.path), "views": views, "files": [str(f) for f in self.files]}

    def stamp(self) -> Hashable:
        """Return what the files' content depends on.

        Raises
        ------
        SuiteError
            If one is gone.
        """
        found: list[Hashable] = [_log_stamp(self.path)]
        for path in self.files or (self.path,):
            try:
                seen = path.stat()
            except OSError:
                raise SuiteError(
                    f"The database's file {path} is gone, or cannot be read."
                ) from None
            found.append((seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns))
        return tuple(found)


def _log_stamp(path: Path) -> Hashable:
    """Return the size and time of the log that a writer left beside a database, if any."""
    try:
        seen = Path(f"{path}.wal").stat()
    except OSError:
        return None
    return seen.st_size, seen.st_mtime_ns


def find_source(path: Path) -> DuckDBSource | None:
    """Return what is to be opened with DuckDB at a path; None if that is not for DuckDB.

    Parameters
    ----------
    path : Path
        A file of DuckDB's (by its first bytes, or its suffix), a Parquet or CSV file, a folder of
        them, or a pattern such as ``data/*.parquet``.

    Raises
    ------
    SuiteError
        If it is for DuckDB, and there is no such file, it is not DuckDB's, or is too old.
    """
    text = str(path)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if _kind(p))
        if not files:
            raise SuiteError(f"The database {path} is a directory without {EXPECTED_FILES}.")
        return _of_files(files, path, text)
    if glob.has_magic(text) and not path.exists():
        found = sorted(Path(p) for p in glob.glob(text, recursive=True))
        return _of_files([p for p in found if _kind(p)], path.parent, text)
    if _kind(path):
        _check_readable(path)
        return _of_files([path], path.with_name(view_name(path)), text)
    if path.suffix.lower() in SUFFIXES or _is_duckdb(path):
        check_file(path)
        return DuckDBSource(path)
    return None


def check_file(path: Path) -> None:
    """Check that a file is one of DuckDB's that can be read.

    Raises
    ------
    SuiteError
        If it is not.
    """
    _check_readable(path)
    with path.open("rb") as file:
        head = file.read(64)
    if head[_AT : _AT + 4] != _MAGIC:
        other = ": it is a SQLite file" if head.startswith(b"SQLite format 3\0") else ""
        raise SuiteError(f"The database {path} is not a DuckDB file{other}.")
    (version,) = _VERSION.unpack(head[_AT + 4 : _AT + 4 + _VERSION.size])
    if version < _OLDEST:
        raise SuiteError(
            f"The database {path} has storage version {version}, which only DuckDB before 0.9 "
            "reads: write it anew with that version's EXPORT DATABASE, and IMPORT DATABASE with "
            "a newer one."
        )


def view_name(path: Path) -> str:
    """Return the name of the view on a file: the file's, without its suffixes."""
    name = path.name
    kind = _kind(path)
    return name[: -len(kind)] if kind else name


def _of_files(files: list[Path], folder: Path, spec: str) -> DuckDBSource:
    if not files:
        raise SuiteError(f"There are no {EXPECTED_FILES} at {spec}.")
    names: dict[str, Path] = {}
    for path in files:
        other = names.setdefault(view_name(path).lower(), path)
        if other != path:
            raise SuiteError(
                f"The files {other} and {path} would both be the table {view_name(path)!r}: "
                "name only one of them, or rename one."
            )
    found = tuple(Path(os.path.abspath(f)) for f in files)
    odd = next((f for f in found if glob.has_magic(str(f))), None)
    if odd is not None:
        raise SuiteError(f"DuckDB takes the path {odd} for a pattern (* ? [ ]): rename it.")
    return DuckDBSource(folder, found)


def _kind(path: Path) -> str:
    """Return the suffix that says how a file is read; empty if it is none that is read."""
    name = path.name.lower()
    return next((s for s in sorted(_READERS, key=len, reverse=True) if name.endswith(s)), "")


def _reader(path: Path) -> str:
    return _READERS[_kind(path)]


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")


def _is_duckdb(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(_AT + 4)[_AT:] == _MAGIC
    except OSError:
        return False


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except FileNotFoundError:
        raise SuiteError(f"The database {os.path.abspath(path)} does not exist.") from None
    except OSError as error:
        raise SuiteError(f"The database {path} cannot be read: {error.strerror}.") from None
