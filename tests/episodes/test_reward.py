"""The reward table: every number of it."""

from __future__ import annotations

import math

import pytest

from sqlbench.episodes.errors import ErrorClass as E
from sqlbench.episodes.reward import clamp_score, compute_episode_reward, compute_reward


@pytest.mark.parametrize(
    ("attempt", "penalty", "reward"),
    [(1, 0.0, 1.0), (2, -0.1, 0.9), (3, -0.2, 0.8), (4, -0.3, 0.7), (5, -0.4, 0.6)],
)
def test_success_is_worth_less_the_later_it_comes(attempt, penalty, reward):
    got = compute_reward(True, attempt, None, E.SYNTAX_ERROR)
    assert (got.base, got.attempt_penalty) == (1.0, penalty)
    assert (got.severity_bonus, got.change_bonus) == (0.0, 0.0), "both are 0 on success"
    assert got.reward == reward


@pytest.mark.parametrize(
    ("attempt", "after", "before", "penalty", "severity_bonus", "change_bonus", "reward"),
    [
        # Attempt 1 has nothing before it.
        (1, E.OTHER, None, -0.05, 0.0, 0.0, -0.15),
        # The same class again earns nothing.
        (2, E.SYNTAX_ERROR, E.SYNTAX_ERROR, -0.1, 0.0, 0.0, -0.2),
        # Nearer to an answer (5 to 2), and another class.
        (2, E.NO_SUCH_COLUMN, E.SYNTAX_ERROR, -0.1, 0.2, 0.1, 0.1),
        # Further from it (1 to 6), and another class.
        (3, E.OTHER, E.WRONG_RESULT, -0.15, -0.1, 0.1, -0.25),
        # Another class as severe (2 and 2).
        (4, E.AMBIGUOUS_COLUMN, E.NO_SUCH_COLUMN, -0.2, 0.0, 0.1, -0.2),
        (5, E.EMPTY_RESULT, E.TIMEOUT, -0.25, 0.2, 0.1, -0.05),
        # Breaking a right answer: further from it, and no bonus for the change.
        (2, E.WRONG_RESULT, None, -0.1, -0.1, 0.0, -0.3),
    ],
)
def test_failure_pays_for_what_changed(
    attempt, after, before, penalty, severity_bonus, change_bonus, reward
):
    got = compute_reward(False, attempt, after, before)
    assert got.base == -0.1
    assert got.attempt_penalty == penalty
    assert (got.severity_bonus, got.change_bonus) == (severity_bonus, change_bonus)
    assert got.reward == reward


def test_episode_total_is_the_sum_and_half_a_point_for_the_outcome():
    assert compute_episode_reward([-0.15, 0.9], success=True) == 1.25
    assert compute_episode_reward([-0.15, -0.2], success=False) == -0.85


@pytest.mark.parametrize(
    ("score", "clamped"),
    [
        (0.0, 0.05), (1.0, 0.95), (0.4, 0.4), (None, 0.05),
        (math.nan, 0.05), (-math.inf, 0.05), (math.inf, 0.95),
    ],
)  # fmt: skip
def test_scores_stay_strictly_inside_the_unit_interval(score, clamped):
    assert clamp_score(score) == clamped


def test_a_failure_without_its_class_is_refused():
    with pytest.raises(ValueError, match="error class"):
        compute_reward(False, 1, None)
    with pytest.raises(ValueError, match="counted from 1"):
        compute_reward(True, 0)
