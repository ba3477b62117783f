"""A suite's golds in another engine's dialect, each tried on both engines.

A gold counts as translated only if both give the same result (by the metric ``exact``). What
sqlglot writes is tried first, and then what more and more of the rules of
`sqlbench.suites.translation` make of it; the first that agrees is kept. Whatever does not agree is
left out, and named.
"""

from __future__ import annotations

import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlbench.databases.base import Database, QueryError
from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.databases.postgres import PostgresDatabase
from sqlbench.databases.postgres_embedded import EMBEDDED, embedded_server
from sqlbench.databases.postgres_session import PostgresLimits
from sqlbench.databases.postgres_url import PostgresURL, import_psycopg
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.episodes.errors import classify_error
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.grading.compare import compare
from sqlbench.grading.gold import Gold, InvalidGoldError
from sqlbench.grading.golds import Golds
from sqlbench.suites.base import Question, Suite
from sqlbench.suites.copies import tables_of, write_duckdb, write_postgres
from sqlbench.suites.translation import DIALECTS, RULES, Untranslatable, translate

STEPS: dict[str, tuple[str, ...]] = {
    "as sqlglot writes it": (),
    "strings in double quotes, bare columns, division": ("division", "strings", "bare columns"),
    "LIKE": ("division", "strings", "bare columns", "like"),
    "types": RULES,
}


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one gold.

    Attributes
    ----------
    question : Question
        Whose gold it is.
    sql : str or None
        The translation that agrees.
    step : str or None
        The first of `STEPS` with which it does.
    why : str
        Why there is none: ``tie``, an error's class, or how the results differ; else empty.
    detail : str
        The other engine's message, or sqlglot's.
    tie : bool
        Whether the gold's LIMIT cuts through a tie: that both agree is then luck.
    """

    question: Question
    sql: str | None
    step: str | None
    why: str = ""
    detail: str = ""
    tie: bool = False


@dataclass(frozen=True, slots=True)
class SuiteTranslation:
    """What came of a suite's golds, in their order, and how many have none or one that fails."""

    to: str
    tried: tuple[Tried, ...]
    without_gold: int

    def agreeing(self) -> dict[str, int]:
        """Return how many golds agree with each step and those before it."""
        counts = Counter(t.step for t in self.tried)
        total, found = 0, {}
        for step in STEPS:
            total += counts[step]
            found[step] = total
        return found

    @property
    def left_out(self) -> list[Tried]:
        """Those that have no translation."""
        return [t for t in self.tried if t.sql is None]


def translate_suite(
    suite: Suite,
    to: str,
    *,
    server: str = EMBEDDED,
    progress: Callable[[int], None] = lambda done: None,
) -> SuiteTranslation:
    """Translate a suite's golds, and run each on both engines.

    Parameters
    ----------
    suite : Suite
        On SQLite files.
    to : {"duckdb", "postgres"}
        The other dialect.
    server : str
        For PostgreSQL: ``pg-embedded``, or the URL of a role that may create schemas. What is made
        there is dropped again.
    progress : callable
        Called with the number of golds that are done.

    Raises
    ------
    UnknownNameError
        If there is no such dialect.
    ConfigError
        If the suite is not on SQLite.
    MissingExtraError
        If the other engine is not installed.
    """
    if to not in DIALECTS:
        raise UnknownNameError("dialect", to, DIALECTS)
    for db_id, database in suite.databases.items():
        if not isinstance(database, SQLiteDatabase):
            raise ConfigError(
                f"Golds are translated from SQLite, and the database {db_id!r} is on "
                f"{database.dialect}."
            )
    golds, tried, without = Golds(suite), [], 0
    with ExitStack() as stack:
        copies = stack.enter_context(_copies(suite, to, server))
        for done, question in enumerate(suite, start=1):
            try:
                gold = golds.get(question)
            except InvalidGoldError:
                gold = None
            if gold is None:
                without += 1
            else:
                tried.append(_try(question, gold, copies[question.db_id], to))
            progress(done)
    return SuiteTranslation(to, tuple(tried), without)


def _try(question: Question, gold: Gold, other: Database, to: str) -> Tried:
    why = detail = ""
    seen: set[str] = set()
    for step, rules in STEPS.items():
        try:
            sql = translate(gold.sql, gold.database.schema(), to, rules=rules).sql
        except Untranslatable as error:
            why, detail = "not translated", str(error)
            break
        if sql in seen:
            continue
        seen.add(sql)
        try:
            result = other.execute(sql)
        except QueryError as error:
            why, detail = str(classify_error(error)), error.message.partition("\n")[0]
            continue
        verdict = compare(gold, result)
        if verdict.match and not result.truncated:
            return Tried(question, sql, step, tie=bool(gold.tie))
        why, detail = verdict.reason, ""
    return Tried(question, None, None, "tie" if gold.tie else why, detail, bool(gold.tie))


@contextmanager
def _copies(suite: Suite, to: str, server: str) -> Iterator[dict[str, Database]]:
    """Make the suite's databases on the other engine, for as long as they are needed."""
    paths = {k: d.path for k, d in suite.databases.items() if isinstance(d, SQLiteDatabase)}
    with ExitStack() as stack:
        found: dict[str, Database] = {}
        if to == "duckdb":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for number, (db_id, path) in enumerate(paths.items()):
                target = folder / f"{number}.duckdb"
                write_duckdb(target, list(tables_of(path)))
                found[db_id] = stack.enter_context(DuckDBDatabase(target, db_id))
        else:
            url = embedded_server().owner if server == EMBEDDED else PostgresURL.parse(server)
            psycopg, prefix = import_psycopg(), f"sqlbench_copy_{secrets.token_hex(4)}"
            connection = stack.enter_context(closing(psycopg.connect(url.url)))
            for number, (db_id, path) in enumerate(paths.items()):
                schema = f"{prefix}_{number}"
                write_postgres(connection, schema, list(tables_of(path)))
                stack.callback(_drop, connection, schema)
                copy = PostgresDatabase(
                    url,
                    db_id,
                    schemas=[schema],
                    limits=PostgresLimits(wall_clock=30.0),
                    allow_superuser=server == EMBEDDED,  # a server of our own
                )
                found[db_id] = stack.enter_context(copy)
        yield found


def _drop(connection: object, schema: str) -> None:
    connection.execute(f'DROP SCHEMA "{schema}" CASCADE')  # type: ignore[attr-defined]
    connection.commit()  # type: ignore[attr-defined]
