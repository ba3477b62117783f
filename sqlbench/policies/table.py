"""The lookup table that a contextual bandit must beat: the mean reward of each (class, arm)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS, RepairAction
from sqlbench.exceptions import ConfigError
from sqlbench.policies.base import ARM_INDEX
from sqlbench.policies.counting import CountingPolicy

# None (rows that nobody has judged) has a row of its own.
_ROW: dict[ErrorClass | None, int] = {c: i for i, c in enumerate((*ErrorClass, None))}


class TablePolicy(CountingPolicy):
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
        super().__init__((len(_ROW), len(ARMS)), epsilon)
        if not np.isfinite(optimism):
            raise ConfigError(f"optimism is a finite number, not {optimism!r}.")
        self.optimism = optimism

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return the mean reward of each arm for the context's error class, shape (8,)."""
        row = _ROW[context.error_class]
        scores: NDArray[np.float64] = (self.sums[row] + self.optimism) / (self.counts[row] + 1)
        return scores

    def update(self, context: Context, action: RepairAction, reward: float) -> None:
        """Learn that ``action``, chosen for the context's error class, brought ``reward``."""
        self.count((_ROW[context.error_class], ARM_INDEX[action]), reward)
