"""The verdicts on a question's predictions: the gold runs once, each prediction in the sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from sqlbench.databases.base import Database, QueryError, QueryResult
from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.databases.sqlite_limits import Limits
from sqlbench.episodes.errors import ErrorClass, classify_error
from sqlbench.grading.compare import Verdict, compare, failed
from sqlbench.grading.gold import Gold, run_gold
from sqlbench.grading.graded import INVALID_GOLD, Grade
from sqlbench.grading.metrics import find_metric
from sqlbench.suites.base import Question, Suite

# Real predictions may be slow or long and still right: ten times an agent's budget of steps
# (10 to 20 s), and a cap on rows that only a runaway join reaches.
GRADING_LIMITS = Limits(vm_steps=500_000_000, wall_clock=60.0, max_rows=1_000_000, max_bytes=2**30)
_DUCKDB_BYTES = 128 * 2**20  # of a result, which is in two processes at once


class LuckTest(Protocol):
    """Says on which neighbour database a match fails."""

    def check(self, question: Question, gold: Gold, sql: str) -> tuple[bool | None, str | None]:
        """Return whether the match is luck (None: no neighbour can tell), and where it shows."""
        ...

    def close(self) -> None:
        """Close the neighbours."""
        ...


class Grader:
    """Grades the predictions for one question after another.

    Parameters
    ----------
    suite : Suite
        What was asked.
    metric : str
        One of `sqlbench.grading.METRICS`.
    limits : Limits
        What one statement may cost.
    neighbours, seed : int
        How many neighbour databases a match must hold on, and their seed.
    """

    def __init__(
        self, suite: Suite, metric: str, limits: Limits, neighbours: int, seed: int
    ) -> None:
        self._suite, self._metric, self._limits = suite, metric, limits
        self._rule = find_metric(metric)
        self._databases: dict[str, Database] = {}
        self._luck: LuckTest | None = None
        if neighbours:
            from sqlbench.grading.luck import Neighbourhood

            self._luck = Neighbourhood(suite, metric, neighbours, seed, limits)

    def grade(self, index: int, question: Question, sqls: Sequence[str]) -> list[Grade]:
        """Return a verdict for each prediction; a statement that occurs twice runs once."""
        hardness = self._suite.task(question.task_id).difficulty
        place = (index, question.id, question.db_id, hardness)
        try:
            if question.gold is None:
                raise QueryError("the question has no gold query")
            gold = run_gold(self._gold(question.gold), self._database(question))
        except QueryError as error:
            return [Grade(*place, None, INVALID_GOLD, message=error.message) for _ in sqls]
        made: dict[str, Grade] = {}
        result = []
        for sql in map(self._prepared, sqls):
            if sql not in made:
                made[sql] = self._judge(place, question, gold, sql)
            result.append(made[sql])
        return result

    def _judge(
        self, place: tuple[int, str, str, str], question: Question, gold: Gold, sql: str
    ) -> Grade:
        outcome: QueryResult | QueryError
        try:
            outcome = gold.result if sql == gold.sql else gold.database.execute(sql)
        except QueryError as error:
            outcome = error
        if isinstance(outcome, QueryError):
            verdict, message = failed(gold, outcome), outcome.message
        else:
            verdict, message = compare(gold, outcome, self._metric), None
        lucky, lucky_on = None, None
        if verdict.match and self._luck is not None:
            lucky, lucky_on = self._luck.check(question, gold, sql)
        return Grade(
            *place,
            verdict.match,
            verdict.reason,
            _error_class(verdict, outcome),
            verdict.vacuous,
            verdict.tie,
            verdict.gold_rows,
            verdict.pred_rows,
            message,
            lucky,
            lucky_on,
        )

    def close(self) -> None:
        """Close the databases that were opened for it."""
        if self._luck is not None:
            self._luck.close()
        for db_id, database in self._databases.items():
            if database is not self._suite.databases[db_id]:
                database.close()

    def _prepared(self, sql: str) -> str:
        # What is longer than a statement may be is refused by the sandbox, as it is.
        return self._rule.prepare(sql) if len(sql) <= self._limits.max_sql_bytes else sql

    def _gold(self, sql: str) -> str:
        return self._rule.prepare_gold(sql) if len(sql) <= self._limits.max_sql_bytes else sql

    def _database(self, question: Question) -> Database:
        known = self._databases.get(question.db_id)
        if known is None:
            known = with_limits(self._suite.database(question), self._limits)
            self._databases[question.db_id] = known
        return known


def with_limits(database: Database, limits: Limits) -> Database:
    """Return a door of its own to the same database, with these limits where it has any."""
    if isinstance(database, SQLiteDatabase):
        return SQLiteDatabase(database.path, database.db_id, limits=limits)
    if isinstance(database, DuckDBDatabase):
        wider = replace(
            database.limits,
            wall_clock=limits.wall_clock,
            max_rows=limits.max_rows,
            max_bytes=min(limits.max_bytes, _DUCKDB_BYTES),
            max_memory_bytes=8 * _DUCKDB_BYTES,
        )
        return DuckDBDatabase(database.path, database.db_id, limits=wider)
    return database


def _error_class(verdict: Verdict, outcome: QueryResult | QueryError) -> str | None:
    if verdict.match:
        return None
    if isinstance(outcome, QueryError):
        return str(classify_error(outcome))
    return str(ErrorClass.WRONG_RESULT if outcome.rows else ErrorClass.EMPTY_RESULT)
