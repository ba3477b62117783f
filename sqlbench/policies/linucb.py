"""LinUCB with disjoint linear models (Li, Chu, Langford and Schapire 2010, algorithm 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import Context
from sqlbench.exceptions import ConfigError
from sqlbench.policies.base import take_arrays
from sqlbench.policies.discounted import DiscountedArms
from sqlbench.policies.linear import LinearPolicy


class LinUCBPolicy(LinearPolicy):
    """Choose the arm of the highest upper confidence bound θᵀx + α·√(xᵀA⁻¹x).

    Parameters
    ----------
    alpha : float
        The width of the bound at the start.
    decay : float
        α is multiplied by this after every episode that had a repair.
    min_alpha : float
        α falls no lower than this.
    ridge : float
        λ: A⁻¹ starts as I/λ.
    gamma : float
        What an observation keeps of its weight at each later one; below 1 old ones are forgotten
        (see `DiscountedArms`).
    epsilon : float
        The share of uniform choice that is mixed in.
    features : str
        The blocks of features that are seen: ``class``, or ``class,signals``.
    arms : str
        See `sqlbench.policies.base.ScoredPolicy`.

    References
    ----------
    L. Li, W. Chu, J. Langford, R. E. Schapire: A contextual-bandit approach to personalized news
    article recommendation. WWW 2010, algorithm 1.
    """

    def __init__(
        self,
        alpha: float = 1.5,
        decay: float = 0.995,
        min_alpha: float = 0.3,
        ridge: float = 1.0,
        gamma: float = 1.0,
        epsilon: float = 0.0,
        features: str = "class",
        arms: str = "",
    ) -> None:
        super().__init__(ridge, epsilon, features, arms)
        check_bound(alpha, decay, min_alpha)
        self.alpha, self.decay = alpha, decay
        # A caller's α below the usual floor is meant: it stays where it is.
        self.min_alpha = min(min_alpha, alpha)
        if gamma != 1.0:
            self.arms = DiscountedArms(len(self.choices), self.arms.dimension, ridge, gamma)

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return the upper confidence bound of each arm, shape (K,)."""
        x = self.vector(context)
        return self.arms.means(x) + self.alpha * self.arms.widths(x)

    def end_episode(self) -> None:
        """Let α decay."""
        self.alpha = max(self.min_alpha, self.alpha * self.decay)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return A⁻¹, b, θ and α."""
        return {**self.arms.state(), "alpha": np.array([self.alpha])}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises
        ------
        ConfigError
            If it was saved for other features or arms.
        """
        rest = dict(state)
        alpha = take_arrays({k: rest.pop(k) for k in ("alpha",) if k in rest}, {"alpha": (1,)})
        self.arms.load_state(rest)
        self.alpha = float(alpha["alpha"][0])


def check_bound(alpha: float, decay: float, min_alpha: float) -> None:
    """Refuse what is no width of a bound.

    Raises
    ------
    ConfigError
        If one of them is out of its range.
    """
    if not (alpha >= 0 and np.isfinite(alpha)):
        raise ConfigError(f"alpha is a number of at least 0, not {alpha!r}.")
    if not 0 < decay <= 1:
        raise ConfigError(f"decay is a factor above 0 and at most 1, not {decay!r}.")
    if not (min_alpha >= 0 and np.isfinite(min_alpha)):
        raise ConfigError(f"min_alpha is a number of at least 0, not {min_alpha!r}.")
