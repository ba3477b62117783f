"""Learn the doubt's weights from graded answers, by what `sqlbench.signals.learner` learns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqlbench.databases.base import Database, Outcome
from sqlbench.exceptions import ConfigError
from sqlbench.signals.doubt import FITS, Weights, fit_of
from sqlbench.signals.learner import DEPTH, learn
from sqlbench.signals.line import no_line
from sqlbench.signals.reading import Reading
from sqlbench.signals.registry import NAMES, measure
from sqlbench.signals.skeleton import ELEMENTS, elements
from sqlbench.signals.skeleton_fit import fit_skeletons

Floats = NDArray[np.float64]
_FOLDS = 10  # of the cross-fitting, by database where there are several


@dataclass(frozen=True, slots=True)
class Measured:
    """One graded answer, measured: what `train` learns from.

    Attributes
    ----------
    question : str
        What tells one question from another.
    database : str
        Whose question it is; it only says which answers are held out together.
    words : tuple of str
        The question's words, masked.
    values : array, shape (signals,)
        The signals, NaN where unknown.
    elements : tuple of bool or None
        The statement's skeleton.
    """

    question: str
    database: str
    words: tuple[str, ...]
    values: Floats
    elements: tuple[bool, ...] | None


def measure_answer(
    question: str, sql: str, database: Database, outcome: Outcome, *, key: str | None = None
) -> Measured:
    """Measure one answer for training, with the arguments of `diagnose`.

    Parameters
    ----------
    question, sql, database, outcome
        As for `diagnose`.
    key : str, optional
        What tells the question from others, by default its text.
    """
    reading = Reading(question, sql, database, outcome)
    values = [np.nan if s.value is None else s.value for s in measure(reading)]
    statement = reading.statement
    skeleton = tuple(elements(statement)) if statement is not None else None
    return Measured(
        key if key is not None else question,
        database.db_id,
        tuple(reading.links.masked),
        np.array(values, dtype=np.float64),
        skeleton,
    )


@dataclass(frozen=True, eq=False)
class Answers:
    """Measured answers as arrays.

    Attributes
    ----------
    values : array, shape (answers, signals)
    skeletons : array, shape (answers, elements)
        NaN where the statement does not parse.
    wrong, weight : array, shape (answers,)
        1 where the answer is wrong; how often it was given.
    question : array of int, shape (answers,)
        The row of ``words`` and ``databases``.
    words : list of tuple of str
        Each question's masked words.
    databases : array of str, shape (questions,)
    """

    values: Floats
    skeletons: Floats
    wrong: Floats
    weight: Floats
    question: NDArray[np.intp]
    words: list[tuple[str, ...]]
    databases: NDArray[np.str_]

    @property
    def database(self) -> NDArray[np.str_]:
        """Each answer's database."""
        return self.databases[self.question]

    def take(self, kept: NDArray[np.bool_], weight: Floats | None = None) -> Answers:
        """Return some of the answers, with other weights if wanted."""
        weights = self.weight if weight is None else weight
        return Answers(
            self.values[kept], self.skeletons[kept], self.wrong[kept], weights[kept],
            self.question[kept], self.words, self.databases,
        )  # fmt: skip


def gather(
    measured: Iterable[Measured], wrong: Sequence[float], weight: Sequence[float] | None = None
) -> Answers:
    """Put measured answers together.

    Parameters
    ----------
    measured : iterable of Measured
    wrong : sequence of float
        1 where the answer is wrong.
    weight : sequence of float, optional
        How often the answer was given, by default once.
    """
    rows = list(measured)
    index: dict[tuple[str, str], int] = {}
    words, databases, question = [], [], []
    for m in rows:
        key = m.database, m.question
        if key not in index:
            index[key] = len(index)
            words.append(m.words)
            databases.append(m.database)
        question.append(index[key])
    blank = (np.nan,) * len(ELEMENTS)
    return Answers(
        np.array([m.values for m in rows]),
        np.array([blank if m.elements is None else m.elements for m in rows], dtype=float),
        np.asarray(wrong, dtype=float),
        np.ones(len(rows)) if weight is None else np.asarray(weight, dtype=float),
        np.array(question, dtype=np.intp),
        words,
        np.array(databases),
    )


