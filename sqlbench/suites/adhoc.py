"""Your own database, and questions that nobody wrote a gold query for.

Success on such a question means that a query ran and returned rows: whether they answer it is for a
person to say, and everything that shows them says so.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from sqlbench.databases.base import Database
from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.databases.duckdb_source import find_source
from sqlbench.databases.file_hash import file_hash
from sqlbench.databases.postgres_url import EXPECTED, is_postgres
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.exceptions import ConfigError, SuiteError
from sqlbench.paths import located
from sqlbench.suites.base import Question, Suite, Task

_EMBEDDED = "pg-embedded"


def adhoc_suite(database: str, questions: Sequence[str], *, allow_superuser: bool = False) -> Suite:
    """Return a suite of questions about a database.

    Parameters
    ----------
    database : str
        The path of a SQLite or DuckDB file, or of Parquet and CSV files (a folder or a pattern),
        ``postgresql://USER:PASSWORD@HOST/DATABASE``, or ``pg-embedded`` (the marketplace on a
        PostgreSQL server from a wheel).
    questions : sequence of str
        The questions; their ids are q1, q2 and so on, in the task ``simple_queries``.
    allow_superuser : bool
        Whether the URL's role may be a superuser.

    Raises
    ------
    ConfigError
        If the database's spec is malformed, the questions are no list, or one is empty.
    SuiteError
        If the file is no database, or nothing in the database may be read.
    DatabaseFailure
        If the server cannot be reached.

    Examples
    --------
    >>> suite = adhoc_suite("shop.sqlite", ["What sold best?"])  # doctest: +SKIP
    >>> env = SQLAgentEnv(suite, model="openai", feedback="execution")  # doctest: +SKIP
    """
    if isinstance(questions, str):
        raise ConfigError(f"The questions are a list of texts: [{questions!r}].")
    if not questions or not all(q.strip() for q in questions):
        raise ConfigError("A question must be a text that is not empty.")
    opened = open_database(database, allow_superuser=allow_superuser)
    if not opened.schema().tables:
        raise SuiteError(f"The database {opened.db_id!r} has no table that may be read.")
    asked = tuple(
        Question(f"q{i}", text.strip(), None, opened.db_id, "simple_queries")
        for i, text in enumerate(questions, start=1)
    )
    return Suite(
        spec=f"ask:{opened.db_id}",
        tasks={"simple_queries": Task("simple_queries", "easy", asked)},
        databases={opened.db_id: opened},
        fingerprints={opened.db_id: fingerprint(opened)},
        notes=("No gold queries: success means that the query ran and returned rows.",),
    )


def open_database(
    spec: str,
    db_id: str | None = None,
    *,
    folder: Path | None = None,
    allow_superuser: bool = False,
) -> Database:
    """Open a database by its spec.

    Parameters
    ----------
    spec : str
        The path of a SQLite or DuckDB file, a folder or pattern of Parquet and CSV files, a
        PostgreSQL URL, or ``pg-embedded``.
    db_id : str, optional
        Its name, by default the file's or the URL without its password.
    folder : Path, optional
        Where a relative path begins.
    allow_superuser : bool
        Whether the URL's role may be a superuser.

    Raises
    ------
    ConfigError
        If the spec is malformed.
    SuiteError
        If the file is no database.
    MissingExtraError
        If it needs DuckDB or psycopg, and that is not installed.
    """
    if spec == _EMBEDDED:
        from sqlbench.suites.marketplace.postgres import load_marketplace

        (database,) = load_marketplace("marketplace", spec).databases.values()
        return database
    if is_postgres(spec):
        from sqlbench.databases.postgres import PostgresDatabase

        return PostgresDatabase(spec, db_id, allow_superuser=allow_superuser)
    if "://" in spec:
        scheme = spec.partition("://")[0]
        raise ConfigError(
            f"There is no database for {scheme}:// URLs: expected the path of a SQLite or DuckDB "
            f"file or of a folder of Parquet or CSV files, {EXPECTED}, or {_EMBEDDED}."
        )
    path = located(spec) if folder is None else folder / os.path.expanduser(spec)
    if find_source(path) is not None:
        return DuckDBDatabase(path, db_id)
    from sqlbench.databases.sqlite_file import open_readonly

    open_readonly(path).close()  # says at once what is wrong with it
    return SQLiteDatabase(path, db_id)


def fingerprint(database: Database) -> str:
    """Return a hash of files' bytes; of a server's database, of its tables and columns alone."""
    if isinstance(database, DuckDBDatabase):
        digest = hashlib.sha256()
        for path in database.source.files or (database.path,):
            with path.open("rb") as file:
                one = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.name if database.source.files else ''}\0{one}\n".encode())
        return f"duckdb-{digest.hexdigest()}"
    if isinstance(database, SQLiteDatabase):
        return file_hash(database.path)
    text = database.schema().prompt(samples=0)
    return f"schema-{hashlib.sha256(text.encode()).hexdigest()}"
