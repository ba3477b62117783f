"""Forgetting, for a world that changes: ridge regression with discounted observations.

An observation that lies n updates back weighs γⁿ, whichever arm it belongs to, so that an arm that
was not tried for long becomes uncertain, and is tried again (Russac, Vernade and Cappé 2019:
D-LinUCB, here with the one confidence width of LinUCB).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sqlbench.exceptions import ConfigError
from sqlbench.policies.base import check_reward, take_arrays
from sqlbench.policies.blas import rank_one
from sqlbench.policies.linear import LinearArms, check_features

FLOOR = 0.05
"""The share of the ridge below which it does not fade."""
FOLD = 1e3
"""The weight that is taken into the arrays."""


class DiscountedArms(LinearArms):
    """Linear arms whose observations fade: A ← γA, b ← γb before each new one.

    Without a ridge A could not be inverted once everything is forgotten, and adding (1 − γ)λI back
    at each update is no change of low rank. So the ridge fades with the rest, and is made anew a
    coordinate of an arm at a time, in turn: cyclic resetting, O(d²) where an inversion is O(d³). It
    is made so large that its mean over a turn is λ. With r coordinates an update it never falls
    below λ·γ^(Kd/r); r is the least with which that is λ·`FLOOR` or more (see `resets`).

    The arrays are kept as if nothing faded and each new observation weighed 1/γ times the one
    before it, which is the same but for a factor and spares touching every arm.

    Parameters
    ----------
    n_arms, dimension, ridge
        See `LinearArms`.
    gamma : float
        γ in (0, 1]: the memory is about 1/(1 − γ) repairs long.

    Attributes
    ----------
    weight : float
        What the newest observation weighs: A⁻¹ is ``a_inv * weight``, b is ``b / weight``.
    updates : int
        How many there were.
    level, at : list
        For each coordinate of each arm the ridge that it was given last, and after which update.
    whole : float
        What it is given: so much that the mean over a turn is λ.
    turn : int
        The place in ``level`` whose turn is next.

    References
    ----------
    Y. Russac, C. Vernade, O. Cappé: Weighted linear bandits for non-stationary environments.
    NeurIPS 2019. B. Lai, D. S. Bernstein: Exponential resetting and cyclic resetting recursive
    least squares. IEEE Control Systems Letters 7, 2023.
    """

    def __init__(self, n_arms: int, dimension: int, ridge: float = 1.0, gamma: float = 1.0) -> None:
        super().__init__(n_arms, dimension, ridge)
        self.gamma, self.resets = gamma, resets(gamma, n_arms * dimension)
        self.weight, self.turn, self.updates = 1.0, 0, 0
        self.whole = ridge * whole_share(gamma, n_arms * dimension)
        self.level = [float(ridge)] * (n_arms * dimension)
        self.at = [0] * (n_arms * dimension)

    def widths(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return √(xᵀA⁻¹x) for each arm, shape (K,)."""
        return super().widths(x) * math.sqrt(self.weight)

    def update(self, arm: int, x: NDArray[np.float64], reward: float) -> None:
        """Let all observations fade, and add one.

        Raises
        ------
        ValueError
            If the reward or a feature is not finite.
        """
        check_reward(reward)
        weight = self.weight / self.gamma
        a_inv, b = self.a_inv[arm], self.b[arm]
        projected = a_inv.dot(x)
        quadratic = weight * float(x.dot(projected))
        check_features(quadratic, x)
        self.weight = weight
        self.updates += 1
        projected *= math.sqrt(weight / (1.0 + quadratic))
        rank_one()(-1.0, projected, projected, a=a_inv.T, overwrite_a=1)
        b += (weight * reward) * x
        a_inv.dot(b, out=self.theta[arm])
        for _ in range(self.resets):
            self._reset(self.turn)
            self.turn = (self.turn + 1) % len(self.at)
        if weight > FOLD:
            self._fold()

    def _reset(self, place: int) -> None:
        """Make an arm's ridge at one coordinate anew: A += c·eᵢeᵢᵀ, and b stays."""
        arm, i = divmod(place, self.dimension)
        a_inv, theta = self.a_inv[arm], self.theta[arm]
        left = self.level[place] * self.gamma ** (self.updates - self.at[place])
        added = (self.whole - left) * self.weight
        factor = math.sqrt(added / (1.0 + added * a_inv.item(i, i)))
        column = a_inv[i] * factor  # A⁻¹ is symmetric, and a row is quicker to read
        rank_one()(-1.0, column, column, a=a_inv.T, overwrite_a=1)
        column *= factor * theta.item(i)
        theta -= column
        self.level[place], self.at[place] = self.whole, self.updates

    def _fold(self) -> None:
        """Take the weight into the arrays, before it overflows, and make A⁻¹ symmetric again.

        What is skew in it grows with the weight, and no update takes it back.
        """
        self.a_inv = (self.a_inv + self.a_inv.transpose(0, 2, 1)) * (0.5 * self.weight)
        self.b /= self.weight
        self.weight = 1.0

    def copy(self) -> Self:
        """Return an independent copy."""
        twin = super().copy()
        twin.level, twin.at = self.level.copy(), self.at.copy()
        return twin

    def state(self) -> dict[str, NDArray[Any]]:
        """Return A⁻¹, b and θ as they are, without the weight, and how old each ridge is."""
        return {
            "a_inv": self.a_inv * self.weight,
            "b": self.b / self.weight,
            "theta": self.theta.copy(),
            "level": np.array(self.level),
            "age": np.array([self.updates - at for at in self.at], dtype=np.float64),
            "turn": np.array([float(self.turn)]),
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved arrays.

        Raises
        ------
        ConfigError
            If they do not fit this number of arms and features.
        """
        shapes = {name: array.shape for name, array in self.state().items()}
        arrays = take_arrays(state, shapes)
        self.a_inv, self.b, self.theta = (arrays[name] for name in ("a_inv", "b", "theta"))
        self.weight, self.updates = 1.0, 0
        self.level, self.at = arrays["level"].tolist(), [-int(age) for age in arrays["age"]]
        self.turn = int(arrays["turn"][0]) % len(self.at)


def whole_share(gamma: float, coordinates: int) -> float:
    """Return what a coordinate's ridge is made anew, in λ, so that its mean over a turn is λ."""
    turn = coordinates / resets(gamma, coordinates)
    return 1.0 if gamma == 1.0 else turn * (1.0 - gamma) / (1.0 - gamma**turn)


def resets(gamma: float, coordinates: int) -> int:
    """Return how many coordinates' ridge is made anew at each update.

    Parameters
    ----------
    gamma : float
        γ.
    coordinates : int
        Of all arms together.

    Raises
    ------
    ConfigError
        If γ is no factor above 0 and at most 1.

    Examples
    --------
    >>> [resets(gamma, 8 * 23) for gamma in (0.995, 0.99, 0.97, 0.9)]
    [1, 1, 2, 7]
    """
    if not 0 < gamma <= 1:
        raise ConfigError(f"gamma is a factor above 0 and at most 1, not {gamma!r}.")
    return min(max(math.ceil(coordinates * math.log(gamma) / math.log(FLOOR)), 1), coordinates)
