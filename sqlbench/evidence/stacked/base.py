"""The contract of a stacked policy, and the policies that learn nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sqlbench.evidence.repair_table import RESAMPLE, RepairTable
from sqlbench.exceptions import ConfigError
from sqlbench.policies.base import TIE_TOLERANCE

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


class StackedPolicy:
    """A policy in S copies, a copy a seed, over the choices of one table.

    Parameters
    ----------
    table : RepairTable
        Whose rows are decided on.
    seeds : int
        S.
    epsilon : float
        The share of uniform choice that is mixed in.
    """

    needs_normals = False

    def __init__(self, table: RepairTable, seeds: int, epsilon: float = 0.0) -> None:
        if not 0.0 <= epsilon <= 1.0:
            raise ConfigError(f"epsilon is a probability from 0 to 1, not {epsilon!r}.")
        self.table, self.seeds, self.epsilon = table, seeds, epsilon
        self.columns = np.array([table.arms.index(a) for a in table.choices])
        self.n_arms = len(self.columns)
        self._all = np.arange(seeds)

    @property
    def rewards(self) -> Floats:
        """What it learns from: the table's rewards, shape (n, arms, samples)."""
        return self.table.rewards

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return the score of each choice for one row a seed, shape (S, K)."""
        raise NotImplementedError

    def estimates(self, rows: Ints) -> Floats:
        """Return what the policy would go by if it explored no more, shape (S, K)."""
        return self.scores(rows)

    def select(self, rows: Ints, uniforms: Floats, normals: Floats | None = None) -> Ints:
        """Choose for one row a seed: columns of the table, shape (S,). Ties are uniform."""
        scores = self.scores(rows, normals)
        best = scores >= scores.max(axis=1, keepdims=True) - TIE_TOLERANCE
        counts = best.sum(axis=1)
        place = np.zeros(self.seeds, dtype=np.intp)
        if self.epsilon < 1:
            share = np.maximum(uniforms - self.epsilon, 0.0) / (1 - self.epsilon)
            place = np.minimum((share * counts).astype(np.intp), counts - 1)
        chosen = np.argmax(np.cumsum(best, axis=1) > place[:, None], axis=1)
        if self.epsilon:
            anyhow = np.minimum(uniforms / self.epsilon * self.n_arms, self.n_arms - 1)
            chosen = np.where(uniforms < self.epsilon, anyhow.astype(np.intp), chosen)
        columns: Ints = self.columns[chosen]
        return columns

    def settled(self, rows: Ints) -> Floats:
        """Return the probability of each of the table's arms without exploration, (S, arms)."""
        scores = self.estimates(rows)
        best = (scores >= scores.max(axis=1, keepdims=True) - TIE_TOLERANCE).astype(float)
        full = np.zeros((self.seeds, len(self.table.arms)))
        full[:, self.columns] = best / best.sum(axis=1, keepdims=True)
        return full

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Learn one outcome a seed; ``chosen`` are columns of the table."""


class StackedStatic(StackedPolicy):
    """Chooses by a fixed matrix of scores: `random`, `rules`, `fixed:ARM`, `resample`, `oracle`.

    Parameters
    ----------
    table, seeds, epsilon
        See `StackedPolicy`.
    matrix : ndarray of shape (n, arms)
        A score for each row and arm of the table.
    """

    def __init__(
        self, table: RepairTable, seeds: int, matrix: Floats, epsilon: float = 0.0
    ) -> None:
        super().__init__(table, seeds, epsilon)
        if RESAMPLE in table.arms and matrix[:, table.arms.index(RESAMPLE)].any():
            self.columns = np.arange(len(table.arms))
            self.n_arms = len(table.arms)
        self.matrix = matrix[:, self.columns]

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return the rows' scores."""
        scores: Floats = self.matrix[rows]
        return scores
