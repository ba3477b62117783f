"""Random draws that are the same on every platform and version of Python.

Only ``random.Random(seed).random()`` is drawn from, which Python promises to keep stable, and
weights are made by division and addition alone, which every platform rounds alike.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, TypeVar

T = TypeVar("T")


class Dice:
    """Draws that depend on nothing but ``random()``."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed).random

    def below(self, n: int) -> int:
        """Draw one of 0 to n - 1."""
        return int(self.random() * n)

    def between(self, low: int, high: int) -> int:
        """Draw a whole number; both ends are included."""
        return low + self.below(high - low + 1)

    def chance(self, p: float) -> bool:
        """Be true with probability p."""
        return self.random() < p

    def pick(self, values: Sequence[T]) -> T:
        """Draw one of the values, all alike."""
        return values[self.below(len(values))]

    def maybe(self, value: T, p: float) -> T | None:
        """Return the value with probability p, or else None."""
        return value if self.chance(p) else None

    def shuffled(self, values: Iterable[T]) -> list[T]:
        """Return the values in another order."""
        result = list(values)
        for i in range(len(result) - 1, 0, -1):
            j = self.below(i + 1)
            result[i], result[j] = result[j], result[i]
        return result


class Weighted:
    """Values drawn with weights: given, or falling with rank as 1 / (rank + flat)."""

    def __init__(self, values: Sequence[Any], weights: Sequence[float]) -> None:
        self.values = values
        self.bounds = list(accumulate(weights))

    @classmethod
    def ranked(cls, values: Sequence[Any], flat: float = 1.0) -> Weighted:
        """Weigh each value by its rank alone."""
        return cls(values, [1 / (rank + flat) for rank in range(len(values))])

    def draw(self, dice: Dice) -> Any:
        """Draw one value."""
        at = bisect_right(self.bounds, dice.random() * self.bounds[-1])
        return self.values[min(at, len(self.values) - 1)]


def mixed(text: str) -> Weighted:
    """Parse ``"a 3, b 1"`` into weighted words."""
    pairs = [part.rsplit(" ", 1) for part in text.split(", ")]
    return Weighted([word for word, _ in pairs], [float(weight) for _, weight in pairs])
