"""Doubts beside predictions: what is known of a file without a gold, and how far that carries.

The doubts see no gold. Where verdicts are known they say what the doubts are worth: if only the
answers of least doubt are kept (coverage), what share of them is wrong (risk); El-Yaniv and
Wiener 2010.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sqlbench.databases.base import outcome_of
from sqlbench.grading.predictions import Predictions, read_predictions
from sqlbench.paths import located
from sqlbench.signals.diagnose import diagnose
from sqlbench.signals.doubt import Weights, load_weights
from sqlbench.suites.base import Suite
from sqlbench.words import markdown_table

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Doubted:
    """One prediction with its doubt.

    Attributes
    ----------
    index : int
        The question's place in the benchmark's file.
    question_id, db_id, sql : str
    doubt : float
        The probability that it is wrong.
    evidence : tuple of str
        Why, most telling first.
    """

    index: int
    question_id: str
    db_id: str
    sql: str
    doubt: float
    evidence: tuple[str, ...]


def doubt_all(
    suite: Suite, predictions: Predictions | str | Path, *, weights: Weights | None = None
) -> list[Doubted]:
    """Return a file's predictions with their doubts, in the benchmark's order; no gold is read.

    Parameters
    ----------
    suite : Suite
        What was asked; its questions need no golds.
    predictions : Predictions or path-like
        The file.
    weights : Weights, optional
        By default those that come with the package.
    """
    known = weights if weights is not None else load_weights()
    file = predictions
    if not isinstance(file, Predictions):
        file = read_predictions(file, suite)
    found = []
    for entry in suite.entries:
        if entry.question_id is None:
            continue
        question = suite.question(entry.question_id)
        database, sql = suite.databases[question.db_id], file.sql[question.id]
        outcome = outcome_of(database, sql)
        said = diagnose(question.asked, sql, database, outcome, weights=known)
        found.append(
            Doubted(
                entry.position, question.id, question.db_id, sql, said.doubt, tuple(said.evidence)
            )
        )
    return found


def risk_coverage(doubt: ArrayLike, wrong: ArrayLike) -> tuple[Floats, Floats]:
    """Return coverage and risk as ever more doubtful answers are kept, shapes (levels,).

    Parameters
    ----------
    doubt : array_like, shape (answers,)
    wrong : array_like, shape (answers,)
        1 where the answer is wrong.

    Returns
    -------
    coverage, risk : array
        A level for each distinct doubt: answers of equal doubt are kept or left together.
    """
    doubts, wrongs = np.asarray(doubt, dtype=float), np.asarray(wrong, dtype=float)
    order = np.argsort(doubts, kind="stable")
    last = np.append(np.flatnonzero(np.diff(doubts[order])), len(doubts) - 1)
    kept = last + 1
    return kept / len(doubts), np.cumsum(wrongs[order])[last] / kept


def write_doubts(doubted: Sequence[Doubted], path: str | Path) -> None:
    """Write doubts as JSONL, a prediction a line."""
    lines = [
        json.dumps(
            {
                "index": d.index, "question_id": d.question_id, "db_id": d.db_id,
                "doubt": d.doubt, "evidence": list(d.evidence), "pred": d.sql,
            },
            ensure_ascii=False,
        )
        for d in doubted
    ]  # fmt: skip
    located(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def doubts_text(name: str, doubted: Sequence[Doubted], wrong: Sequence[bool] | None = None) -> str:
    """Return what the doubts say of a file and, where verdicts are known, what they are worth."""
    doubts = np.array([d.doubt for d in doubted])
    lines = [
        f"{name}: {len(doubts)} answers; by their doubts {1 - doubts.mean():.1%} of them are right."
    ]
    if wrong is None:
        return lines[0]
    wrongs = np.array(wrong, dtype=float)
    lines[0] += f" By the golds {1 - wrongs.mean():.1%} are."
    coverage, risk = risk_coverage(doubts, wrongs)
    rows = []
    for share in (0.2, 0.4, 0.6, 0.8, 1.0):
        level = int(np.searchsorted(coverage, share - 1e-12))
        rows.append([f"{coverage[level]:.0%}", f"{risk[level]:.1%}"])
    lines += ["", markdown_table(["of least doubt", "wrong of them"], rows)]
    return "\n".join(lines)
