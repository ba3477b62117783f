"""A lookup table with partial pooling: each class's mean of an arm is drawn to the arm's mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import Context, parse_blocks
from sqlbench.episodes.repair import Arm
from sqlbench.exceptions import ConfigError
from sqlbench.policies.base import check_reward, take_arrays
from sqlbench.policies.counting import CountingPolicy
from sqlbench.policies.table import LEVELS, ROW, row_of

NOISE, SPREAD = 0.25, 0.05
"""The variances of a reward within a cell and of an arm's means over classes, before any data."""
WEIGHT = 4.0
"""How many observations those are worth."""


class PooledTablePolicy(CountingPolicy):
    """Choose the arm of the highest posterior mean + α·deviation, cells pooled by empirical Bayes.

    A cell is a class and an arm. Rewards in it are N(mean, σ²), its mean is N(μₐ, τ²) around the
    arm's, and that N(μ, τ²) around the mean of all rewards. σ² and τ² are estimated from the data
    by moments, so the table shrinks much where classes are alike or data are few, and hardly where
    they differ.

    Parameters
    ----------
    alpha : float
        How many deviations the bound lies above the mean.
    epsilon : float
        The share of uniform choice that is mixed in.
    features : str
        The blocks of features that are seen: ``class``, or ``class,signals``.
    arms : str
        See `sqlbench.policies.base.ScoredPolicy`.

    References
    ----------
    B. Efron, C. Morris: Stein's estimation rule and its competitors. JASA 68, 1973; variances by
    moments after R. DerSimonian, N. Laird: Meta-analysis in clinical trials, 1986. Bounds from a
    hierarchical posterior: J. Hong, B. Kveton, M. Zaheer, M. Ghavamzadeh: Hierarchical Bayesian
    bandits. AISTATS 2022.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        epsilon: float = 0.0,
        features: str = "class",
        arms: str = "",
    ) -> None:
        self.blocks = parse_blocks(features, type(self).__name__)
        super().__init__(len(ROW) * (LEVELS if "signals" in self.blocks else 1), epsilon, arms)
        if not (alpha >= 0 and np.isfinite(alpha)):
            raise ConfigError(f"alpha is a number of at least 0, not {alpha!r}.")
        self.alpha = alpha
        self.squares = np.zeros_like(self.sums)

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return the upper bound of each arm in the context's class, shape (K,)."""
        row = row_of(context, self.blocks)
        means, variances = pooled(
            self.counts[None], self.sums[None], self.squares[None], np.array([row])
        )
        bound: NDArray[np.float64] = (means + self.alpha * np.sqrt(variances))[0]
        return bound

    def update(self, context: Context, action: Arm, reward: float) -> None:
        """Learn that ``action``, chosen for the context's class, brought ``reward``."""
        check_reward(reward)
        cell = row_of(context, self.blocks), self.index[action]
        self.count(cell, reward)
        self.squares[cell] += reward * reward

    def snapshot(self, progress: float = 0.0) -> Self:
        """Return an independent copy."""
        twin = super().snapshot(progress)
        twin.squares = self.squares.copy()
        return twin

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the counts, sums and sums of squares of each cell."""
        return {**super().state(), "squares": self.squares.copy()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises
        ------
        ConfigError
            If it was saved for other cells.
        """
        shape = self.counts.shape
        arrays = take_arrays(state, {"counts": shape, "sums": shape, "squares": shape})
        self.counts, self.sums, self.squares = (
            arrays[name] for name in ("counts", "sums", "squares")
        )


def pooled(
    counts: NDArray[np.float64],
    sums: NDArray[np.float64],
    squares: NDArray[np.float64],
    rows: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return posterior mean and variance of each arm in one row of each of S tables.

    Parameters
    ----------
    counts, sums, squares : ndarray of shape (S, rows, K)
        Of the rewards in each cell: how many, their sum, the sum of their squares.
    rows : ndarray of shape (S,)
        The row that is asked of each table.

    Returns
    -------
    tuple of ndarray of shape (S, K)
        The mean, and the variance of the cell's true mean.
    """
    n = np.maximum(counts, 1.0)
    means = sums / n
    within = (squares - sums * means).sum(axis=(1, 2))
    total, seen = counts.sum(axis=(1, 2)), counts > 0
    free = np.maximum(total - seen.sum(axis=(1, 2)), 0.0)
    noise = ((within + WEIGHT * NOISE) / (free + WEIGHT))[:, None]
    overall = (sums.sum(axis=(1, 2)) / np.maximum(total, 1.0))[:, None]
    per_arm = counts.sum(axis=1)
    arm_means = sums.sum(axis=1) / np.maximum(per_arm, 1.0)
    # Between classes, by moments (DerSimonian and Laird): Q = Σn(ȳ − ȳₐ)², and what it exceeds
    # its expectation without any spread by.
    q = (counts * (means - arm_means[:, None]) ** 2).sum(axis=(1, 2))
    degrees = (seen.sum(axis=1) - (per_arm > 0)).sum(axis=1)
    scale = (per_arm - (counts**2).sum(axis=1) / np.maximum(per_arm, 1.0)).sum(axis=1)
    excess = np.maximum(q - degrees * noise[:, 0], 0.0)
    spread = ((excess + WEIGHT * SPREAD) / (scale + WEIGHT))[:, None]
    # The arm's mean: each class's mean weighs 1 / (τ² + σ²/n).
    weights = np.where(seen, 1.0 / (spread[:, None] + noise[:, None] / n), 0.0)
    precision = weights.sum(axis=1) + 1.0 / spread
    centre = ((weights * means).sum(axis=1) + overall / spread) / precision
    chosen = np.arange(len(rows)), rows
    own = counts[chosen] / noise  # precision of the cell's own data
    pull = 1.0 / spread
    share = pull / (own + pull)
    mean = share * centre + (1.0 - share) * means[chosen]
    return mean, 1.0 / (own + pull) + share**2 / precision
