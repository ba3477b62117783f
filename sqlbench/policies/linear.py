"""The core that the linear policies share: ridge regression for each arm, on vectors.

For arm a with inputs x and rewards r: A = λI + Σxxᵀ, b = Σrx, θ = A⁻¹b. A⁻¹ is kept, and updated by
Sherman–Morrison, so that neither a choice nor an update ever solves a system.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqlbench.exceptions import ConfigError
from sqlbench.policies.base import check_reward, take_arrays


class LinearArms:
    """Ridge regressions for ``n_arms`` arms over ``dimension`` features, in stacked arrays.

    Parameters
    ----------
    n_arms, dimension : int
        K and d.
    ridge : float
        λ > 0; A⁻¹ starts as I/λ.

    Attributes
    ----------
    a_inv : ndarray of shape (K, d, d)
        The inverse of each arm's matrix.
    b, theta : ndarray of shape (K, d)
        The reward-weighted sum of inputs, and the coefficients.
    """

    def __init__(self, n_arms: int, dimension: int, ridge: float = 1.0) -> None:
        if not (ridge > 0 and np.isfinite(ridge)):
            raise ConfigError(f"ridge (λ) is a number above 0, not {ridge!r}.")
        self.n_arms, self.dimension, self.ridge = n_arms, dimension, ridge
        self.a_inv = np.repeat(np.eye(dimension)[None] / ridge, n_arms, axis=0)
        self.b = np.zeros((n_arms, dimension))
        self.theta = np.zeros((n_arms, dimension))

    def means(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return θᵀx for each arm, shape (K,)."""
        return self.theta @ x

    def widths(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return √(xᵀA⁻¹x) for each arm, shape (K,): one product for all of them."""
        projected = self.a_inv.reshape(-1, self.dimension) @ x
        variances = projected.reshape(self.n_arms, self.dimension) @ x
        return np.sqrt(np.maximum(variances, 0.0))

    def update(self, arm: int, x: NDArray[np.float64], reward: float) -> None:
        """Add one observation to an arm (Sherman and Morrison, 1950).

        Raises
        ------
        ValueError
            If the reward or a feature is not finite: one would poison A⁻¹ for good.
        """
        check_reward(reward)
        if not np.isfinite(x).all():
            raise ValueError(f"Features must be finite numbers, not {x.tolist()!r}.")
        a_inv = self.a_inv[arm]
        projected = a_inv @ x
        a_inv -= np.multiply.outer(projected, projected / (1.0 + x @ projected))
        self.b[arm] += reward * x
        self.theta[arm] = a_inv @ self.b[arm]

    def copy(self) -> LinearArms:
        """Return an independent copy."""
        twin = LinearArms.__new__(LinearArms)
        twin.n_arms, twin.dimension, twin.ridge = self.n_arms, self.dimension, self.ridge
        twin.a_inv, twin.b, twin.theta = self.a_inv.copy(), self.b.copy(), self.theta.copy()
        return twin

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `load_state` takes."""
        return {"a_inv": self.a_inv.copy(), "b": self.b.copy(), "theta": self.theta.copy()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved arrays.

        Raises
        ------
        ConfigError
            If they do not fit this number of arms and features.
        """
        arrays = take_arrays(
            state, {name: getattr(self, name).shape for name in ("a_inv", "b", "theta")}
        )
        self.a_inv, self.b, self.theta = arrays["a_inv"], arrays["b"], arrays["theta"]
