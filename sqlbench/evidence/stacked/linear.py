"""Stacked linear policies: their core, linear Thompson sampling, linear ε-greedy.

What they see is rotated onto the span of the table's features: a ridge regression does not change
under rotation, and a table with nine kinds of context needs nine dimensions and not 23.
"""

from __future__ import annotations

import numpy as np

from sqlbench.evidence.repair_table import RepairTable
from sqlbench.evidence.stacked.base import Floats, Ints, StackedPolicy
from sqlbench.exceptions import ConfigError


class StackedLinear(StackedPolicy):
    """The core of the linear policies for many seeds: A⁻¹ and θ of each arm, (S, K, d, d).

    Parameters
    ----------
    table, seeds, epsilon
        See `StackedPolicy`.
    ridge : float
        λ: A⁻¹ starts as I/λ.
    features : str
        ``class`` (what the table knows of a row) or ``class,signals``.
    rotate : bool
        False where the policy changes under rotation.
    """

    def __init__(
        self,
        table: RepairTable,
        seeds: int,
        ridge: float = 1.0,
        epsilon: float = 0.0,
        features: str = "class",
        *,
        rotate: bool = True,
    ) -> None:
        super().__init__(table, seeds, epsilon)
        if not (ridge > 0 and np.isfinite(ridge)):
            raise ConfigError(f"ridge (λ) is a number above 0, not {ridge!r}.")
        signals = table.block(features, type(self).__name__)
        seen = table.features if signals is None else np.hstack([table.features, signals])
        self.inputs = rotated(seen) if rotate else seen
        d = self.inputs.shape[1]
        self.a_inv = np.tile(np.eye(d) / ridge, (seeds, self.n_arms, 1, 1))
        self.theta = np.zeros((seeds, self.n_arms, d))
        self._index = np.full(len(table.arms), -1)
        self._index[self.columns] = np.arange(self.n_arms)
        self._rows: Ints | None = None

    def means(self, x: Floats) -> Floats:
        """Return θᵀx of each arm, shape (S, K)."""
        means: Floats = np.matmul(self.theta, x[:, :, None])[:, :, 0]
        return means

    def widths(self, rows: Ints, x: Floats) -> Floats:
        """Return √(xᵀA⁻¹x) of each arm, shape (S, K); keeps A⁻¹x for `learn`."""
        s, d = x.shape
        flat = np.matmul(self.a_inv.reshape(s, -1, d), x[:, :, None])
        self._projected = flat.reshape(s, self.n_arms, d)
        self._rows = rows
        variances = np.matmul(self._projected, x[:, :, None])[:, :, 0]
        widths: Floats = np.sqrt(np.maximum(variances, 0.0))
        return widths

    def estimates(self, rows: Ints) -> Floats:
        """Return θᵀx."""
        return self.means(self.inputs[rows])

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Add one observation to the chosen arm of each seed (Sherman and Morrison, 1950)."""
        arms = self._index[chosen]
        x = self.inputs[rows]
        if self._rows is rows:
            projected = self._projected[self._all, arms]
        else:
            projected = np.matmul(self.a_inv[self._all, arms], x[:, :, None])[:, :, 0]
        denominator = 1.0 + np.einsum("sd,sd->s", x, projected)
        theta = self.theta[self._all, arms]
        surprise = rewards - np.einsum("sd,sd->s", x, theta)
        self.theta[self._all, arms] = theta + projected * (surprise / denominator)[:, None]
        half = projected / np.sqrt(denominator)[:, None]
        self.a_inv[self._all, arms] -= half[:, :, None] * half[:, None, :]
        self._rows = None


class StackedLinTS(StackedLinear):
    """`sqlbench.policies.lints` for many seeds: scores drawn from each arm's posterior.

    Parameters
    ----------
    table, seeds, ridge, epsilon, features
        See `StackedLinear`.
    v : float
        How wide the posterior is drawn.
    """

    needs_normals = True

    def __init__(
        self,
        table: RepairTable,
        seeds: int,
        v: float = 0.3,
        ridge: float = 1.0,
        epsilon: float = 0.0,
        features: str = "class",
    ) -> None:
        super().__init__(table, seeds, ridge, epsilon, features)
        if not (v >= 0 and np.isfinite(v)):
            raise ConfigError(f"v is a number of at least 0, not {v!r}.")
        self.v = v

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return θᵀx + v·√(xᵀA⁻¹x)·z with the standard normal numbers z."""
        assert normals is not None
        x = self.inputs[rows]
        return self.means(x) + self.v * self.widths(rows, x) * normals


class StackedEpsilonGreedy(StackedLinear):
    """`sqlbench.policies.epsilon_greedy` for many seeds.

    Parameters
    ----------
    table, seeds, ridge, epsilon, features
        See `StackedLinear`.
    """

    def __init__(
        self,
        table: RepairTable,
        seeds: int,
        epsilon: float = 0.1,
        ridge: float = 1.0,
        features: str = "class",
    ) -> None:
        super().__init__(table, seeds, ridge, epsilon, features)

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return θᵀx."""
        return self.estimates(rows)


def rotated(features: Floats) -> Floats:
    """Return the features in an orthonormal basis of their span: all inner products stay."""
    _, values, basis = np.linalg.svd(features, full_matrices=False)
    rank = int((values > values[0] * 1e-12).sum())
    turned: Floats = np.ascontiguousarray(features @ basis[:rank].T)
    return turned
