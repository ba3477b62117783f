"""The pooled table for many seeds."""

from __future__ import annotations

import numpy as np

from sqlbench.evidence.repair_table import RepairTable
from sqlbench.evidence.stacked.base import Floats, Ints, StackedPolicy
from sqlbench.evidence.stacked.counting import cells_of
from sqlbench.exceptions import ConfigError
from sqlbench.policies.pooled import pooled


class StackedPooled(StackedPolicy):
    """`sqlbench.policies.pooled` for many seeds.

    Parameters
    ----------
    table, seeds, epsilon
        See `StackedPolicy`.
    alpha : float
        How many deviations the bound lies above the mean.
    features : str
        ``class`` (a row a context) or ``class,signals`` (three, by the doubt in thirds).
    """

    def __init__(
        self,
        table: RepairTable,
        seeds: int,
        alpha: float = 1.0,
        epsilon: float = 0.0,
        features: str = "class",
    ) -> None:
        super().__init__(table, seeds, epsilon)
        if not (alpha >= 0 and np.isfinite(alpha)):
            raise ConfigError(f"alpha is a number of at least 0, not {alpha!r}.")
        self._codes, cells = cells_of(table, features, type(self).__name__)
        self.alpha = alpha
        self._place = np.full(len(table.arms), -1)
        self._place[self.columns] = np.arange(self.n_arms)
        self.counts = np.zeros((seeds, cells, self.n_arms))
        self.sums, self.squares = np.zeros_like(self.counts), np.zeros_like(self.counts)

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return posterior mean + α·deviation in the rows' contexts."""
        means, variances = self._posterior(rows)
        bound: Floats = means + self.alpha * np.sqrt(variances)
        return bound

    def estimates(self, rows: Ints) -> Floats:
        """Return the posterior mean."""
        return self._posterior(rows)[0]

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Count."""
        cells = self._all, self._codes[rows], self._place[chosen]
        self.counts[cells] += 1
        self.sums[cells] += rewards
        self.squares[cells] += rewards * rewards

    def _posterior(self, rows: Ints) -> tuple[Floats, Floats]:
        return pooled(self.counts, self.sums, self.squares, self._codes[rows])
