"""First answers of somebody's model: graded, classified, and with their signals where asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sqlbench.databases.base import outcome_of
from sqlbench.environment.doubting import context_features
from sqlbench.episodes.context import SIGNAL_FEATURES
from sqlbench.episodes.errors import ErrorClass
from sqlbench.exceptions import ConfigError
from sqlbench.grading.grade import grade_many
from sqlbench.grading.predictions import Predictions, read_predictions
from sqlbench.signals import diagnose
from sqlbench.suites.base import Suite

SILENT = (ErrorClass.EMPTY_RESULT, ErrorClass.WRONG_RESULT, ErrorClass.TIMEOUT)
"""The classes of what raised nothing (a query that was stopped gave no error of its own)."""


@dataclass(frozen=True)
class FirstAnswers:
    """Graded first answers, a row an answer.

    Attributes
    ----------
    names : tuple of str
        The files they are from: several are several answers of one model.
    suite : str
        What was asked.
    metric : str
        What right means.
    question_ids, db_ids : tuple of str
        Of each row.
    right : ndarray of shape (n,)
        The verdicts.
    classes : tuple of ErrorClass or None
        How it failed; None where it is right.
    signals : ndarray of shape (n, 14) or None
        The block ``signals`` of each wrong answer, 0 for right ones; where it was measured.
    """

    names: tuple[str, ...]
    suite: str
    metric: str
    question_ids: tuple[str, ...]
    db_ids: tuple[str, ...]
    right: NDArray[np.bool_]
    classes: tuple[ErrorClass | None, ...]
    signals: NDArray[np.float64] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.right)

    @property
    def failures(self) -> NDArray[np.intp]:
        """The rows that are wrong."""
        return np.flatnonzero(~self.right)

    @property
    def raised(self) -> NDArray[np.bool_]:
        """Whether each row raised an error."""
        return np.array([c is not None and c not in SILENT for c in self.classes], dtype=bool)

    def counts(self) -> Counter[str]:
        """Return how many are ``right``, or fail in each class."""
        return Counter("right" if c is None else str(c) for c in self.classes)


def measure_first_answers(
    suite: Suite,
    predictions: Sequence[Predictions | str | Path],
    metric: str = "exact",
    *,
    signals: bool = False,
    progress: bool = False,
) -> FirstAnswers:
    """Grade prediction files, and read the signals of what is wrong.

    Parameters
    ----------
    suite : Suite
        What was asked.
    predictions : sequence of Predictions or path-like
        The files; several are several answers of one model to the same questions.
    metric : str
        What right means.
    signals : bool
        Whether to measure the signals of wrong answers, some milliseconds each.
    progress : bool
        Whether to show a bar.

    Raises
    ------
    PredictionFileError
        If a file is broken, or belongs to another suite.
    ConfigError
        If there is no file, two have the same name, or no question has a valid gold.
    """
    if not predictions:
        raise ConfigError("First answers are measured from prediction files; name at least one.")
    files = [p if isinstance(p, Predictions) else read_predictions(p, suite) for p in predictions]
    graded = grade_many(suite, files, metric, progress=progress)
    found = [
        (file, verdict)
        for file, one in zip(files, graded, strict=True)
        for verdict in one.grades
        if verdict.correct is not None
    ]
    if not found:
        raise ConfigError(f"No question of {suite.spec} has a gold query that runs.")
    known: dict[tuple[str, str], tuple[float, ...]] = {}
    rows = np.zeros((len(found), len(SIGNAL_FEATURES)))
    for i, (file, verdict) in enumerate(found):
        if signals and not verdict.correct:
            key = verdict.question_id, file.sql[verdict.question_id]
            if key not in known:
                known[key] = answer_signals(suite, *key)
            rows[i] = known[key]
    return FirstAnswers(
        names=tuple(file.name for file in files),
        suite=suite.spec,
        metric=metric,
        question_ids=tuple(v.question_id for _, v in found),
        db_ids=tuple(v.db_id for _, v in found),
        right=np.array([bool(v.correct) for _, v in found]),
        classes=tuple(
            None if v.correct else ErrorClass(v.error_class or ErrorClass.OTHER) for _, v in found
        ),
        signals=rows if signals else None,
    )


def answer_signals(suite: Suite, question_id: str, sql: str) -> tuple[float, ...]:
    """Return the block ``signals`` of one answer; no gold is read."""
    question = suite.question(question_id)
    database = suite.database(question)
    return context_features(diagnose(question.asked, sql, database, outcome_of(database, sql)))


def difficulty_spread(right: Mapping[str, Sequence[bool]]) -> float | None:
    """Return how far questions lie apart: the deviation of their difficulty, in logits.

    A logit-normal model of P(right) by question, fitted by maximum likelihood (twenty-one
    Gauss–Hermite nodes).

    Parameters
    ----------
    right : mapping of str to sequence of bool
        The verdicts on each question's answers.

    Returns
    -------
    float or None
        None where no question has two answers: then nothing tells it.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    tried = np.array([len(r) for r in right.values()], dtype=float)
    solved = np.array([sum(r) for r in right.values()], dtype=float)
    if (tried < 2).all():
        return None
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    weights = weights / weights.sum()

    def loss(parameters: NDArray[np.float64]) -> float:
        p = np.clip(expit(parameters[0] + np.exp(parameters[1]) * nodes), 1e-12, 1 - 1e-12)
        log = solved[:, None] * np.log(p) + (tried - solved)[:, None] * np.log1p(-p)
        top = log.max(axis=1, keepdims=True)
        return -float((np.log(np.exp(log - top) @ weights) + top[:, 0]).sum())

    start = np.log((solved.sum() + 0.5) / (tried.sum() - solved.sum() + 0.5))
    found = minimize(loss, np.array([start, 0.0]), method="Nelder-Mead")
    return float(min(np.exp(found.x[1]), 10.0))
