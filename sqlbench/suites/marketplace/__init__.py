"""The built-in benchmark: a marketplace with 16 tables, and 60 questions in three tasks.

The database is made on first use, from one seed, into the user's cache folder (or the folder
that the environment variable ``SQLBENCH_CACHE`` names), and checked each time it is asked for.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from contextlib import closing, suppress
from functools import cache
from importlib import resources
from pathlib import Path

import yaml

from sqlbench.databases.file_hash import file_hash
from sqlbench.exceptions import SuiteError
from sqlbench.paths import cache_folder
from sqlbench.suites.base import Question, Task

DB_ID = "marketplace"

# All that the content of the database depends on.
_SOURCES = ("schema.sql", "words.py", "dice.py", "catalogue.py", "trade.py", "data.py")


def database_path() -> Path:
    """Return the SQLite file of the marketplace; make it first if it is missing or damaged.

    Returns
    -------
    pathlib.Path
        A file whose bytes are those that were built. Never open it for writing.

    Raises
    ------
    SuiteError
        If the cache folder cannot be written to.
    """
    path = cache_folder() / f"marketplace-{fingerprint()[:16]}.sqlite"
    if _is_sound(path):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _build(path)
    except OSError as error:
        raise SuiteError(
            f"The marketplace database cannot be written to {path.parent} ({error.strerror}); "
            "set SQLBENCH_CACHE to a folder that can be written to."
        ) from error
    return path


@cache
def fingerprint() -> str:
    """Return a SHA-256 of the database's content: of what makes it, whatever SQLite writes it."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        # Line endings may differ between checkouts; the rows do not.
        digest.update(
            name.encode() + b"\0" + read_text(name).replace("\r\n", "\n").encode() + b"\0"
        )
    return digest.hexdigest()


@cache
def tasks() -> dict[str, Task]:
    """Return the tasks by id, in order of difficulty."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content = yaml.load(read_text("questions.yaml"), Loader=loader)
    return {
        task["id"]: Task(
            id=task["id"],
            difficulty=task["difficulty"],
            questions=tuple(
                Question(
                    id=question["id"],
                    text=question["text"].strip(),
                    gold=question["gold"].strip(),
                    db_id=question.get("db_id", DB_ID),
                    task_id=task["id"],
                    evidence=question.get("evidence", ""),
                )
                for question in task["questions"]
            ),
        )
        for task in content["tasks"]
    }


def read_text(name: str) -> str:
    """Return one of the texts beside this module."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _is_sound(path: Path) -> bool:
    """Say whether the file's bytes are the ones that were built."""
    try:
        expected = _sidecar(path).read_text(encoding="ascii").strip()
        return file_hash(path) == expected
    except (OSError, UnicodeDecodeError):
        return False


def _build(path: Path) -> None:
    """Build beside the target and move into place: nobody ever sees half a file.

    Two processes may do so at once; each moves a whole file, and both make the same bytes.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        _write_database(temporary)
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
        os.replace(temporary, path)
        temporary.write_text(digest + "\n", encoding="ascii")
        os.replace(temporary, _sidecar(path))
    finally:
        with suppress(OSError):
            temporary.unlink()


def _write_database(path: Path) -> None:
    from sqlbench.suites.marketplace.data import build_rows

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # The file is thrown away if anything fails, so a journal would only cost time.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript("BEGIN;" + read_text("schema.sql"))
        for table, rows in build_rows().items():
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        connection.execute("COMMIT")
