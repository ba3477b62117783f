"""Hybrid LinUCB for many seeds."""

from __future__ import annotations

import numpy as np

from sqlbench.evidence.repair_table import RepairTable
from sqlbench.evidence.stacked.base import Floats, Ints, StackedPolicy
from sqlbench.evidence.stacked.linear import rotated
from sqlbench.policies.hybrid import COMMON, SHARED, HybridLinUCBPolicy


class StackedHybrid(StackedPolicy):
    """`sqlbench.policies.hybrid` for many seeds; every decision counts as an episode.

    The arm that the context suggests is that of the table's rules, where it has some; at a first
    repair no arm has failed before.

    Parameters
    ----------
    table, seeds, epsilon
        See `StackedPolicy`.
    alpha, decay, min_alpha, ridge, shared
        See `HybridLinUCBPolicy`.
    features : str
        ``class`` (what the table knows of a row) or ``class,signals``.
    """

    def __init__(
        self,
        table: RepairTable,
        seeds: int,
        alpha: float = HybridLinUCBPolicy.ALPHA,
        decay: float = HybridLinUCBPolicy.DECAY,
        min_alpha: float = HybridLinUCBPolicy.MIN_ALPHA,
        ridge: float = HybridLinUCBPolicy.RIDGE,
        shared: float = HybridLinUCBPolicy.SHARED_RIDGE,
        epsilon: float = 0.0,
        features: str = "class",
    ) -> None:
        super().__init__(table, seeds, epsilon)
        HybridLinUCBPolicy(alpha, decay, min_alpha, ridge, shared)  # refuses what is out of range
        self.alpha, self.decay, self.min_alpha = alpha, decay, min(min_alpha, alpha)
        signals = table.block(features, type(self).__name__)
        seen = table.features if signals is None else np.hstack([table.features, signals])
        own = [i for i, name in enumerate(table.feature_names) if name not in COMMON]
        own += range(len(table.feature_names), seen.shape[1])
        self._x, whole = rotated(seen[:, own]), rotated(seen)
        self._z = np.zeros((len(table), self.n_arms, len(SHARED) + whole.shape[1]))
        self._z[:, :, len(SHARED) :] = whole[:, None]
        for i, context in enumerate(table.contexts):
            arm = (table.rules or {}).get(context)
            self._z[i, [table.arms[c] == arm for c in self.columns], 0] = 1.0
        self._d, self._k = self._x.shape[1], self._z.shape[2]
        size = self._k + self.n_arms * self._d
        inverse = np.full(size, 1.0 / ridge)
        inverse[: self._k] = 1.0 / shared
        self.a_inv = np.tile(np.diag(inverse), (seeds, 1, 1))
        self.theta = np.zeros((seeds, size))
        self._place = np.full(len(table.arms), -1)
        self._place[self.columns] = np.arange(self.n_arms)

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return zᵀβ + xᵀθₐ + α·s."""
        x, z = self._x[rows], self._z[rows]
        s, k, d, n = self.seeds, self._k, self._d, self.n_arms
        across = self.a_inv[:, k:, :k].reshape(s, n, d, k)
        own = np.einsum("saiaj->saij", self.a_inv[:, k:, k:].reshape(s, n, d, n, d))
        variances = (np.matmul(z, self.a_inv[:, :k, :k]) * z).sum(axis=2)
        half = np.matmul(x[:, None, None, :], across)[:, :, 0]
        variances += 2.0 * (half * z).sum(axis=2)
        half = np.matmul(x[:, None, None, :], own)[:, :, 0]
        variances += np.matmul(half, x[:, :, None])[:, :, 0]
        bound: Floats = self._means(x, z) + self.alpha * np.sqrt(np.maximum(variances, 0.0))
        return bound

    def estimates(self, rows: Ints) -> Floats:
        """Return zᵀβ + xᵀθₐ."""
        return self._means(self._x[rows], self._z[rows])

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Add one observation to each seed (Sherman and Morrison, 1950), and let α decay."""
        arms = self._place[chosen]
        joint = np.zeros_like(self.theta)
        joint[:, : self._k] = self._z[rows, arms]
        at = self._k + arms[:, None] * self._d + np.arange(self._d)
        joint[self._all[:, None], at] = self._x[rows]
        projected = np.matmul(self.a_inv, joint[:, :, None])[:, :, 0]
        denominator = 1.0 + np.einsum("sd,sd->s", joint, projected)
        surprise = rewards - np.einsum("sd,sd->s", joint, self.theta)
        self.theta += projected * (surprise / denominator)[:, None]
        projected /= np.sqrt(denominator)[:, None]
        self.a_inv -= projected[:, :, None] * projected[:, None, :]
        self.alpha = max(self.min_alpha, self.alpha * self.decay)

    def _means(self, x: Floats, z: Floats) -> Floats:
        own = self.theta[:, self._k :].reshape(self.seeds, self.n_arms, self._d)
        shared = np.matmul(z, self.theta[:, : self._k, None])[:, :, 0]
        means: Floats = shared + np.matmul(own, x[:, :, None])[:, :, 0]
        return means
