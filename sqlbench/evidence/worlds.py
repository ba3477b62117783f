"""Worlds to replay policies in: how real models fail, and an assumed matrix of what mends it.

How first answers fail is measured. What a repair mends is assumed: the matrix of a profile, drawn
towards its class means (sharpness), and in the world of signals turned so that the arm at which the
answer's signals point is the one that helps best. Always simulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import FEATURE_NAMES, SIGNAL_FEATURES, Context, featurize
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS, RepairAction
from sqlbench.evidence.first_answers import FirstAnswers
from sqlbench.evidence.profile_file import class_shares
from sqlbench.evidence.repair_table import RepairTable, obvious_rules
from sqlbench.evidence.sensitivity import sharpened
from sqlbench.exceptions import ConfigError
from sqlbench.models.simulated.profile import Profile, load_profile

A = RepairAction
POINTS_AT: dict[str, RepairAction] = {
    "joins": A.FIX_TABLE,
    "keys": A.FIX_TABLE,
    "columns": A.FIX_COLUMN,
    "values": A.RELAX_FILTER,
    "conditions": A.RELAX_FILTER,
    "structure": A.ADD_GROUPBY,
    "request": A.REWRITE_CTE,
    "data": A.REWRITE_FULL,
    "result": A.REWRITE_FULL,
}
"""The arm at which each kind of signal points, most specific first: an assumption of this page."""


@dataclass(frozen=True)
class Failures:
    """How a model's first answers fail.

    Attributes
    ----------
    name : str
        Whose.
    accuracy : float
        The share of first answers that is right.
    classes : tuple of ErrorClass
        Of failing answers, which are drawn from with replacement.
    weights : ndarray of shape (n,)
        How likely each is drawn.
    signals : ndarray of shape (n, 14) or None
        The block ``signals`` of each, where it was measured.
    """

    name: str
    accuracy: float
    classes: tuple[ErrorClass, ...]
    weights: NDArray[np.float64]
    signals: NDArray[np.float64] | None = None

    @classmethod
    def of_profile(cls, name: str) -> Failures:
        """Return the failures of a simulator profile: classes alone."""
        profile = load_profile(name)
        shares = class_shares({str(c): v for c, v in profile.first_attempt.items()})  # type: ignore[misc]
        classes = tuple(ErrorClass(c) for c in shares)
        return cls(name, profile.success, classes, np.array(list(shares.values())))

    @classmethod
    def of_answers(cls, name: str, answers: FirstAnswers) -> Failures:
        """Return the failures among graded answers, each as likely as the others.

        Raises
        ------
        ConfigError
            If no answer is wrong.
        """
        rows = answers.failures
        if not len(rows):
            raise ConfigError(f"All {len(answers):,} answers of {name} are right: none to repair.")
        classes = tuple(c for c in answers.classes if c is not None)
        signals = None if answers.signals is None else answers.signals[rows]
        weights = np.full(len(rows), 1.0 / len(rows))
        return cls(name, float(answers.right.mean()), classes, weights, signals)

    @property
    def raised(self) -> float:
        """The share of failures that raised an error."""
        silent = ("empty_result", "wrong_result", "timeout")
        return float(self.weights[[c not in silent for c in self.classes]].sum())


def pointed_at(signals: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the place in `ARMS` at which each answer's signals point, -1 where none speaks."""
    found = np.full(len(signals), -1, dtype=np.intp)
    for kind, arm in reversed(POINTS_AT.items()):
        speaks = signals[:, SIGNAL_FEATURES.index(f"speaks={kind}")] > 0
        found[speaks] = ARMS.index(arm)
    return found


def make_world(
    failures: Failures,
    sharpness: float,
    rng: np.random.Generator,
    *,
    signals: bool = False,
    rows: int = 1000,
    samples: int = 20,
    profile: Profile | None = None,
) -> RepairTable:
    """Draw failing first answers, and what each arm would make of them (always simulated).

    Parameters
    ----------
    failures : Failures
        What is drawn from.
    sharpness : float
        Of the matrix, see `sqlbench.evidence.sensitivity.sharpened`.
    rng : Generator
        Draws rows and outcomes.
    signals : bool
        Whether the arm at which an answer's signals point changes places with the best arm of its
        class, where the answer raised nothing; the table then has the signals.
    rows, samples : int
        Of the table.
    profile : Profile or None
        Whose matrix it is; None takes `default`'s.

    Raises
    ------
    ConfigError
        If signals are asked for that were not measured.
    """
    if signals and failures.signals is None:
        raise ConfigError(f"The signals of {failures.name}'s answers were not measured.")
    weights = failures.weights / failures.weights.sum()
    drawn = rng.choice(len(failures.classes), size=rows, p=weights)
    classes = [failures.classes[i] for i in drawn]
    matrix = sharpened(profile or load_profile("default"), sharpness)
    expected = np.array([[matrix[str(c)][str(a)] for a in ARMS] for c in classes])
    block = None
    if signals:
        assert failures.signals is not None
        block = failures.signals[drawn]
        _turn(expected, classes, pointed_at(block))
    successes = rng.random((rows, len(ARMS), samples)) < expected[:, :, None]
    return RepairTable(
        name=f"{failures.name}, sharpness {sharpness:g}{', signals' if signals else ''}",
        arms=tuple(map(str, ARMS)),
        question_ids=tuple(f"q{i}" for i in range(rows)),
        db_ids=("simulated",) * rows,
        contexts=tuple(map(str, classes)),
        features=np.array([featurize(Context(c, 2)) for c in classes]),
        feature_names=FEATURE_NAMES,
        successes=successes,
        rewards=np.where(successes, 0.9, -0.2),
        simulated=True,
        model="simulated",
        rules=obvious_rules(),
        expected=expected,
        signals=block,
    )


def _turn(
    expected: NDArray[np.float64], classes: list[ErrorClass], pointed: NDArray[np.intp]
) -> None:
    """Let the arm that is pointed at and the best arm of a silent failure change places."""
    for i, (error_class, arm) in enumerate(zip(classes, pointed, strict=True)):
        if arm >= 0 and error_class in (ErrorClass.EMPTY_RESULT, ErrorClass.WRONG_RESULT):
            best = int(np.argmax(expected[i]))
            expected[i, [arm, best]] = expected[i, [best, arm]]


def shares_of(failures: Failures) -> Mapping[str, float]:
    """Return the share of each class among the failures, the commonest first."""
    shares: dict[str, float] = {}
    for error_class, weight in zip(failures.classes, failures.weights, strict=True):
        shares[str(error_class)] = shares.get(str(error_class), 0.0) + float(weight)
    total = sum(shares.values())
    return {c: s / total for c, s in sorted(shares.items(), key=lambda item: -item[1])}
