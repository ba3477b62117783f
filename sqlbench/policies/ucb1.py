"""UCB1: what a bandit without context can do (Auer, Cesa-Bianchi and Fischer 2002)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import Context
from sqlbench.episodes.repair import Arm
from sqlbench.exceptions import ConfigError
from sqlbench.policies.counting import CountingPolicy

# The score of an arm that was never tried: finite, because scores are logged as JSON.
UNTRIED = 1e6


class UCB1Policy(CountingPolicy):
    """Choose the arm of the highest mean + c·√(2 ln t / n), after every arm was tried once.

    Parameters
    ----------
    c : float
        The range of the rewards that the bound is meant for; here they span about 1.
    epsilon, arms
        See `ScoredPolicy`.

    References
    ----------
    P. Auer, N. Cesa-Bianchi, P. Fischer: Finite-time analysis of the multiarmed bandit problem.
    Machine Learning 47, 2002, figure 1.
    """

    def __init__(self, c: float = 1.0, epsilon: float = 0.0, arms: str = "") -> None:
        super().__init__(None, epsilon, arms)
        if not (c >= 0 and np.isfinite(c)):
            raise ConfigError(f"c is a number of at least 0, not {c!r}.")
        self.c = c

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return the upper confidence bound of each arm, whatever the context, shape (K,)."""
        tried = self.counts > 0
        n = np.where(tried, self.counts, 1.0)
        spread = 2 * math.log(max(self.counts.sum(), 1.0))
        return np.where(tried, self.sums / n + self.c * np.sqrt(spread / n), UNTRIED)

    def update(self, context: Context, action: Arm, reward: float) -> None:
        """Learn that ``action`` brought ``reward``."""
        self.count(self.index[action], reward)