def train(answers: Answers, *, seed: int = 0, about: dict[str, Any] | None = None) -> Weights:
    """Learn weights from graded answers.

    The skeleton's model learns from the right answers. The trees and the line learn from its
    predictions on questions of databases that it did not see, and are calibrated on such databases
    in turn.

    Parameters
    ----------
    answers : Answers
        Of several databases; of one, its questions are held out in their place.
    seed : int
        Of the trees.
    about : dict, optional
        What the file is to say of its data beside counts and the data's hash.

    Raises
    ------
    ConfigError
        If all answers are right, or all are wrong.
    MissingExtraError
        If scikit-learn is not installed.
    """
    if len(set(answers.wrong)) < 2:
        raise ConfigError(
            "Doubt is learned from right and from wrong answers; "
            f"these {len(answers.wrong)} are all {'wrong' if answers.wrong.all() else 'right'}."
        )
    folds = folds_of(answers)
    read = trees_read(cross_fitted(answers, folds))
    held_out = np.zeros(len(answers.wrong))
    for fold in sorted(set(folds)):
        test = folds == fold
        model = learn(read[~test], answers.wrong[~test], answers.weight[~test], seed)
        held_out[test] = model.logit(read[test])
    slope, offset = platt(held_out, answers.wrong, answers.weight)
    final = learn(read, answers.wrong, answers.weight, seed)
    skeleton = skeletons(answers)
    notes: dict[str, Any] = {
        "answers": len(answers.wrong),
        "given": float(answers.weight.sum()),
        "questions": len(set(answers.question)),
        "databases": len(set(answers.database)),
        "wrong": float(np.average(answers.wrong, weights=answers.weight)),
        "data_sha256": _hash(answers),
        "seed": seed,
        "cross_validated": _figures(
            1 / (1 + np.exp(-(slope * held_out + offset))), answers, len(set(folds.tolist()))
        ),
    }
    return Weights(
        signals=NAMES,
        phrases={p: i for i, p in enumerate(skeleton.phrases)},
        table=skeleton.table,
        scale=skeleton.scale,
        slope=slope,
        offset=offset,
        about={**notes, **(about or {})},
        **final.exported(read_places(answers.values.shape[1])),
    )


def inputs_of_answers(answers: Answers, weights: Weights) -> Floats:
    """Return what the trees of some weights read of answers, shape (answers, inputs)."""
    places = [NAMES.index(n) for n in weights.signals]
    expected = {q: weights.expected(answers.words[q]) for q in set(answers.question.tolist())}
    return _with_fit(answers, expected, answers.values[:, places])


def folds_of(answers: Answers) -> NDArray[np.intp]:
    """Return each answer's fold: databases are held out together, or else questions."""
    several = len(set(answers.database)) > 1
    group = answers.database if several else answers.question.astype(str)
    sizes: dict[str, float] = {}
    for g, w in zip(group.tolist(), answers.weight.tolist(), strict=True):
        sizes[g] = sizes.get(g, 0.0) + w
    loads = [0.0] * min(_FOLDS, len(sizes))
    fold_of = {}
    for g in sorted(sizes, key=lambda g: (-sizes[g], g)):
        fold_of[g] = loads.index(min(loads))
        loads[fold_of[g]] += sizes[g]
    return np.array([fold_of[g] for g in group.tolist()], dtype=np.intp)


def skeletons(answers: Answers) -> Any:
    """Learn skeletons from the right answers of some questions."""
    usable = (answers.wrong == 0) & ~np.isnan(answers.skeletons[:, 0]) & (answers.weight > 0)
    kept = sorted(set(answers.question[usable].tolist()))
    place = {q: i for i, q in enumerate(kept)}
    targets = np.zeros((len(kept), len(ELEMENTS)))
    total = np.zeros(len(kept))
    rows = [place[q] for q in answers.question[usable].tolist()]
    np.add.at(targets, rows, answers.skeletons[usable] * answers.weight[usable, None])
    np.add.at(total, rows, answers.weight[usable])
    return fit_skeletons(
        [answers.words[q] for q in kept],
        targets / total[:, None],
        [str(answers.databases[q]) for q in kept],
    )


def cross_fitted(answers: Answers, folds: NDArray[np.intp]) -> Floats:
    """Return what the trees read, with skeletons learned on the other folds."""
    expected: dict[int, Floats] = {}
    for fold in sorted(set(folds.tolist())):
        test = folds == fold
        model = skeletons(answers.take(~test))
        weights = expecting(model)
        for q in set(answers.question[test].tolist()):
            expected[q] = weights.expected(answers.words[q])
    return _with_fit(answers, expected, answers.values)


