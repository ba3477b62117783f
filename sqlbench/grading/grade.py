"""Grade prediction files: each gold runs once, each prediction in the sandbox.

Question by question, so that all files share a gold's result and memory does not grow with the
number of pairs; databases are opened once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

import sqlbench
from sqlbench.checks import check_whole
from sqlbench.databases.sqlite_limits import Limits
from sqlbench.exceptions import ConfigError
from sqlbench.grading.graded import SCHEMA_VERSION, Graded, GradedFiles, VerdictLog
from sqlbench.grading.grader import GRADING_LIMITS, Grader
from sqlbench.grading.metrics import find_metric
from sqlbench.grading.parallel import Work, grade_all
from sqlbench.grading.predictions import Predictions, read_predictions
from sqlbench.paths import located
from sqlbench.suites import load_suite
from sqlbench.suites.base import Question, Suite


def grade(
    suite: Suite | str,
    predictions: Predictions | str | Path,
    metric: str = "exact",
    *,
    neighbours: int = 0,
    seed: int = 0,
    out: str | Path | None = None,
    limits: Limits = GRADING_LIMITS,
    workers: int = 1,
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
    workers : int
        How many processes may grade; the verdicts do not depend on it. A script that asks for more
        than one needs its ``if __name__ == "__main__":``.
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
    return _grade(
        suite, [predictions], metric, neighbours, seed, folders, limits, workers, progress
    )[0]


def grade_many(
    suite: Suite | str,
    predictions: Sequence[Predictions | str | Path],
    metric: str = "exact",
    *,
    neighbours: int = 0,
    seed: int = 0,
    out: str | Path | None = None,
    limits: Limits = GRADING_LIMITS,
    workers: int = 1,
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
    return GradedFiles(
        _grade(loaded, read, metric, neighbours, seed, folders, limits, workers, progress)
    )


def _grade(
    suite: Suite | str,
    predictions: Sequence[Predictions | str | Path],
    metric: str,
    neighbours: int,
    seed: int,
    folders: Sequence[Path] | None,
    limits: Limits,
    workers: int,
    progress: bool,
) -> list[Graded]:
    find_metric(metric)
    check_whole("workers", workers, 1)
    check_whole("neighbours", neighbours)
    check_whole("seed", seed)
    loaded = load_suite(suite) if isinstance(suite, str) else suite
    files = [_read(p, loaded) for p in predictions]
    luck_meta: dict[str, Any] = {"neighbours": neighbours}
    if neighbours:
        from sqlbench.grading.neighbours import VERSION

        luck_meta |= {"seed": seed, "neighbours_version": VERSION}
    logs: list[VerdictLog] = []
    try:
        for i, file in enumerate(files):
            meta = _meta(loaded, file, metric, limits) | luck_meta
            logs.append(VerdictLog(meta, folders[i] if folders else None))
        todo: list[Work] = []
        owed: list[list[VerdictLog]] = []
        for index, question in _in_order(loaded):
            missing = [i for i, log in enumerate(logs) if index not in log.grades]
            if missing:
                todo.append((index, question, [files[i].sql[question.id] for i in missing]))
                owed.append([logs[i] for i in missing])
        make = partial(Grader, loaded, metric, limits, neighbours, seed)
        total = len(loaded) * len(files)
        with tqdm(
            total=total,
            initial=total - len(todo) * len(files),
            desc=f"{metric} on {loaded.spec}",
            unit="pair",
            disable=not progress,
        ) as bar:
            for to, made in zip(owed, grade_all(make, todo, workers), strict=True):
                for log, grade_ in zip(to, made, strict=True):
                    log.append([grade_])
                bar.update(len(files))
    finally:
        graded = [log.close() for log in logs]
    return graded


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
