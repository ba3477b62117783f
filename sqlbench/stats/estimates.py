"""Intervals, paired tests and the like, on plain arrays.

Intervals over independent trials are Wilson's (1927), bands over seeds are Student's. Episodes on
one question are not independent: what an interval over them is, and what is said of few clusters
or of such as are all alike, is the rule of `sqlbench.stats.intervals`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sqlbench.exceptions import ConfigError
from sqlbench.stats.intervals import (
    NORMAL,
    ROUGH,
    cluster_sums,
    difference_interval,
    mean_interval,
    ratio_interval,
    share_interval,
    students_t,
    wilson_of,
)

_ROUGH_MARK = " (rough)"
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its 95% interval: ``count`` of ``n``, from ``low`` to ``high``.

    ``clusters`` are the questions that the interval counts; 0 where it counts the ``n`` cases.
    """

    count: int
    n: int
    rate: float | None
    low: float | None
    high: float | None
    clusters: int = 0

    def __str__(self) -> str:
        if self.rate is None or self.low is None or self.high is None:
            return "—"
        return f"{self.rate:.1%} [{self.low:.1%}, {self.high:.1%}] ({self.count}/{self.n})"


def wilson(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a binomial share (Wilson 1927).

    Parameters
    ----------
    count, n : int
        Successes and trials, n > 0.
    confidence : float
        In (0, 1).
    """
    return wilson_of(count / n, n, confidence)


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval, from ``clusters`` clusters of ``n`` values; NaN is unknown."""

    estimate: float
    low: float
    high: float
    n: int
    clusters: int

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside the interval."""
        return self.low > 0 or self.high < 0

    @property
    def rough(self) -> bool:
        """Whether there is an interval, but of so few clusters that it can hold too little."""
        known = math.isfinite(self.low) or math.isfinite(self.high)
        return known and 0 < self.clusters < ROUGH

    @property
    def points(self) -> str:
        """A difference of shares in words: percentage points, with a sign."""
        text = points_text(self.estimate, self.low, self.high)
        return f"{text} points{_ROUGH_MARK if self.rough else ''}"

    def __str__(self) -> str:
        text = interval_text(self.estimate, self.low, self.high)
        return f"{text}{_ROUGH_MARK if self.rough else ''}"


def share_text(value: float, form: str = ".1%") -> str:
    """Return a number as it is shown, or that it is unknown."""
    return f"{value:{form}}" if math.isfinite(value) else "unknown"


def interval_text(value: float, low: float, high: float, form: str = ".1%") -> str:
    """Return an estimate with its interval, saying in words what of them is unknown."""
    if not math.isfinite(value):
        return "unknown"
    if not (math.isfinite(low) or math.isfinite(high)):
        return f"{value:{form}} [interval unknown]"
    return f"{value:{form}} [{share_text(low, form)}, {share_text(high, form)}]"


def points_text(value: float, low: float, high: float) -> str:
    """Return a difference of shares with its interval, in percentage points."""
    return interval_text(100 * value, 100 * low, 100 * high, "+.1f")


def clustered_ratio(
    numerator: ArrayLike,
    denominator: ArrayLike,
    clusters: Sequence[Any],
    confidence: float = 0.95,
) -> Interval:
    """Return Σnumerator / Σdenominator with its interval: a mean over a subset, for example.

    Where each is 0 or 1 and the first never without the second, it is a share of cases; where all
    denominators are 1, it is a mean.
    """
    columns = np.column_stack([numerator, denominator]).astype(float)
    top, bottom = columns[:, 0], columns[:, 1]
    sums = cluster_sums(columns, clusters)
    if np.isin(columns, (0.0, 1.0)).all() and (top <= bottom).all() and bottom.any():
        several = (sums[:, 1] > 0).sum() > 1
        ends = (
            share_interval(sums[:, 0], sums[:, 1], confidence) if several else (math.nan, math.nan)
        )
    elif len(bottom) and (bottom == 1).all():
        ends = mean_interval(sums[:, 0], sums[:, 1], confidence)
    else:
        ends = ratio_interval(sums[:, 0], sums[:, 1], confidence)
    total = float(bottom.sum())
    estimate = float(top.sum()) / total if total else math.nan
    return Interval(estimate, *ends, len(columns), len(sums))


def share(values: ArrayLike, clusters: Sequence[Any], confidence: float = 0.95) -> Interval:
    """Return the mean of values from 0 to 1 that are shares themselves, as pass@k is."""
    array = np.asarray(values, dtype=float)
    sums = cluster_sums(np.column_stack([array, np.ones(len(array))]), clusters)
    ends = (
        share_interval(sums[:, 0], sums[:, 1], confidence)
        if len(sums) > 1
        else (math.nan, math.nan)
    )
    return Interval(float(array.mean()), *ends, len(array), len(sums))


def difference_of_shares(
    columns: ArrayLike, clusters: Sequence[Any], confidence: float = 0.95
) -> Interval:
    """Return the difference of two shares whose cases need not be the same.

    Parameters
    ----------
    columns : array_like of shape (n, 4)
        Hits and cases of the first, hits and cases of the second; a row is on one cluster.
    clusters : sequence of length n
        The cluster of each row.
    confidence : float
        In (0, 1).
    """
    rows = np.asarray(columns, dtype=float)
    sums = cluster_sums(rows, clusters)
    ends = difference_interval(sums[:, [0, 2]], sums[:, [1, 3]], confidence)
    total = sums.sum(axis=0)
    known = total[1] > 0 and total[3] > 0
    estimate = float(total[0] / total[1] - total[2] / total[3]) if known else math.nan
    return Interval(estimate, *ends, len(rows), len(sums))


def gap_closed(columns: ArrayLike, clusters: Sequence[Any], confidence: float = 0.95) -> Interval:
    """Return the share of the gap between two shares that a third one closes.

    Parameters
    ----------
    columns : array_like of shape (n, 6)
        Hits and cases of the one that closes it, of the gap's lower end, and of its upper end; a
        row is on one cluster.
    clusters : sequence of length n
        The cluster of each row.
    confidence : float
        In (0, 1).

    Returns
    -------
    Interval
        Unknown where there is no gap for sure, and where all clusters are alike.
    """
    rows = np.asarray(columns, dtype=float)
    sums = cluster_sums(rows, clusters)
    hits, cases = sums[:, 0::2], sums[:, 1::2]
    if not len(sums) or not cases.sum(axis=0).all():
        return Interval(math.nan, math.nan, math.nan, len(rows), len(sums))
    shares = hits.sum(axis=0) / cases.sum(axis=0)
    # What each cluster adds to a share: the share, and by how much its own cases part from it.
    added = shares + (hits - shares * cases) / cases.mean(axis=0)
    closed, gap = added[:, 0] - added[:, 1], added[:, 2] - added[:, 1]
    whole = float(shares[2] - shares[1])
    estimate = float(shares[0] - shares[1]) / whole if whole else math.nan
    return Interval(estimate, *ratio_interval(closed, gap, confidence), len(rows), len(sums))


def paired_difference(
    treated: ArrayLike,
    control: ArrayLike,
    clusters: Sequence[Any],
    confidence: float = 0.95,
) -> Interval:
    """Return the mean of ``treated − control`` with its interval, by cluster.

    Where all values lie from 0 to 1 they are taken for shares.

    Raises
    ------
    ConfigError
        If the two do not pair.
    """
    a, b = np.asarray(treated, dtype=float), np.asarray(control, dtype=float)
    if a.shape != b.shape or len(a) != len(clusters):
        raise ConfigError(
            f"A paired difference needs pairs: {len(a)} values, {len(b)} values and "
            f"{len(clusters)} clusters do not match."
        )
    ones = np.ones(len(a))
    if len(a) and min(a.min(), b.min()) >= 0 and max(a.max(), b.max()) <= 1:
        return difference_of_shares(np.column_stack([a, ones, b, ones]), clusters, confidence)
    return clustered_ratio(a - b, ones, clusters, confidence)


@dataclass(frozen=True, slots=True)
class McNemar:
    """How often only one of two was right, and the exact p-value that this is chance."""

    n: int
    only_first: int
    only_second: int
    p_value: float


def mcnemar(first: ArrayLike, second: ArrayLike) -> McNemar:
    """Compare two classifiers on the same independent cases (McNemar 1947, exact binomial test).

    Cases must be independent: for several episodes on one question use `paired_difference`.

    Parameters
    ----------
    first, second : array_like of bool, shape (n,)
        Whether each was right.
    """
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape:
        raise ConfigError(f"McNemar's test needs pairs: {len(a)} and {len(b)} values.")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    discordant = only_a + only_b
    p = _sign_test(only_a, discordant)
    return McNemar(len(a), only_a, only_b, p)


def _sign_test(count: int, n: int) -> float:
    """Return the exact two-sided p-value of ``count`` of ``n`` at a chance of a half."""
    less = min(count, n - count)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(less + 1)) / (1 << n))


def pairs_needed(
    difference: float, discordant: float, confidence: float = 0.95, power: float = 0.8
) -> float:
    """Return how many independent pairs show a difference of shares (Connor 1987).

    Parameters
    ----------
    difference : float
        Between the two shares.
    discordant : float
        The share of pairs on which the two differ.
    confidence, power : float
        Of a two-sided test.
    """
    if not difference:
        return math.inf
    z, z_power = NORMAL.inv_cdf((1 + confidence) / 2), NORMAL.inv_cdf(power)
    spread = math.sqrt(max(discordant - difference**2, 0.0))
    return float((z * math.sqrt(discordant) + z_power * spread) ** 2 / difference**2)


def small_n_warning(first: ArrayLike, second: ArrayLike, names: tuple[str, str]) -> str | None:
    """Return a plain sentence if there are too few pairs for the difference that they show.

    Parameters
    ----------
    first, second : array_like of bool, shape (n,)
        Whether each was right.
    names : (str, str)
        What they are called.
    """
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    difference, discordant = float(a.mean() - b.mean()), float((a != b).mean())
    needed = pairs_needed(difference, discordant)
    if len(a) >= needed:
        return None
    if not difference:
        return f"{names[0]} and {names[1]} do not differ on these {len(a)} pairs."
    return (
        f"{len(a)} pairs are too few for the difference of {100 * abs(difference):.1f} points "
        f"between {names[0]} and {names[1]}: about {math.ceil(needed):,} would show one of that "
        "size (80% power)."
    )


def seed_band(
    values: ArrayLike, confidence: float = 0.95, within: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[Array, Array, Array]:
    """Return the mean over seeds and its Student interval, at each place of a curve.

    Parameters
    ----------
    values : array_like of shape (seeds, …)
        A curve a seed.
    confidence : float
        In (0, 1).
    within : tuple of float
        Between what a value can lie: 0 and 1, if it is a share.

    Returns
    -------
    tuple of ndarray
        Mean, low, high; both ends NaN where all seeds agree, for that does not say that the next
        ones will.

    Raises
    ------
    ConfigError
        If there are fewer than two seeds.
    """
    array = np.asarray(values, dtype=float)
    n = len(array)
    if n < 2:
        raise ConfigError(f"An interval over seeds needs at least two seeds, not {n}.")
    mean = array.mean(axis=0)
    spread = array.std(axis=0, ddof=1)
    spread = np.where(spread <= 1e-12 * np.maximum(1.0, np.abs(mean)), math.nan, spread)
    half = students_t((1 + confidence) / 2, n - 1) * spread / math.sqrt(n)
    return mean, np.maximum(mean - half, within[0]), np.minimum(mean + half, within[1])


def rate(hits: ArrayLike, clusters: Sequence[Any]) -> Rate:
    """Return a share with its interval, clustered: see `sqlbench.stats.intervals` for the rule."""
    array = np.asarray(hits, dtype=bool)
    n, count = len(array), int(array.sum())
    if not n:
        return Rate(0, 0, None, None, None)
    sums = cluster_sums(np.column_stack([array, np.ones(n)]).astype(float), clusters)
    ends = share_interval(sums[:, 0], sums[:, 1])
    return Rate(count, n, count / n, *ends, clusters=len(sums))


def wilson_arrays(
    counts: NDArray[Any], sizes: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Wilson's interval of many shares at once."""
    z = NORMAL.inv_cdf(0.975)
    n = np.asarray(sizes, dtype=float)
    p = np.divide(counts, n, out=np.zeros_like(n), where=n > 0)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return np.minimum(p, centre - half), np.maximum(p, centre + half)
