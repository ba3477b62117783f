"""A gold query and its rows: whether their order counts, whether a LIMIT cuts a tie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property

from sqlbench.databases.base import Database, QueryError, QueryResult
from sqlbench.databases.kept import KeptOnDisk
from sqlbench.databases.memo import may_be_kept
from sqlbench.exceptions import SQLBenchError
from sqlbench.grading.clauses import limits_rows, orders_rows
from sqlbench.grading.score import Bag, bag_of

_GOLDS = KeptOnDisk("golds", "databases", "grading")


class InvalidGoldError(SQLBenchError):
    """Raised when a gold query fails: its question is excluded, counted and named, never scored."""

    def __init__(self, question_id: str, message: str) -> None:
        super().__init__(f"The gold query of question {question_id!r} fails: {message}")
        self.question_id, self.message = question_id, message


@dataclass(frozen=True)
class Gold:
    """A gold query and its result.

    Attributes
    ----------
    sql : str
        The query as it ran.
    result : QueryResult
        Its rows.
    database : Database
        Where it ran.
    content : hashable
        What stood for the database's content when it ran; None if that is not known.
    """

    sql: str
    result: QueryResult
    database: Database
    content: Hashable = None

    @cached_property
    def ordered(self) -> bool:
        """Whether the outermost statement has ORDER BY, so that the order of rows counts."""
        if not orders_rows(self.sql):
            return False
        return bool(_kept(self, "ordered", lambda: _is_ordered(self)))

    @cached_property
    def tie(self) -> bool | None:
        """Whether a LIMIT cuts through a tie, so that other rows would be as right.

        None where that cannot be told.
        """
        if not limits_rows(self.sql):
            return False
        return _kept(self, "tie", lambda: _has_tie(self))

    @cached_property
    def bag(self) -> Bag:
        """The rows as `task_score` compares them: every wrong answer is held against them."""
        return bag_of(self.result.rows)

    @cached_property
    def cells(self) -> frozenset[object]:
        """What stands in the rows: most wrong answers have something else."""
        return frozenset(cell for row in self.result.rows for cell in row)


def _is_ordered(gold: Gold) -> bool:
    from sqlbench.grading.determined import is_ordered  # with sqlglot, a tenth of a second

    return is_ordered(gold.sql, gold.database.dialect)


def _has_tie(gold: Gold) -> bool | None:
    from sqlbench.grading.determined import cuts_tie

    return cuts_tie(gold.sql, gold.database, len(gold.result.columns))


def _kept(gold: Gold, what: str, find: Callable[[], bool | None]) -> bool | None:
    """Return what is found of a gold on an unchanged file, in this process or another.

    It takes a parse, and two more statements for a tie.
    """
    lasting = getattr(gold.database, "lasting_content", lambda: None)()
    if lasting is None or not may_be_kept(gold.sql):
        return find()
    parts = json.dumps([lasting, gold.database.dialect, gold.sql, what])
    key = hashlib.sha256(parts.encode()).hexdigest()
    known = _GOLDS.get(key)
    if isinstance(known, bool):
        return known
    found = find()
    if found is not None:  # a time-out may have kept it from being told
        _GOLDS.keep(key, found)
    return found


def run_gold(sql: str, database: Database) -> Gold:
    """Run a gold query.

    Raises
    ------
    QueryError
        If it fails, or its result is cut off by the sandbox's cap, so that nothing can be
        compared with it.
    """
    content = content_of(database)
    result = database.execute(sql)
    if result.truncated:
        raise QueryError(f"its result is longer than the sandbox's cap ({len(result.rows)} rows)")
    return Gold(sql, result, database, content if content == content_of(database) else None)


def content_of(database: Database) -> Hashable:
    """Return what stands for the content of a database now; None where that is not known."""
    content = getattr(database, "content", None)
    return None if content is None else content()
