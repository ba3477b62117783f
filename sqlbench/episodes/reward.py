"""The reward of an attempt and of an episode, always with its breakdown."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sqlbench.episodes.errors import ErrorClass, severity

SCORE_MIN, SCORE_MAX = 0.05, 0.95
EPISODE_BONUS = 0.5


@dataclass(frozen=True, slots=True)
class RewardBreakdown:
    """The four components of an attempt's reward; `reward` is their sum."""

    base: float
    attempt_penalty: float
    severity_bonus: float
    change_bonus: float

    @property
    def reward(self) -> float:
        """The sum of the four, free of the dust of binary fractions."""
        total = self.base + self.attempt_penalty + self.severity_bonus + self.change_bonus
        return round(total, 10)


def compute_reward(
    success: bool,
    attempt: int,
    error_class: ErrorClass | None = None,
    previous_error_class: ErrorClass | None = None,
) -> RewardBreakdown:
    """Compute the reward of one attempt.

    Success at attempt t: base 1.0 and a penalty of −0.1·(t−1). Failure: base −0.1, a penalty of
    −0.05·t and, from attempt 2 on, +0.2 if the error is less severe than the one before, −0.1 if
    it is more severe, and +0.1 if its class changed. Breaking a right answer
    (``feedback="always"``) counts as more severe, and earns nothing for the change.

    Parameters
    ----------
    success : bool
        Whether the result is right.
    attempt : int
        1 to 5.
    error_class : ErrorClass or None
        How this attempt failed; None on success.
    previous_error_class : ErrorClass or None
        How the attempt before it failed; None if there was none or it was right.

    Returns
    -------
    RewardBreakdown
        The four components.

    Raises
    ------
    ValueError
        If the attempt is below 1, or a failure comes without its class.
    """
    if attempt < 1:
        raise ValueError(f"An attempt is counted from 1, not {attempt}.")
    if success:
        return RewardBreakdown(1.0, round(-0.1 * (attempt - 1), 10), 0.0, 0.0)
    if error_class is None:
        raise ValueError("A failed attempt needs its error class.")
    severity_bonus = change_bonus = 0.0
    if attempt > 1:
        before = severity(previous_error_class) if previous_error_class else 0
        after = severity(error_class)
        severity_bonus = 0.2 if after < before else -0.1 if after > before else 0.0
        if previous_error_class and error_class != previous_error_class:
            change_bonus = 0.1
    return RewardBreakdown(-0.1, round(-0.05 * attempt, 10), severity_bonus, change_bonus)


def compute_episode_reward(rewards: Iterable[float], success: bool) -> float:
    """Sum the attempts' rewards, and add 0.5 for a success or take 0.5 for a failure."""
    total = math.fsum(rewards) + (EPISODE_BONUS if success else -EPISODE_BONUS)
    return round(total, 10)


def clamp_score(score: float | None) -> float:
    """Clamp a score to [0.05, 0.95]: None, NaN and −∞ give 0.05, +∞ gives 0.95."""
    if score is None or math.isnan(score):
        return SCORE_MIN
    return min(max(score, SCORE_MIN), SCORE_MAX)
