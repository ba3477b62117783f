"""LinUCB that is charged for tokens: it learns the reward minus λ times what a call used."""

from __future__ import annotations

import numpy as np

from sqlbench.exceptions import ConfigError
from sqlbench.policies.base import Policy
from sqlbench.policies.linucb import LinUCBPolicy

TOKENS = 1000
"""A price is for so many tokens, in and out together."""


class CostAwareLinUCBPolicy(LinUCBPolicy):
    """LinUCB on reward − λ·tokens: among arms that mend alike it prefers the one that costs less.

    The one-budget form of bandits with knapsacks, with a fixed multiplier in place of a learned
    one. The charge is taken off where a policy is taught (`sqlbench.policies.learning.learn`), so
    that the logged reward stays what it is and a log is enough to rebuild the policy.

    Parameters
    ----------
    price : float
        λ: the reward that a thousand tokens are worth, at least 0.
    alpha, decay, min_alpha, ridge, gamma, epsilon, features, arms
        See `LinUCBPolicy`.

    References
    ----------
    S. Agrawal, N. R. Devanur: Linear contextual bandits with knapsacks. NeurIPS 2016: there λ is
    learned from a budget, here it is given.
    """

    def __init__(
        self,
        price: float = 0.05,
        alpha: float = 1.5,
        decay: float = 0.995,
        min_alpha: float = 0.3,
        ridge: float = 1.0,
        gamma: float = 1.0,
        epsilon: float = 0.0,
        features: str = "class",
        arms: str = "",
    ) -> None:
        super().__init__(alpha, decay, min_alpha, ridge, gamma, epsilon, features, arms)
        if not (price >= 0 and np.isfinite(price)):
            raise ConfigError(f"price is a number of at least 0, not {price!r}.")
        self.price = price


def price_of(policy: Policy) -> float:
    """Return what a policy is charged for a thousand tokens; most are charged nothing."""
    return float(getattr(policy, "price", 0.0))
