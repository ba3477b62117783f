"""The core that the linear policies share: ridge regression for each arm, on vectors.

For arm a with inputs x and rewards r: A = λI + Σxxᵀ, b = Σrx, θ = A⁻¹b. A⁻¹ is kept, and updated by
Sherman–Morrison, so that neither a choice nor an update ever solves a system.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import Context, feature_names, featurize, parse_blocks
from sqlbench.episodes.repair import Arm
from sqlbench.exceptions import ConfigError
from sqlbench.policies.base import ScoredPolicy, check_reward, take_arrays
from sqlbench.policies.blas import rank_one


class LinearArms:
    """Ridge regressions for ``n_arms`` arms over ``dimension`` features, in stacked arrays.

    Parameters
    ----------
    n_arms, dimension : int
        K and d.
    ridge : float
        λ > 0; A⁻¹ starts as I/λ.

    Products are `ndarray.dot` and one BLAS call: at this size the ``@`` operator spends most of its
    time before it multiplies.

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
        rank_one()  # here, where it may take a while, and not in the midst of a run

    def means(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return θᵀx for each arm, shape (K,)."""
        means: NDArray[np.float64] = self.theta.dot(x)
        return means

    def widths(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return √(xᵀA⁻¹x) for each arm, shape (K,): one product for all of them."""
        projected = self.a_inv.reshape(-1, self.dimension).dot(x)
        variances: NDArray[np.float64]
        variances = projected.reshape(self.n_arms, self.dimension).dot(x)
        np.maximum(variances, 0.0, out=variances)
        return np.sqrt(variances, out=variances)

    def update(self, arm: int, x: NDArray[np.float64], reward: float) -> None:
        """Add one observation to an arm (Sherman and Morrison, 1950).

        Raises
        ------
        ValueError
            If the reward or a feature is not finite: one would poison A⁻¹ for good.
        """
        check_reward(reward)
        a_inv, b = self.a_inv[arm], self.b[arm]
        projected = a_inv.dot(x)
        quadratic = float(x.dot(projected))
        check_features(quadratic, x)
        # Both factors alike: A⁻¹ stays symmetric but for the last bit.
        projected *= 1.0 / math.sqrt(1.0 + quadratic)
        rank_one()(
            -1.0, projected, projected, a=a_inv.T, overwrite_a=1
        )  # A⁻¹ −= projected·projectedᵀ
        b += reward * x
        a_inv.dot(b, out=self.theta[arm])

    def copy(self) -> Self:
        """Return an independent copy."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(
            {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in self.__dict__.items()}
        )
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
        shapes = {name: array.shape for name, array in self.state().items()}
        for name, array in take_arrays(state, shapes).items():
            setattr(self, name, array)


class LinearPolicy(ScoredPolicy):
    """A policy that learns a `LinearArms`; how it scores the arms is left to its children.

    Parameters
    ----------
    ridge : float
        λ: A⁻¹ starts as I/λ.
    epsilon : float
        The share of uniform choice that is mixed in.
    features : str
        The blocks of features that are seen: ``class``, or ``class,signals``.
    arms : str
        See `ScoredPolicy`.
    """

    def __init__(
        self,
        ridge: float = 1.0,
        epsilon: float = 0.0,
        features: str = "class",
        arms: str = "",
    ) -> None:
        super().__init__(epsilon, arms)
        self.blocks = parse_blocks(features, type(self).__name__)
        self.arms = LinearArms(len(self.choices), len(feature_names(self.blocks)), ridge)

    def vector(self, context: Context) -> NDArray[np.float64]:
        """Return what the policy sees of a context, shape (d,)."""
        return featurize(context, self.blocks)

    def update(self, context: Context, action: Arm, reward: float) -> None:
        """Learn that ``action``, chosen in ``context``, brought ``reward``."""
        self.arms.update(self.index[action], self.vector(context), reward)

    def snapshot(self, progress: float = 0.0) -> Self:
        """Return an independent copy."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.arms = self.arms.copy()
        return twin

    def state(self) -> dict[str, NDArray[Any]]:
        """Return A⁻¹, b and θ."""
        return self.arms.state()

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises
        ------
        ConfigError
            If it was saved for other features or arms.
        """
        self.arms.load_state(state)


def check_features(quadratic: float, x: NDArray[np.float64]) -> None:
    """Refuse features that are not finite: xᵀA⁻¹x is finite exactly where all of them are.

    Raises
    ------
    ValueError
        If one is NaN or infinite.
    """
    if not math.isfinite(quadratic):
        raise ValueError(f"Features must be finite numbers, not {x.tolist()!r}.")
