"""Sequential halving for many seeds."""

from __future__ import annotations

import numpy as np

from sqlbench.evidence.repair_table import RepairTable
from sqlbench.evidence.stacked.base import Floats, Ints, StackedPolicy
from sqlbench.policies.halving import OUT, HalvingPolicy, better_half, tries


class StackedHalving(StackedPolicy):
    """`sqlbench.policies.halving` for many seeds.

    Parameters
    ----------
    table, seeds, epsilon
        See `StackedPolicy`.
    budget : float
        How many repairs the search may take.
    """

    def __init__(
        self, table: RepairTable, seeds: int, budget: float = 400.0, epsilon: float = 0.0
    ) -> None:
        super().__init__(table, seeds, epsilon)
        HalvingPolicy(budget)  # refuses what is no budget
        self.budget = budget
        self._place = np.full(len(table.arms), -1)
        self._place[self.columns] = np.arange(self.n_arms)
        self.counts = np.zeros((seeds, self.n_arms))
        self.sums = np.zeros_like(self.counts)
        self.left = np.ones_like(self.counts, dtype=bool)
        self.target = np.full(seeds, float(tries(self.n_arms, self.n_arms, budget)))

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return, for the arms that are left, minus how often each was tried."""
        return np.where(self.left, -self.counts, OUT)

    def estimates(self, rows: Ints) -> Floats:
        """Return the mean of each arm that is left."""
        return np.where(self.left, self.sums / np.maximum(self.counts, 1.0), OUT)

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Count; the last trial of a round ends it."""
        place = self._place[chosen]
        self.counts[self._all, place] += 1
        self.sums[self._all, place] += rewards
        short = (self.left & (self.counts < self.target[:, None])).any(axis=1)
        for s in np.flatnonzero(~short & (self.left.sum(axis=1) > 1)):
            means = self.sums[s] / np.maximum(self.counts[s], 1.0)
            kept = better_half(np.flatnonzero(self.left[s]), means)
            self.left[s] = False
            self.left[s, kept] = True
            self.target[s] += tries(len(kept), self.n_arms, self.budget)
