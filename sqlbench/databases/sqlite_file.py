"""A SQLite file, opened for reading and never changed."""

from __future__ import annotations

import os
import sqlite3
import warnings
from functools import partial
from pathlib import Path

from sqlbench.exceptions import SuiteError

# How a rollback journal begins that is to be rolled back; a finished one is empty or begins with 0.
_JOURNAL = bytes.fromhex("d9d505f920a163d7")


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def open_readonly(path: Path) -> sqlite3.Connection:
    """Open a file for reading, without the sandbox.

    ``immutable=1`` promises SQLite that nobody writes: it then takes no lock and makes no -shm
    or -wal file, so files on read-only media open as well as those left in WAL mode. The price
    is that a -wal file beside the database is not read, which a warning says.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(16)
    except IsADirectoryError:
        raise SuiteError(f"The database {path} is a directory, not a file.") from None
    except FileNotFoundError:
        raise SuiteError(f"The database {os.path.abspath(path)} does not exist.") from None
    except OSError as error:
        raise SuiteError(f"The database {path} cannot be read: {error.strerror}.") from None
    if magic != b"SQLite format 3\0":
        raise SuiteError(f"The database {path} is not a SQLite file.")
    journal = Path(f"{path}-journal")
    if journal.is_file() and _begins_with(journal, _JOURNAL):
        raise SuiteError(
            f"The database {path} was left in the middle of a change ({journal.name} lies beside "
            "it): open it once with the program that writes it, which rolls the change back."
        )
    wal = Path(f"{path}-wal")
    if wal.exists() and wal.stat().st_size:
        warnings.warn(
            f"The database {path} is read without the changes in {wal.name}, which lies beside it: "
            "if they count, open it once with the program that writes it, which takes them in "
            "(PRAGMA wal_checkpoint).",
            stacklevel=2,
        )
    # Without a cache of statements: SQLite goes on counting the steps of a cached statement,
    # and the progress handler would stop it elsewhere the second time.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro&immutable=1",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=0,
    )
    # Real databases hold bytes that are not UTF-8; a strange letter is better than an error.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # reads the schema
    except sqlite3.Error as error:
        connection.close()
        raise SuiteError(f"The database {path} cannot be opened: {error}.") from None
    return connection