def _with_fit(answers: Answers, expected: dict[int, Floats], values: Floats) -> Floats:
    fits = [
        fit_of(expected[q], None if np.isnan(e[0]) else e.astype(bool).tolist())
        for q, e in zip(answers.question.tolist(), answers.skeletons, strict=True)
    ]
    return np.hstack([values, np.array(fits)])


def expecting(model: Any) -> Weights:
    """Return weights that hold a skeleton's model and no trees."""
    none = np.zeros((0, 2**DEPTH - 1))
    return Weights(
        signals=NAMES, phrases={p: i for i, p in enumerate(model.phrases)}, table=model.table,
        scale=model.scale, feature=none.astype(np.int16), threshold=none.astype(np.float32),
        missing_left=none.astype(bool), leaf=np.zeros((0, 2**DEPTH), np.float32), line=no_line(),
        start=0.0, slope=1.0, offset=0.0, about={},
    )  # fmt: skip


def trees_read(inputs: Floats) -> NDArray[np.float32]:
    """Return what trees learn from: the signals and how well the whole skeleton fits.

    Its elements one by one would fit the databases that are learned from better, others worse.
    """
    read = columns_read(inputs)
    read[:, np.isnan(read).all(axis=0)] = 0.0  # nothing is known of it here, so nothing is learned
    return read


def columns_read(inputs: Floats) -> NDArray[np.float32]:
    """Return the same of answers that are judged: there a signal may be unknown of all."""
    signals = inputs.shape[1] - len(ELEMENTS) - FITS
    return inputs[:, read_places(signals)].astype(np.float32)


def read_places(signals: int) -> NDArray[np.intp]:
    """Return the places of what is read among the inputs: all but the skeleton's elements."""
    behind = signals + len(ELEMENTS)
    return np.concatenate([np.arange(signals), np.arange(behind, behind + FITS)])


def platt(logit: Floats, wrong: Floats, weight: Floats) -> tuple[float, float]:
    """Return slope and offset that make logits probabilities (Platt 1999), by Newton's method.

    A step that would raise the loss is halved: from far away a whole one may lead away for good.
    """
    x = np.column_stack([logit, np.ones(len(logit))])

    def loss(w: Floats) -> float:
        line = x @ w
        return float(weight @ (np.logaddexp(0.0, line) - wrong * line))

    w, now = np.zeros(2), loss(np.zeros(2))
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        slope = x.T @ (weight * (p - wrong))
        curve = (x * (weight * p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        while (then := loss(w - step)) > now and np.abs(step).max() > 1e-9:
            step = step / 2
        w, now = w - step, then
        if np.abs(step).max() < 1e-9:
            break
    return float(w[0]), float(w[1])


def _figures(doubt: Floats, answers: Answers, folds: int) -> dict[str, float]:
    """Return how well doubts of databases that were held out tell wrong answers from right ones."""
    values = answers.values
    rows = (values[:, NAMES.index("raised")] == 0) & (values[:, NAMES.index("empty")] == 0)
    kept = {"auc_all": np.ones(len(doubt), bool), "auc_rows": rows}
    found = {name: round(area(answers.wrong[k], doubt[k], answers.weight[k]), 4)
             for name, k in kept.items()}  # fmt: skip
    bins = np.minimum((doubt * 10).astype(int), 9)
    gap = np.bincount(bins, answers.weight * (answers.wrong - doubt), 10)
    error = float(np.abs(gap).sum() / answers.weight.sum())
    return {**found, "calibration_error": round(error, 4), "folds": folds}


def area(wrong: Floats, doubt: Floats, weight: Floats) -> float:
    """Return the weighted area under the ROC curve; ties count half, NaN if all are alike.

    Parameters
    ----------
    wrong, doubt, weight : array, shape (answers,)
        1 where the answer is wrong; how doubtful it is; how often it was given.
    """
    _, place = np.unique(doubt, return_inverse=True)
    bad, good = np.bincount(place, weight * wrong), np.bincount(place, weight * (1 - wrong))
    pairs = bad.sum() * good.sum()
    below = np.concatenate([[0.0], np.cumsum(good)[:-1]])
    return float((bad * (below + good / 2)).sum() / pairs) if pairs else float("nan")


def _hash(answers: Answers) -> str:
    digest = hashlib.sha256()
    for part in (answers.values, answers.skeletons, answers.wrong, answers.weight):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
