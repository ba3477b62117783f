"""Grade prediction files: each gold runs once, each prediction in the sandbox.

Question by question, so that all files share a gold's result and memory does not grow with the
number of pairs; databases are opened once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from tqdm.auto import tqdm

import sqlbench
from sqlbench.checks import check_whole
from sqlbench.databases.base import Database, QueryError, QueryResult
from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.databases.sqlite_limits import Limits
from sqlbench.episodes.errors import ErrorClass, classify_error
from sqlbench.exceptions import ConfigError
from sqlbench.grading.compare import Verdict, compare, failed
from sqlbench.grading.gold import Gold, run_gold
from sqlbench.grading.graded import (
    INVALID_GOLD,
    SCHEMA_VERSION,
    Grade,
    Graded,
    GradedFiles,
    VerdictLog,
)
from sqlbench.grading.metrics import find_metric
from sqlbench.grading.neighbours import VERSION as NEIGHBOURS_VERSION
from sqlbench.grading.predictions import Predictions, read_predictions
from sqlbench.paths import located
from sqlbench.suites import load_suite
from sqlbench.suites.base import Question, Suite

# Real predictions may be slow or long and still right: ten times an agent's budget of steps
# (10 to 20 s), and a cap on rows that only a runaway join reaches.
GRADING_LIMITS = Limits(vm_steps=500_000_000, wall_clock=60.0, max_rows=1_000_000, max_bytes=2**30)
_DUCKDB_BYTES = 128 * 2**20  # of a result, which is in two processes at once


def grade(
    suite: Suite | str,
    predictions: Predictions | str | Path,
    metric: str = "exact",
    *,
    neighbours: int = 0,
    seed: int = 0,
    out: str | Path | None = None,
    limits: Limits = GRADING_LIMITS,
    progress: bool = True,
) -> Graded:
    """Grade one prediction file.

    Parameters
    ----------
    suite : Suite or str
        What was asked.
    predictions : Predictions or path
        The answers, see `sqlbench.grading.predictions`.
    metric : str
        One of `sqlbench.grading.METRICS`.
    neighbours : int
        How many neighbour databases a match must hold on, see `sqlbench.grading.neighbours`.
    seed : int
        Of the neighbours.
    out : path or None
        The folder for the verdicts. Verdicts of the same kind there are gone on with.
    limits : Limits
        What one statement may cost.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    PredictionFileError
        If the file is broken or does not belong to the suite.
    UnknownNameError, ConfigError, SuiteError
        If a value does not exist or has the wrong form.
    RunFolderError
        If the folder holds verdicts of another kind.
    """
    folders = None if out is None else [located(out)]
    return _grade(suite, [predictions], metric, neighbours, seed, folders, limits, progress)[0]


def grade_many(
    suite: Suite | str,
    predictions: Sequence[Predictions | str | Path],
    metric: str = "exact",
    *,
    neighbours: int = 0,
    seed: int = 0,
    out: str | Path | None = None,
    limits: Limits = GRADING_LIMITS,
    progress: bool = True,
) -> GradedFiles:
    """Grade several prediction files at once: each gold runs once for all of them.

    Parameters are those of `grade`; ``out`` gets a folder for each file, named after it.

    Raises
    ------
    ConfigError
        Also if two files have the same name.
    """
    loaded = load_suite(suite) if isinstance(suite, str) else suite
    read = [_read(p, loaded) for p in predictions]
    names = [p.name for p in read]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise ConfigError(f"Two prediction files are named {twice!r}: rename one.")
    folders = None if out is None else [located(out) / name for name in names]
    return GradedFiles(_grade(loaded, read, metric, neighbours, seed, folders, limits, progress))


class LuckTest(Protocol):
    """Says on which neighbour database a match fails."""

    def check(self, question: Question, gold: Gold, sql: str) -> tuple[bool | None, str | None]:
        """Return whether the match is luck (None: no neighbour can tell), and where it shows."""
        ...

    def close(self) -> None:
        """Close the neighbours."""
        ...


def _grade(
    suite: Suite | str,
    predictions: Sequence[Predictions | str | Path],
    metric: str,
    neighbours: int,
    seed: int,
    folders: Sequence[Path] | None,
    limits: Limits,
    progress: bool,
) -> list[Graded]:
    find_metric(metric)
    check_whole("neighbours", neighbours)
    check_whole("seed", seed)
    loaded = load_suite(suite) if isinstance(suite, str) else suite
    files = [_read(p, loaded) for p in predictions]
    luck_meta: dict[str, Any] = {"neighbours": neighbours}
    if neighbours:
        luck_meta |= {"seed": seed, "neighbours_version": NEIGHBOURS_VERSION}
    logs: list[VerdictLog] = []
    try:
        for i, file in enumerate(files):
            meta = _meta(loaded, file, metric, limits) | luck_meta
            logs.append(VerdictLog(meta, folders[i] if folders else None))
        with closing(_Grader(loaded, metric, limits, neighbours, seed)) as grader:
            todo = [q for q in _in_order(loaded) if any(q[0] not in log.grades for log in logs)]
            total = len(loaded) * len(files)
            with tqdm(
                total=total,
                initial=total - len(todo) * len(files),
                desc=f"{metric} on {loaded.spec}",
                unit="pair",
                disable=not progress,
            ) as bar:
                for index, question in todo:
                    owed = [log for log in logs if index not in log.grades]
                    sqls = [
                        f.sql[question.id]
                        for f, log in zip(files, logs, strict=True)
                        if index not in log.grades
                    ]
                    for log, made in zip(owed, grader.grade(index, question, sqls), strict=True):
                        log.append([made])
                    bar.update(len(files))
    finally:
        graded = [log.close() for log in logs]
    return graded


class _Grader:
    """Grades the predictions for one question after another."""

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


def _in_order(suite: Suite) -> Iterator[tuple[int, Question]]:
    for entry in suite.entries:
        if entry.question_id is not None:
            yield entry.position, suite.question(entry.question_id)


def _read(predictions: Predictions | str | Path, suite: Suite) -> Predictions:
    if isinstance(predictions, Predictions):
        return predictions
    return read_predictions(predictions, suite)


def _meta(suite: Suite, file: Predictions, metric: str, limits: Limits) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "name": file.name,
        "suite": suite.spec,
        "suite_hash": suite.content_hash,
        "hardness_by": suite.hardness_by,
        "notes": list(suite.notes),
        "metric": metric,
        "predictions_hash": file.hash,
        "limits": {"vm_steps": limits.vm_steps, "max_rows": limits.max_rows},
        "versions": {"sqlbench": sqlbench.__version__, "sqlite": sqlite3.sqlite_version},
    }
