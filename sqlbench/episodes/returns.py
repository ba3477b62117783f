"""What an episode pays to whom adds its rewards up, as trainers do.

An attempt has a value, an episode the best value of its attempts so far (`episode_value`), and a
step pays what it added to that. So what an episode returns is its value at its end, whatever came
before: a near miss pays once, the same again pays nothing, and a right answer is worth more than
everything that is wrong. It is the potential-based form of Ng, Harada and Russell (1999), with the
value as potential. Pure functions of scores: no episode is run here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from sqlbench.episodes.reward import clamp_score
from sqlbench.exceptions import UnknownNameError

REWARDS = ("gain", "final", "shaped", "score")
DEFAULT_REWARD = "gain"
LATER = 0.1  # what each attempt before it takes from a right answer
NEAR = 2 / 3  # of the task score of a wrong one, which is at most 0.75
MOST_WRONG = 0.5


class Attempt(Protocol):
    """What is paid for: `sqlbench.episodes.episode.Step` is one."""

    @property
    def success(self) -> bool:
        """Whether its result is right."""
        ...

    @property
    def score(self) -> float:
        """The task score in [0, 1]; 0 for an error."""
        ...

    @property
    def reward(self) -> float:
        """The shaped reward."""
        ...


def attempt_value(success: bool, score: float | None, attempt: int) -> float:
    """Return what an attempt is worth.

    Parameters
    ----------
    success : bool
        Whether its result is right.
    score : float or None
        The task score; of a right attempt it does not count.
    attempt : int
        From 1.

    Returns
    -------
    float
        1 − 0.1·(attempt − 1) if it is right, and never below what the best wrong one is worth; two
        thirds of the score if it is wrong, from 0 to 0.5.

    Raises
    ------
    ValueError
        If the attempt is below 1.
    """
    if attempt < 1:
        raise ValueError(f"An attempt is counted from 1, not {attempt}.")
    if success:
        return round(max(1.0 - LATER * (attempt - 1), MOST_WRONG + LATER / attempt), 10)
    if not score or math.isnan(score):  # as most wrong ones
        return 0.0
    return round(min(max(score * NEAR, 0.0), MOST_WRONG), 10)


def episode_value(attempts: Sequence[Attempt]) -> float:
    """Return the best value of an episode's attempts so far; 0 before the first."""
    values = (attempt_value(a.success, a.score, t) for t, a in enumerate(attempts, start=1))
    return max(values, default=0.0)


def paid(attempts: Sequence[Attempt], done: bool, reward: str = DEFAULT_REWARD) -> float:
    """Return what the last of an episode's attempts pays.

    Parameters
    ----------
    attempts : sequence of Attempt
        All so far, at least one.
    done : bool
        Whether the episode is over with the last.
    reward : {"gain", "final", "shaped", "score"}
        ``gain``: what it added to the episode's value. ``final``: the episode's value, once it is
        over, and 0 before. ``shaped``: the sum of its breakdown. ``score``: its clamped task
        score, which is not for adding up.

    Raises
    ------
    ValueError
        If there is no attempt.
    UnknownNameError
        If there is no such reward.
    """
    check_reward(reward)
    if not attempts:
        raise ValueError("There is nothing to pay for before the first attempt.")
    return _KINDS[reward](attempts, done)


def check_reward(name: str) -> None:
    """Refuse a reward that does not exist.

    Raises
    ------
    UnknownNameError
        If there is no such reward.
    """
    if name not in REWARDS:
        raise UnknownNameError("reward", name, REWARDS)


def _gain(attempts: Sequence[Attempt], done: bool) -> float:
    before, last = episode_value(attempts[:-1]), attempts[-1]
    value = attempt_value(last.success, last.score, len(attempts))
    return round(max(value - before, 0.0), 10)


def _final(attempts: Sequence[Attempt], done: bool) -> float:
    return episode_value(attempts) if done else 0.0


_KINDS: dict[str, Callable[[Sequence[Attempt], bool], float]] = {
    "gain": _gain,
    "final": _final,
    "shaped": lambda attempts, done: attempts[-1].reward,
    "score": lambda attempts, done: clamp_score(attempts[-1].score),
}
