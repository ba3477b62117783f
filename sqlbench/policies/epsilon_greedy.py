"""Linear ε-greedy: the best estimate, and now and then any arm (Sutton and Barto 2018, §2.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import Context
from sqlbench.policies.linear import LinearPolicy


class EpsilonGreedyPolicy(LinearPolicy):
    """Choose the arm of the highest estimate θᵀx; with probability ε any arm, uniformly.

    Parameters
    ----------
    epsilon : float
        The share of uniform choice.
    ridge : float
        λ: A⁻¹ starts as I/λ.
    features : str
        The blocks of features that are seen: ``class``, or ``class,signals``.
    arms : str
        See `sqlbench.policies.base.ScoredPolicy`.

    References
    ----------
    R. S. Sutton, A. G. Barto: Reinforcement Learning, 2nd edition, 2018, §2.4; here with the
    ridge estimates of LinUCB.
    """

    def __init__(
        self,
        epsilon: float = 0.1,
        ridge: float = 1.0,
        features: str = "class",
        arms: str = "",
    ) -> None:
        super().__init__(ridge, epsilon, features, arms)

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return the estimated reward of each arm, shape (K,)."""
        return self.arms.means(self.vector(context))
