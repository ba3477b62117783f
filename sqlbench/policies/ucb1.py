"""UCB1: what a bandit without context can do (Auer, Cesa-Bianchi and Fischer 2002)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sqlbench.context import Context
from sqlbench.exceptions import ConfigError
from sqlbench.policies.base import ARM_INDEX, ScoredPolicy, check_reward, take_arrays
from sqlbench.repair import ARMS, RepairAction

# The score of an arm that was never tried: finite, because scores are logged as JSON.
UNTRIED = 1e6


class UCB1Policy(ScoredPolicy):
    """Choose the arm of the highest mean + c·√(2 ln t / n), after every arm was tried once.

    Parameters
    ----------
    c : float
        The range of the rewards that the bound is meant for; here they span about 1.
    epsilon : float
        The share of uniform choice that is mixed in.

    References
    ----------
    P. Auer, N. Cesa-Bianchi, P. Fischer: Finite-time analysis of the multiarmed bandit problem.
    Machine Learning 47, 2002, figure 1.
    """

    def __init__(self, c: float = 1.0, epsilon: float = 0.0) -> None:
        super().__init__(epsilon)
        if not (c >= 0 and np.isfinite(c)):
            raise ConfigError(f"c is a number of at least 0, not {c!r}.")
        self.c = c
        self.counts = np.zeros(len(ARMS))
        self.sums = np.zeros(len(ARMS))

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return the upper confidence bound of each arm, whatever the context, shape (8,)."""
        tried = self.counts > 0
        n = np.where(tried, self.counts, 1.0)
        spread = 2 * math.log(max(self.counts.sum(), 1.0))
        return np.where(tried, self.sums / n + self.c * np.sqrt(spread / n), UNTRIED)

    def update(self, context: Context, action: RepairAction, reward: float) -> None:
        """Learn that ``action`` brought ``reward``."""
        check_reward(reward)
        self.counts[ARM_INDEX[action]] += 1
        self.sums[ARM_INDEX[action]] += reward

    def snapshot(self, progress: float = 0.0) -> Self:
        """Return an independent copy."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.counts, twin.sums = self.counts.copy(), self.sums.copy()
        return twin

    def state(self) -> dict[str, NDArray[Any]]:
        """Return how often each arm was tried, and the sums of its rewards."""
        return {"counts": self.counts.copy(), "sums": self.sums.copy()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises
        ------
        ConfigError
            If it was saved for other arms.
        """
        arrays = take_arrays(state, {"counts": self.counts.shape, "sums": self.sums.shape})
        self.counts, self.sums = arrays["counts"], arrays["sums"]
