"""Find the best arm within a budget, then stay with it: sequential halving."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import Context
from sqlbench.episodes.repair import Arm
from sqlbench.exceptions import ConfigError
from sqlbench.policies.base import take_arrays
from sqlbench.policies.counting import CountingPolicy

OUT = -1e6
"""The score of an arm that is out: finite, because scores are logged as JSON."""


class HalvingPolicy(CountingPolicy):
    """Try the arms that are left equally often, drop the worse half, until one is left.

    There are ⌈log₂ K⌉ rounds, and the budget is shared among them alike: in a round each arm that
    is left is tried ⌊budget / (arms left · rounds)⌋ times (at least once), whatever the context.
    Arms are compared by the mean of all their rewards so far. Afterwards the one that is left is
    chosen always. Where one arm is best for all that can be seen, this spends no more than it must
    on finding it; where the classes differ it cannot tell.

    Parameters
    ----------
    budget : float
        How many repairs the search may take.
    epsilon, arms
        See `sqlbench.policies.base.ScoredPolicy`.

    References
    ----------
    Z. Karnin, T. Koren, O. Somekh: Almost optimal exploration in multi-armed bandits. ICML 2013,
    algorithm 1; there a round's own rewards decide it, here all so far.
    """

    def __init__(self, budget: float = 400.0, epsilon: float = 0.0, arms: str = "") -> None:
        super().__init__(None, epsilon, arms)
        if not (budget >= 1 and np.isfinite(budget)):
            raise ConfigError(f"budget is a number of at least 1, not {budget!r}.")
        self.budget = budget
        n = len(self.choices)
        self.left = np.ones(n, dtype=np.float64)
        self.target = np.array([float(tries(n, n, budget))])

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return, for the arms that are left, minus how often each was tried, shape (K,)."""
        return np.where(self.left > 0, -self.counts, OUT)

    def update(self, context: Context, action: Arm, reward: float) -> None:
        """Learn that ``action`` brought ``reward``; the last of a round ends it."""
        self.count(self.index[action], reward)
        left = np.flatnonzero(self.left)
        if len(left) == 1 or (self.counts[left] < self.target[0]).any():
            return
        kept = better_half(left, self.sums / np.maximum(self.counts, 1.0))
        self.left[:] = 0.0
        self.left[kept] = 1.0
        self.target += tries(len(kept), len(self.choices), self.budget)

    def snapshot(self, progress: float = 0.0) -> Self:
        """Return an independent copy."""
        twin = super().snapshot(progress)
        twin.left, twin.target = self.left.copy(), self.target.copy()
        return twin

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what was counted, which arms are left, and when the round ends."""
        return {**super().state(), "left": self.left.copy(), "target": self.target.copy()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises
        ------
        ConfigError
            If it was saved for other arms.
        """
        shapes = {name: array.shape for name, array in self.state().items()}
        for name, array in take_arrays(state, shapes).items():
            setattr(self, name, array)


def tries(left: int, arms: int, budget: float) -> int:
    """Return how often each arm is tried in a round that begins with so many left."""
    return max(int(budget / (left * math.ceil(math.log2(arms)))), 1)


def better_half(left: NDArray[np.intp], means: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the ⌈n/2⌉ arms of the highest means among those left; ties go to the first."""
    order = np.argsort(-means[left], kind="stable")
    kept: NDArray[np.intp] = left[order[: (len(left) + 1) // 2]]
    return kept
