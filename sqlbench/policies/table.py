"""The lookup table that a contextual bandit must beat: the mean reward of each (class, arm)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sqlbench.context import Context
from sqlbench.errors import ErrorClass
from sqlbench.exceptions import ConfigError
from sqlbench.policies.base import ARM_INDEX, ScoredPolicy, check_reward, take_arrays
from sqlbench.repair import ARMS, RepairAction

# None (rows that nobody has judged) has a row of its own.
_ROW: dict[ErrorClass | None, int] = {c: i for i, c in enumerate((*ErrorClass, None))}


class TablePolicy(ScoredPolicy):
    """Choose the arm with the highest mean reward so far for this error class.

    Every cell starts with one imagined observation of the reward ``optimism``, which no arm can
    keep up: so each arm is tried for each class until its mean has fallen below the best
    (optimistic initial values: Sutton and Barto 2018, §2.6). Nothing of the context but the error
    class is used.

    Parameters
    ----------
    optimism : float
        The imagined first reward.
    epsilon : float
        The share of uniform choice that is mixed in.
    """

    def __init__(self, optimism: float = 1.0, epsilon: float = 0.0) -> None:
        super().__init__(epsilon)
        if not np.isfinite(optimism):
            raise ConfigError(f"optimism is a finite number, not {optimism!r}.")
        self.optimism = optimism
        self.counts = np.zeros((len(_ROW), len(ARMS)))
        self.sums = np.zeros((len(_ROW), len(ARMS)))

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return the mean reward of each arm for the context's error class, shape (8,)."""
        row = _ROW[context.error_class]
        scores: NDArray[np.float64] = (self.sums[row] + self.optimism) / (self.counts[row] + 1)
        return scores

    def update(self, context: Context, action: RepairAction, reward: float) -> None:
        """Learn that ``action``, chosen for the context's error class, brought ``reward``."""
        check_reward(reward)
        cell = _ROW[context.error_class], ARM_INDEX[action]
        self.counts[cell] += 1
        self.sums[cell] += reward

    def snapshot(self, progress: float = 0.0) -> Self:
        """Return an independent copy."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.counts, twin.sums = self.counts.copy(), self.sums.copy()
        return twin

    def state(self) -> dict[str, NDArray[Any]]:
        """Return how often each arm was tried for each class, and the sums of its rewards."""
        return {"counts": self.counts.copy(), "sums": self.sums.copy()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises
        ------
        ConfigError
            If it was saved for other classes or arms.
        """
        arrays = take_arrays(state, {"counts": self.counts.shape, "sums": self.sums.shape})
        self.counts, self.sums = arrays["counts"], arrays["sums"]
