"""Weights of doubt from anyone's prediction files: they are graded, measured, and learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sqlbench.databases.base import outcome_of
from sqlbench.grading.grade import grade
from sqlbench.grading.predictions import read_predictions
from sqlbench.signals.doubt import Weights
from sqlbench.signals.train import Measured, gather, measure_answer, train
from sqlbench.suites.base import Suite


def teach(
    suite: Suite, predictions: Sequence[str | Path], metric: str = "exact", *, seed: int = 0
) -> Weights:
    """Learn weights from what a suite's golds say of prediction files.

    Parameters
    ----------
    suite : Suite
        What was asked. With several databases the cross-fitting holds them out one by one.
    predictions : sequence of path-like
        The files; an answer that several give counts as often.
    metric : str
        What right means.
    seed : int
        Of the trees.

    Raises
    ------
    PredictionFileError
        If a file is broken, or belongs to another suite.
    ConfigError
        If all answers are right, or all are wrong.
    MissingExtraError
        If scikit-learn is not installed.
    """
    times: Counter[tuple[str, str]] = Counter()
    wrong: dict[tuple[str, str], bool] = {}
    for path in predictions:
        file = read_predictions(path, suite)
        for verdict in grade(suite, file, metric).grades:
            if verdict.correct is not None:
                key = verdict.question_id, file.sql[verdict.question_id]
                times[key] += 1
                wrong[key] = not verdict.correct
    return train(
        gather(
            (_measured(suite, *key) for key in wrong),
            [float(w) for w in wrong.values()],
            [float(times[key]) for key in wrong],
        ),
        seed=seed,
        about={"suite": suite.spec, "metric": metric, "files": len(predictions)},
    )


def _measured(suite: Suite, question_id: str, sql: str) -> Measured:
    question = suite.question(question_id)
    database = suite.database(question)
    outcome = outcome_of(database, sql)
    return measure_answer(question.asked, sql, database, outcome, key=question_id)
