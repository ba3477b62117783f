"""The lookup table that a contextual bandit must beat: the mean reward of each (class, arm)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import Context, parse_blocks
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import Arm
from sqlbench.exceptions import ConfigError
from sqlbench.policies.counting import CountingPolicy

# None (rows that nobody has judged) has a row of its own.
ROW: dict[ErrorClass | None, int] = {c: i for i, c in enumerate((*ErrorClass, None))}
# With the signals each class has a row for little, some and much doubt: thirds.
LEVELS = 3


class TablePolicy(CountingPolicy):
    """Choose the arm with the highest mean reward so far for this error class.

    Every cell starts with one imagined observation of the reward ``optimism``, which no arm can
    keep up: so each arm is tried for each class until its mean has fallen below the best
    (optimistic initial values: Sutton and Barto 2018, §2.6). Nothing of the context but the error
    class is used, and of the signals, where they are asked for, the doubt in thirds.

    Parameters
    ----------
    optimism : float
        The imagined first reward.
    epsilon : float
        The share of uniform choice that is mixed in.
    features : str
        The blocks of features that are seen: ``class``, or ``class,signals``.
    arms : str
        See `ScoredPolicy`.
    """

    def __init__(
        self,
        optimism: float = 1.0,
        epsilon: float = 0.0,
        features: str = "class",
        arms: str = "",
    ) -> None:
        self.blocks = parse_blocks(features, type(self).__name__)
        super().__init__(len(ROW) * (LEVELS if "signals" in self.blocks else 1), epsilon, arms)
        if not np.isfinite(optimism):
            raise ConfigError(f"optimism is a finite number, not {optimism!r}.")
        self.optimism = optimism

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return the mean reward of each arm for the context's error class, shape (K,)."""
        row = row_of(context, self.blocks)
        scores: NDArray[np.float64] = (self.sums[row] + self.optimism) / (self.counts[row] + 1)
        return scores

    def update(self, context: Context, action: Arm, reward: float) -> None:
        """Learn that ``action``, chosen for the context's error class, brought ``reward``."""
        self.count((row_of(context, self.blocks), self.index[action]), reward)


def row_of(context: Context, blocks: tuple[str, ...]) -> int:
    """Return the row of a table of means: the error class, and with signals the third of doubt."""
    row = ROW[context.error_class]
    if "signals" not in blocks:
        return row
    if context.signals is None:
        raise ValueError("This context has no signals, and the policy's features ask for them.")
    return row * LEVELS + min(int(context.signals[0] * LEVELS), LEVELS - 1)
