"""Forgetting, for a world that changes: ridge regression with discounted observations.

An observation that lies n updates back weighs γⁿ, whichever arm it belongs to, so that an arm that
was not tried for long becomes uncertain, and is tried again (Russac, Vernade and Cappé 2019:
D-LinUCB, here with the one confidence width of LinUCB).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqlbench.exceptions import ConfigError
from sqlbench.policies.base import check_reward
from sqlbench.policies.linear import LinearArms, check_features


class DiscountedArms(LinearArms):
    """Linear arms whose observations fade: A ← γA + (1 − γ)λI, b ← γb before each new one.

    The ridge does not fade, so A can always be inverted; A⁻¹ is computed anew at each update (0.3
    ms instead of 10 µs), because a discount is no change of rank one.

    Parameters
    ----------
    n_arms, dimension, ridge
        See `LinearArms`.
    gamma : float
        γ in (0, 1]: the memory is about 1/(1 − γ) repairs long.

    References
    ----------
    Y. Russac, C. Vernade, O. Cappé: Weighted linear bandits for non-stationary environments.
    NeurIPS 2019.
    """

    def __init__(self, n_arms: int, dimension: int, ridge: float = 1.0, gamma: float = 1.0) -> None:
        super().__init__(n_arms, dimension, ridge)
        if not 0 < gamma <= 1:
            raise ConfigError(f"gamma is a factor above 0 and at most 1, not {gamma!r}.")
        self.gamma = gamma
        self.a = np.repeat(np.eye(dimension)[None] * ridge, n_arms, axis=0)

    def update(self, arm: int, x: NDArray[np.float64], reward: float) -> None:
        """Let all observations fade, and add one.

        Raises
        ------
        ValueError
            If the reward or a feature is not finite.
        """
        check_reward(reward)
        check_features(float(x @ x), x)
        self.a *= self.gamma
        self.a += (1 - self.gamma) * self.ridge * np.eye(self.dimension)
        self.b *= self.gamma
        self.a[arm] += np.multiply.outer(x, x)
        self.b[arm] += reward * x
        self.a_inv = np.linalg.inv(self.a).astype(np.float64, copy=False)
        self.theta = np.einsum("kij,kj->ki", self.a_inv, self.b)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `load_state` takes."""
        return {**super().state(), "a": self.a.copy()}
