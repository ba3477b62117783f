"""LinUCB with hybrid linear models (Li, Chu, Langford and Schapire 2010, algorithm 2).

An arm's reward is zᵀβ + xᵀθₐ: β is shared by all arms and learned from every repair, θₐ is the
arm's own. Shared is how an arm stands to the context (is it the one that the error's name suggests,
has it just failed here?) and all of the context that works alike whatever the arm; an arm's own are
the error's class and the signals. So there is half as much to learn for each arm, and a class of
error that is new is met with what all the others taught.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import Context, feature_names, featurize, parse_blocks
from sqlbench.episodes.repair import Arm, RepairAction
from sqlbench.exceptions import ConfigError
from sqlbench.policies.base import ScoredPolicy, check_reward, take_arrays
from sqlbench.policies.blas import rank_one
from sqlbench.policies.linear import check_features
from sqlbench.policies.linucb import check_bound
from sqlbench.policies.simple import OBVIOUS_ARM

SHARED = ("obvious", "failed_before", "failed_here")
"""How an arm stands to the context: features of both, shared by all arms."""
COMMON = frozenset(
    {"attempt", "error_changed", "consecutive", *(f"previous={arm}" for arm in RepairAction)}
)
"""The features of a context that no arm has coefficients of its own for."""


class HybridLinUCBPolicy(ScoredPolicy):
    """Choose the arm of the highest bound zᵀβ + xᵀθₐ + α·s, with the width s of algorithm 2.

    Algorithm 2 keeps A₀, b₀ and for each arm Aₐ, Bₐ, bₐ. That is block elimination in one ridge
    regression on the vector that holds z, and x in the arm's own place (0 in the others'); here its
    inverse is kept whole, and updated by Sherman–Morrison: the same numbers.

    Parameters
    ----------
    alpha, decay, min_alpha : float
        The width of the bound, what it is multiplied by after every episode that had a repair, and
        its floor.
    ridge : float
        λ of the arms' own coefficients. (Algorithm 2 has λ = 1.)
    shared : float
        λ of the shared coefficients.
    epsilon : float
        The share of uniform choice that is mixed in.
    features : str
        The blocks of features that are seen: ``class``, or ``class,signals``.
    arms : str
        See `sqlbench.policies.base.ScoredPolicy`.

    References
    ----------
    L. Li, W. Chu, J. Langford, R. E. Schapire: A contextual-bandit approach to personalized news
    article recommendation. WWW 2010, algorithm 2.
    """

    # The best of some settings on seeds from 1000 on (docs/policies-and-evidence.md).
    ALPHA, DECAY, MIN_ALPHA, RIDGE, SHARED_RIDGE = 1.0, 1.0, 0.3, 5.0, 5.0

    def __init__(
        self,
        alpha: float = ALPHA,
        decay: float = DECAY,
        min_alpha: float = MIN_ALPHA,
        ridge: float = RIDGE,
        shared: float = SHARED_RIDGE,
        epsilon: float = 0.0,
        features: str = "class",
        arms: str = "",
    ) -> None:
        super().__init__(epsilon, arms)
        self.blocks = parse_blocks(features, type(self).__name__)
        check_bound(alpha, decay, min_alpha)
        for name, value in (("ridge", ridge), ("shared", shared)):
            if not (value > 0 and np.isfinite(value)):
                raise ConfigError(f"{name} (λ) is a number above 0, not {value!r}.")
        self.alpha, self.decay, self.min_alpha = alpha, decay, min(min_alpha, alpha)
        names = feature_names(self.blocks)
        own = [i for i, name in enumerate(names) if name not in COMMON]
        self._own = np.array(own)
        self.d, self.k = len(own), len(SHARED) + len(names)
        size = self.k + len(self.choices) * self.d
        inverse = np.full(size, 1.0 / ridge)
        inverse[: self.k] = 1.0 / shared
        self.a_inv = np.diag(inverse)
        self.theta = np.zeros(size)
        rank_one()

    def means_and_widths(self, context: Context) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the estimate of each arm and its width s, both of shape (K,)."""
        x = featurize(context, self.blocks)
        z, x = self.shared_features(context, x), x[self._own]
        k, d, n = self.k, self.d, len(self.choices)
        means = z @ self.theta[:k] + self.theta[k:].reshape(n, d) @ x
        across = self.a_inv[k:, :k].reshape(n, d, k)
        own = np.einsum("aiaj->aij", self.a_inv[k:, k:].reshape(n, d, n, d))
        variances = ((z @ self.a_inv[:k, :k]) * z).sum(axis=1)
        variances += 2.0 * ((x @ across) * z).sum(axis=1)
        variances += (own @ x) @ x
        return means, np.sqrt(np.maximum(variances, 0.0))

    def shared_features(self, context: Context, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return z of each arm, shape (K, k): how it stands to the context, then the context."""
        z = np.zeros((len(self.choices), self.k))
        z[:, len(SHARED) :] = x
        obvious = self.index.get(OBVIOUS_ARM[context.error_class])
        if obvious is not None:
            z[obvious, 0] = 1.0
        before = context.previous_action
        if before is not None and before in self.index:
            z[self.index[before], 1] = 1.0
            z[self.index[before], 2] = float(not context.error_changed)
        return z

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return the upper confidence bound of each arm, shape (K,)."""
        means, widths = self.means_and_widths(context)
        return means + self.alpha * widths

    def update(self, context: Context, action: Arm, reward: float) -> None:
        """Learn that ``action``, chosen in ``context``, brought ``reward``.

        Raises
        ------
        ValueError
            If the reward or a feature is not finite.
        """
        check_reward(reward)
        x = featurize(context, self.blocks)
        arm = self.index[action]
        place = self.k + arm * self.d
        joint = np.zeros(len(self.theta))
        joint[: self.k] = self.shared_features(context, x)[arm]
        joint[place : place + self.d] = x[self._own]
        projected = self.a_inv.dot(joint)
        quadratic = float(joint.dot(projected))
        check_features(quadratic, x)
        surprise = reward - float(self.theta.dot(joint))
        self.theta += projected * (surprise / (1.0 + quadratic))
        projected *= 1.0 / math.sqrt(1.0 + quadratic)
        rank_one()(-1.0, projected, projected, a=self.a_inv.T, overwrite_a=1)

    def end_episode(self) -> None:
        """Let α decay."""
        self.alpha = max(self.min_alpha, self.alpha * self.decay)

    def snapshot(self, progress: float = 0.0) -> Self:
        """Return an independent copy."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.a_inv, twin.theta = self.a_inv.copy(), self.theta.copy()
        return twin

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the joint A⁻¹ and coefficients, and α."""
        return {
            "a_inv": self.a_inv.copy(),
            "theta": self.theta.copy(),
            "alpha": np.array([self.alpha]),
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises
        ------
        ConfigError
            If it was saved for other features or arms.
        """
        shapes = {name: array.shape for name, array in self.state().items()}
        arrays = take_arrays(state, shapes)
        self.a_inv, self.theta = arrays["a_inv"], arrays["theta"]
        self.alpha = float(arrays["alpha"][0])
