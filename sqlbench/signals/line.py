"""The straight line beside the trees: a logit that grows with each signal, and what is unknown.

Trees fit the databases that they learn from better than others; a strongly shrunk line (ridge, le
Cessie and van Houwelingen 1992) carries over, and the two together more than either.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# So many standard deviations from the mean a signal counts as no further.
FAR = 4.0
# Of so many answers a signal has to be unknown before that itself says something.
_UNKNOWN = 0.01

Floats = NDArray[np.float64]


class Line(NamedTuple):
    """Coefficients of standardized signals.

    Attributes
    ----------
    columns : array of int16, shape (columns,)
        The inputs that are read.
    center, spread : array of float32, shape (columns,)
        Mean and standard deviation of each where it is known.
    slope : array of float32, shape (columns,)
        What a standard deviation above the mean adds to the logit.
    unknown : array of float32, shape (columns,)
        What is added where the input is unknown.
    """

    columns: NDArray[np.int16]
    center: NDArray[np.float32]
    spread: NDArray[np.float32]
    slope: NDArray[np.float32]
    unknown: NDArray[np.float32]

    def logit(self, inputs: Floats) -> Floats:
        """Return what the inputs add to the logit, shape (answers,); NaN where unknown."""
        read = inputs[:, self.columns]
        steps = standardized(read, self.center, self.spread)
        told: Floats = steps @ self.slope.astype(float)
        told += np.isnan(read) @ self.unknown.astype(float)
        return told


def standardized(
    read: NDArray[np.floating], center: NDArray[np.floating], spread: NDArray[np.floating]
) -> Floats:
    """Return standard deviations from the mean, at most `FAR`, and 0 where nothing is known."""
    steps = (np.asarray(read, float) - center) / spread
    return np.where(np.isnan(steps), 0.0, np.clip(steps, -FAR, FAR))


def no_line() -> Line:
    """Return a line that reads nothing."""
    none = np.zeros(0, np.float32)
    return Line(np.zeros(0, np.int16), none, none, none, none)


class Standard(NamedTuple):
    """How columns were standardized, and which of them are unknown often enough to say so."""

    center: NDArray[np.float32]
    spread: NDArray[np.float32]
    unknown: NDArray[np.bool_]

    @classmethod
    def of(cls, read: NDArray[np.float32]) -> Standard:
        """Return it of what is learned from, shape (answers, columns)."""
        known = ~np.isnan(read)
        count = np.maximum(known.sum(axis=0), 1)
        center = np.where(known, read, 0).sum(axis=0, dtype=float) / count
        squares = np.where(known, (read - center) ** 2, 0).sum(axis=0, dtype=float)
        spread = np.sqrt(squares / count)
        spread[spread < 1e-5] = 1.0  # the same in all answers
        unknown = (~known).mean(axis=0) > _UNKNOWN
        return cls(center.astype(np.float32), spread.astype(np.float32), unknown)

    def design(self, read: NDArray[np.float32]) -> Floats:
        """Return what a linear model is learned on, shape (answers, columns + unknown ones)."""
        steps = standardized(read, self.center, self.spread)
        return np.hstack([steps, np.isnan(read[:, self.unknown])])

    def line(self, columns: NDArray[np.intp], coefficients: Floats) -> Line:
        """Return the line of a linear model that was learned on `design`."""
        size = len(self.center)
        unknown = np.zeros(size, np.float32)
        unknown[self.unknown] = coefficients[size:]
        slope = coefficients[:size].astype(np.float32)
        return Line(columns.astype(np.int16), self.center, self.spread, slope, unknown)
