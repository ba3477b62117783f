"""The contract of a policy, which chooses the repair prompt that is tried next."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import Context
from sqlbench.episodes.repair import ARMS, RepairAction
from sqlbench.exceptions import ConfigError

ARM_INDEX: dict[RepairAction, int] = {arm: i for i, arm in enumerate(ARMS)}

# Scores this close are a tie: equal arms may differ by the order in which BLAS adds.
TIE_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy chose, and how.

    Attributes
    ----------
    action : RepairAction or "generate"
        The arm chosen; ``generate`` is no arm (a new answer from scratch): it is not learned from.
    scores : dict of str to float
        A score for every arm, in the policy's own terms (UCB for LinUCB).
    propensity : float
        The probability with which the policy chose this action in this context.
    """

    action: RepairAction | Literal["generate"]
    scores: dict[str, float]
    propensity: float


class Policy(Protocol):
    """Chooses a repair from the context, and learns from the rewards that choices brought.

    `select` never changes the policy: all randomness comes from ``rng``, so a snapshot gives the
    same choice whenever it is asked. `update` is called once for each repair step when its
    episode ends, then `end_episode` once for each episode that had a repair. `snapshot` returns
    an independent copy. `state` and `load_state` carry everything that was learned; loading a
    state of another shape raises `ConfigError`. A non-finite reward raises `ValueError`.
    """

    @property
    def spec(self) -> str:
        """The string that makes this policy anew."""
        ...

    def select(self, context: Context, rng: np.random.Generator) -> Decision:
        """Choose an arm for a context."""
        ...

    def update(self, context: Context, action: RepairAction, reward: float) -> None:
        """Learn that ``action``, chosen in ``context``, brought ``reward``."""
        ...

    def end_episode(self) -> None:
        """Note that an episode with at least one repair is over."""
        ...

    def snapshot(self, progress: float = 0.0) -> Self:
        """Return a copy for an episode that starts at this share of the experiment."""
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what was learned, as named arrays."""
        ...

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned."""
        ...


class ScoredPolicy(ABC):
    """A policy that scores every arm, and turns scores into exact probabilities.

    Parameters
    ----------
    epsilon : float
        The share of uniform choice that is mixed in, from 0 to 1. Off-policy estimators need it:
        a deterministic policy's logs give no propensities.
    """

    def __init__(self, epsilon: float = 0.0) -> None:
        if not 0.0 <= epsilon <= 1.0:
            raise ConfigError(f"epsilon is a probability from 0 to 1, not {epsilon!r}.")
        self.epsilon = epsilon
        self.spec = type(self).__name__

    @abstractmethod
    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return the score of each arm, shape (8,)."""

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return the exact probability of each arm, shape (8,): ties are shared equally."""
        scores = self._checked_scores(context)
        best: NDArray[np.float64] = np.where(scores >= scores.max() - TIE_TOLERANCE, 1.0, 0.0)
        best *= (1 - self.epsilon) / best.sum()
        return best + self.epsilon / len(ARMS)

    def select(self, context: Context, rng: np.random.Generator) -> Decision:
        """Choose an arm for a context."""
        scores = self._checked_scores(context).tolist()
        chosen, propensity = choose(scores, self.epsilon, rng.random())
        return Decision(ARMS[chosen], dict(zip(ARMS, scores, strict=True)), propensity)

    def _checked_scores(self, context: Context) -> NDArray[np.float64]:
        """Return the scores, if they are a number for each arm."""
        scores = np.asarray(self.scores(context), dtype=float)
        if scores.shape != (len(ARMS),) or np.isnan(scores).any():
            raise ConfigError(
                f"The policy {type(self).__name__} gave the scores {scores.tolist()}: expected "
                f"{len(ARMS)} numbers, one for each arm, and nan is none. Look at its scores(), "
                "and at what it divides by."
            )
        return scores

    def update(self, context: Context, action: RepairAction, reward: float) -> None:
        """Learn nothing, but refuse what no policy could learn from."""
        check_reward(reward)

    def end_episode(self) -> None:  # noqa: B027 - most policies have nothing to do here
        """Do nothing."""

    def snapshot(self, progress: float = 0.0) -> Self:
        """Return itself: nothing is ever learned."""
        return self

    def state(self) -> dict[str, NDArray[Any]]:
        """Return no arrays: nothing is ever learned."""
        return {}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned."""
        take_arrays(state, {})


def choose(scores: list[float], epsilon: float, uniform: float) -> tuple[int, float]:
    """Choose the best arm, ties uniformly, or with probability ``epsilon`` any arm uniformly.

    On eight numbers a list is several times quicker than an array.

    Parameters
    ----------
    scores : list of float
        One for each arm.
    epsilon : float
        The share of uniform choice.
    uniform : float
        A random number in [0, 1): the only one that a choice takes.

    Returns
    -------
    tuple of int and float
        The arm's index, and the exact probability with which it is chosen.
    """
    for score in scores:
        if score != score:
            raise ConfigError(
                f"A policy gave the scores {scores}: expected a number for each of the arms, and "
                "nan is none. Look at what its scores() divides by."
            )
    threshold = max(scores) - TIE_TOLERANCE
    best = [i for i, score in enumerate(scores) if score >= threshold]
    if uniform < epsilon:
        chosen = _slot(uniform / epsilon, len(scores))
    else:
        chosen = best[_slot((uniform - epsilon) / (1 - epsilon), len(best))]
    greedy = (1 - epsilon) / len(best) if chosen in best else 0.0
    return chosen, greedy + epsilon / len(scores)


def _slot(share: float, n: int) -> int:
    return min(int(share * n), n - 1)  # a share below 1 may round to 1


def check_reward(reward: float) -> None:
    """Refuse a reward that is not finite, before it poisons an estimate.

    Raises
    ------
    ValueError
        If it is NaN or infinite.
    """
    if not math.isfinite(reward):
        raise ValueError(f"A reward must be a finite number, not {reward!r}.")


def take_arrays(
    state: Mapping[str, NDArray[Any]], expected: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[Any]]:
    """Return copies of a saved state's arrays after checking their names and shapes.

    Raises
    ------
    ConfigError
        If an array is missing, unknown, of another shape, or not finite.
    """
    if set(state) != set(expected):
        raise ConfigError(
            f"The saved policy holds {sorted(state) or 'no arrays'}; "
            f"expected {sorted(expected) or 'none'}."
        )
    for name, shape in expected.items():
        if state[name].shape != shape:
            raise ConfigError(
                f"The saved policy's {name!r} has shape {state[name].shape}; expected {shape}."
            )
        if not np.isfinite(state[name]).all():
            raise ConfigError(f"The saved policy's {name!r} holds values that are not finite.")
    return {name: np.array(state[name]) for name in expected}
