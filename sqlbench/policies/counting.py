"""What the policies that count share: how often each cell was tried, and the sum of its rewards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sqlbench.policies.base import ScoredPolicy, check_reward, take_arrays


class CountingPolicy(ScoredPolicy):
    """A policy whose knowledge is counts and sums; what a cell stands for is left to its children.

    Parameters
    ----------
    rows : int or None
        How many contexts are told apart: the arrays have a row for each; None for no rows.
    epsilon, arms
        See `ScoredPolicy`.
    """

    def __init__(self, rows: int | None = None, epsilon: float = 0.0, arms: str = "") -> None:
        super().__init__(epsilon, arms)
        shape = (len(self.choices),) if rows is None else (rows, len(self.choices))
        self.counts = np.zeros(shape)
        self.sums = np.zeros(shape)

    def count(self, cell: int | tuple[int, int], reward: float) -> None:
        """Add one reward to a cell."""
        check_reward(reward)
        self.counts[cell] += 1
        self.sums[cell] += reward

    def snapshot(self, progress: float = 0.0) -> Self:
        """Return an independent copy."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.counts, twin.sums = self.counts.copy(), self.sums.copy()
        return twin

    def state(self) -> dict[str, NDArray[Any]]:
        """Return how often each cell was tried, and the sums of its rewards."""
        return {"counts": self.counts.copy(), "sums": self.sums.copy()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned.

        Raises
        ------
        ConfigError
            If it was saved for other cells.
        """
        arrays = take_arrays(state, {"counts": self.counts.shape, "sums": self.sums.shape})
        self.counts, self.sums = arrays["counts"], arrays["sums"]
