"""Stacked linear policies: LinUCB, linear Thompson sampling, linear ε-greedy.

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
    """

    def __init__(
        self,
        table: RepairTable,
        seeds: int,
        ridge: float = 1.0,
        epsilon: float = 0.0,
        features: str = "class",
    ) -> None:
        super().__init__(table, seeds, epsilon)
        if not (ridge > 0 and np.isfinite(ridge)):
            raise ConfigError(f"ridge (λ) is a number above 0, not {ridge!r}.")
        signals = table.block(features, type(self).__name__)
        self.inputs = rotated(
            table.features if signals is None else np.hstack([table.features, signals])
        )
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


class StackedLinUCB(StackedLinear):
    """`sqlbench.policies.linucb` for many seeds; every decision counts as an episode.

    Parameters
    ----------
    table, seeds, ridge, epsilon, features
        See `StackedLinear`.
    alpha, decay, min_alpha
        The width of the bound, what it is multiplied by after each decision, and its floor.
    gamma : float
        What an observation keeps of its weight at each later one, see
        `sqlbench.policies.discounted.DiscountedArms`; below 1 every arm's matrix is inverted anew
        at each decision, which takes about eight times as long.
    """

    def __init__(
        self,
        table: RepairTable,
        seeds: int,
        alpha: float = 1.5,
        decay: float = 0.995,
        min_alpha: float = 0.3,
        ridge: float = 1.0,
        gamma: float = 1.0,
        epsilon: float = 0.0,
        features: str = "class",
    ) -> None:
        super().__init__(table, seeds, ridge, epsilon, features)
        if not (alpha >= 0 and np.isfinite(alpha)):
            raise ConfigError(f"alpha is a number of at least 0, not {alpha!r}.")
        if not 0 < decay <= 1:
            raise ConfigError(f"decay is a factor above 0 and at most 1, not {decay!r}.")
        if not (min_alpha >= 0 and np.isfinite(min_alpha)):
            raise ConfigError(f"min_alpha is a number of at least 0, not {min_alpha!r}.")
        if not 0 < gamma <= 1:
            raise ConfigError(f"gamma is a factor above 0 and at most 1, not {gamma!r}.")
        self.alpha, self.decay, self.min_alpha = alpha, decay, min(min_alpha, alpha)
        self.gamma = gamma
        if gamma != 1.0:
            self._prior = ridge * np.eye(self.inputs.shape[1])
            self._a = np.tile(self._prior, (seeds, self.n_arms, 1, 1))
            self._b = np.zeros_like(self.theta)

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return θᵀx + α·√(xᵀA⁻¹x)."""
        x = self.inputs[rows]
        return self.means(x) + self.alpha * self.widths(rows, x)

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Add one observation to each seed, and let α decay."""
        if self.gamma == 1.0:
            super().learn(rows, chosen, rewards)
        else:
            self._fade_and_learn(rows, chosen, rewards)
        self.alpha = max(self.min_alpha, self.alpha * self.decay)

    def _fade_and_learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Let A ← γA + (1 − γ)λI and b ← γb for every arm, then add one observation each seed."""
        arms, x = self._index[chosen], self.inputs[rows]
        self._a *= self.gamma
        self._a += (1 - self.gamma) * self._prior
        self._b *= self.gamma
        self._a[self._all, arms] += x[:, :, None] * x[:, None, :]
        self._b[self._all, arms] += rewards[:, None] * x
        self.a_inv = np.linalg.inv(self._a).astype(np.float64, copy=False)
        self.theta = np.matmul(self.a_inv, self._b[..., None])[..., 0]


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
