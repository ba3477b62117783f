"""Is a suite fit to be asked? Every gold query is run, and compared with itself."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlbench.databases.base import Database, QueryError, quote_name
from sqlbench.databases.memo import no_memo
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.exceptions import SuiteError
from sqlbench.grading import Gold, compare
from sqlbench.grading.shuffled import needs_rowid, shuffled_copy
from sqlbench.suites.base import Question, Suite

SHUFFLES = 3  # copies of each database
_UNTRIED = "not tried with the rows of its tables in another order"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one question, or with a database, whichever the question."""

    question: Question | None
    problem: str
    db_id: str = ""

    @property
    def where(self) -> str:
        """The question's id, or the database's."""
        return self.question.id if self.question is not None else self.db_id

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


def check_suite(suite: Suite, *, say: Callable[[str], None] = lambda note: None) -> list[Finding]:
    """Return all that is wrong with a suite's questions.

    Every gold query must run, return rows (all of them within the sandbox's caps), cut no tie with
    a LIMIT, and succeed when it is run again and compared with itself; on copies of its database
    whose rows lie in another order it must give the same answer, and its rows may not repeat in
    full; ids must be unique. A question without a gold query must only have a database that can be
    read. The two columns of a key must hold values of one type.

    Parameters
    ----------
    suite : Suite
        Any suite.
    say : callable
        Called with a note on each gold that could not be tried with its rows in another order.

    Raises
    ------
    SuiteError
        If a database cannot be opened.
    """
    found = [
        Finding(None, problem, db_id)
        for db_id, database in suite.databases.items()
        for problem in _key_problems(database)
    ]
    seen = set()
    with _shuffled(suite.databases, say) as copies:
        for question in suite.questions():
            if question.id in seen:
                found.append(Finding(question, "another question has the same id"))
            seen.add(question.id)
            if question.gold is not None:
                there = copies.get(question.db_id, ())
                found += [Finding(question, p) for p in _gold_problems(suite, question, there, say)]
    return found


def _gold_problems(
    suite: Suite, question: Question, copies: Sequence[Database], say: Callable[[str], None]
) -> list[str]:
    assert question.gold is not None
    database = suite.database(question)
    try:
        gold = Gold(question.gold, database.execute(question.gold), database)
        with no_memo():
            again = compare(gold, database.execute(question.gold))
    except QueryError as error:
        return [f"the gold query fails: {error.message}"]
    problems = []
    if not gold.result.rows:
        problems.append("the gold query returns no rows")
    if gold.result.truncated:
        problems.append("the gold query returns more rows than the sandbox fetches")
    if gold.tie is None:
        problems.append("it cannot be told whether the gold query's LIMIT cuts through a tie")
    elif gold.tie:
        problems.append("the gold query's LIMIT cuts through a tie: other rows would be as right")
    if not again.match:
        problems.append(f"the gold query, run again, does not agree with itself ({again.reason})")
    elif copies and needs_rowid(gold.sql, database.schema()):
        say(f"{question.id}: {_UNTRIED} (it names the rowid, which is a key)")
    elif not gold.tie:
        try:
            if any(_differs(gold, copy) for copy in copies):
                problems.append(
                    "the gold query's answer changes with the order of the rows in its tables: it "
                    "leaves open which rows are right, or their order"
                )
        except QueryError as error:
            say(f"{question.id}: {_UNTRIED} ({error.message})")
    if len(set(gold.result.rows)) < len(gold.result.rows):
        problems.append(
            "loose gold: rows of its result repeat in full, so an answer with DISTINCT is as good"
        )
    return problems


def _differs(gold: Gold, copy: Database) -> bool:
    result = copy.execute(gold.sql)
    return not result.truncated and not compare(gold, result).match


@contextmanager
def _shuffled(
    databases: Mapping[str, Database], say: Callable[[str], None]
) -> Iterator[dict[str, list[Database]]]:
    """Make shuffled copies of the SQLite databases; others have none."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        copies: dict[str, list[Database]] = {}
        for number, (db_id, database) in enumerate(databases.items()):
            if not isinstance(database, SQLiteDatabase):
                continue
            for seed in range(SHUFFLES):
                target = folder / f"{number}-{seed}.sqlite"
                try:
                    shuffled_copy(database.path, target, seed)
                except (sqlite3.Error, OSError, SuiteError) as error:
                    say(f"{db_id}: {_UNTRIED} ({error})")
                    break
                copy = SQLiteDatabase(target, db_id, limits=database.limits)
                copies.setdefault(db_id, []).append(stack.enter_context(copy))
        yield copies


def _key_problems(database: Database) -> list[str]:
    """Return the keys whose two columns hold values of different types."""
    problems = []
    for table in database.schema().tables:
        for key in table.foreign_keys:
            for mine, other in zip(key.columns, key.ref_columns, strict=False):
                here = _types(database, table.name, mine)
                there = _types(database, key.ref_table, other)
                if here and there and not here & there:
                    problems.append(
                        f"the key {table.name}.{mine} holds {_named(here)}, "
                        f"{key.ref_table}.{other} {_named(there)}: an answer that shows the one is "
                        "not the answer that shows the other"
                    )
    return problems


def _types(database: Database, table: str, column: str) -> set[str]:
    """Return what a column of SQLite's holds; nothing elsewhere, where a key has one type."""
    if database.dialect != "sqlite":
        return set()
    name, source = quote_name(column), quote_name(table)
    try:
        rows = database.execute(f"SELECT DISTINCT typeof({name}) FROM {source}").rows
    except QueryError:
        return set()
    kinds = {"integer": "number", "real": "number"}
    return {kinds.get(str(kind), str(kind)) for (kind,) in rows} - {"null"}


def _named(kinds: set[str]) -> str:
    return " and ".join(f"{kind}s" for kind in sorted(kinds))
