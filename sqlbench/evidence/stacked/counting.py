"""Stacked policies that count: UCB1 and the lookup table."""

from __future__ import annotations

import numpy as np

from sqlbench.evidence.repair_table import RepairTable
from sqlbench.evidence.stacked.base import Floats, Ints, StackedPolicy
from sqlbench.exceptions import ConfigError
from sqlbench.policies.table import LEVELS


class StackedUCB1(StackedPolicy):
    """`sqlbench.policies.ucb1` for many seeds.

    Parameters
    ----------
    table, seeds, epsilon
        See `StackedPolicy`.
    c : float
        The range of the rewards that the bound is meant for.
    """

    def __init__(
        self, table: RepairTable, seeds: int, c: float = 1.0, epsilon: float = 0.0
    ) -> None:
        super().__init__(table, seeds, epsilon)
        if not (c >= 0 and np.isfinite(c)):
            raise ConfigError(f"c is a number of at least 0, not {c!r}.")
        self.c = c
        self.counts = np.zeros((seeds, len(table.arms)))
        self.sums = np.zeros((seeds, len(table.arms)))

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return mean + c·√(2 ln t / n), whatever the row."""
        counts, sums = self.counts[:, self.columns], self.sums[:, self.columns]
        tried = counts > 0
        n = np.where(tried, counts, 1.0)
        spread = 2 * np.log(np.maximum(counts.sum(axis=1, keepdims=True), 1.0))
        return np.where(tried, sums / n + self.c * np.sqrt(spread / n), 1e6)

    def estimates(self, rows: Ints) -> Floats:
        """Return the mean of each arm so far."""
        counts, sums = self.counts[:, self.columns], self.sums[:, self.columns]
        means: Floats = sums / np.maximum(counts, 1.0)
        return means

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Count."""
        self.counts[self._all, chosen] += 1
        self.sums[self._all, chosen] += rewards


def cells_of(table: RepairTable, features: str, asker: str) -> tuple[Ints, int]:
    """Return each row's cell in a lookup table, shape (n,), and how many cells there are.

    A cell is a context; with signals, a context and the doubt in thirds. ``asker`` is who is named
    where the table has no signals.
    """
    labels, codes = table.groups
    signals = table.block(features, asker)
    if signals is None:
        return codes, len(labels)
    level = np.minimum((signals[:, 0] * LEVELS).astype(np.intp), LEVELS - 1)
    return codes * LEVELS + level, len(labels) * LEVELS


class StackedTable(StackedPolicy):
    """`sqlbench.policies.table` for many seeds: a mean for each (context, arm).

    Parameters
    ----------
    table, seeds, epsilon
        See `StackedPolicy`.
    optimism : float
        The imagined first reward of every cell.
    features : str
        ``class`` (a row a context) or ``class,signals`` (three, by the doubt in thirds).
    """

    def __init__(
        self,
        table: RepairTable,
        seeds: int,
        optimism: float = 1.0,
        epsilon: float = 0.0,
        features: str = "class",
    ) -> None:
        super().__init__(table, seeds, epsilon)
        if not np.isfinite(optimism):
            raise ConfigError(f"optimism is a finite number, not {optimism!r}.")
        self._codes, cells = cells_of(table, features, type(self).__name__)
        self.optimism = optimism
        self.counts = np.zeros((seeds, cells, len(table.arms)))
        self.sums = np.zeros_like(self.counts)

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return the optimistic mean of each arm in the rows' contexts."""
        codes = self._codes[rows]
        sums, counts = self.sums[self._all, codes], self.counts[self._all, codes]
        scores: Floats = ((sums + self.optimism) / (counts + 1))[:, self.columns]
        return scores

    def estimates(self, rows: Ints) -> Floats:
        """Return the mean of each arm in the rows' contexts, drawn to its mean over all contexts.

        A context that was never seen has no mean of its own: there the arm's mean decides.
        """
        codes = self._codes[rows]
        sums, counts = self.sums[self._all, codes], self.counts[self._all, codes]
        overall = self.sums.sum(axis=1) / np.maximum(self.counts.sum(axis=1), 1.0)
        means: Floats = ((sums + overall) / (counts + 1))[:, self.columns]
        return means

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Count."""
        codes = self._codes[rows]
        self.counts[self._all, codes, chosen] += 1
        self.sums[self._all, codes, chosen] += rewards
