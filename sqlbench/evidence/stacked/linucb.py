"""LinUCB for many seeds, with forgetting."""

from __future__ import annotations

import numpy as np

from sqlbench.evidence.repair_table import RepairTable
from sqlbench.evidence.stacked.base import Floats, Ints
from sqlbench.evidence.stacked.linear import StackedLinear
from sqlbench.policies.discounted import FOLD, resets, whole_share
from sqlbench.policies.linucb import check_bound


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
        `sqlbench.policies.discounted.DiscountedArms`.
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
        # The ridge comes back a coordinate at a time: with other coordinates it would be another.
        super().__init__(table, seeds, ridge, epsilon, features, rotate=gamma == 1.0)
        check_bound(alpha, decay, min_alpha)
        self.alpha, self.decay, self.min_alpha = alpha, decay, min(min_alpha, alpha)
        self.gamma = gamma
        self._weight, self._updates, self._turn = 1.0, 0, 0
        coordinates = self.n_arms * self.inputs.shape[1]
        self._level, self._at = [ridge] * coordinates, [0] * coordinates
        self._resets = resets(gamma, coordinates)
        self._whole = ridge * whole_share(gamma, coordinates)
        self._b = np.zeros_like(self.theta)

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return θᵀx + α·√(xᵀA⁻¹x)."""
        x = self.inputs[rows]
        width = self.alpha * float(np.sqrt(self._weight))
        return self.means(x) + width * self.widths(rows, x)

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Add one observation to each seed, and let α decay."""
        if self.gamma == 1.0:
            super().learn(rows, chosen, rewards)
        else:
            self._fade_and_learn(rows, chosen, rewards)
        self.alpha = max(self.min_alpha, self.alpha * self.decay)

    def _fade_and_learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Let all observations fade, then add one each seed: all seeds fade alike."""
        self._weight /= self.gamma
        self._updates += 1
        arms, x = self._index[chosen], self.inputs[rows]
        a_inv = self.a_inv[self._all, arms]
        projected = np.matmul(a_inv, x[:, :, None])[:, :, 0]
        quadratic = self._weight * np.einsum("sd,sd->s", x, projected)
        projected *= np.sqrt(self._weight / (1.0 + quadratic))[:, None]
        a_inv -= projected[:, :, None] * projected[:, None, :]
        self.a_inv[self._all, arms] = a_inv
        self._b[self._all, arms] += (self._weight * rewards)[:, None] * x
        self.theta[self._all, arms] = np.matmul(a_inv, self._b[self._all, arms][..., None])[..., 0]
        for _ in range(self._resets):
            self._reset(*divmod(self._turn, self.inputs.shape[1]))
            self._turn = (self._turn + 1) % len(self._at)
        if self._weight > FOLD:
            self.a_inv = (self.a_inv + self.a_inv.swapaxes(2, 3)) * (0.5 * self._weight)
            self._b /= self._weight
            self._weight = 1.0

    def _reset(self, arm: int, i: int) -> None:
        """Make an arm's ridge at coordinate i anew, in every seed."""
        place = arm * self.inputs.shape[1] + i
        left = self._level[place] * self.gamma ** (self._updates - self._at[place])
        added = (self._whole - left) * self._weight
        row = self.a_inv[:, arm, i]
        factor = np.sqrt(added / (1.0 + added * row[:, i]))
        column = row * factor[:, None]
        self.theta[:, arm] -= column * (factor * self.theta[:, arm, i])[:, None]
        self.a_inv[:, arm] -= column[:, :, None] * column[:, None, :]
        self._level[place], self._at[place] = self._whole, self._updates
