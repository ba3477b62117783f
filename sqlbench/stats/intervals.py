"""The rule for few clusters and for clusters that are all alike, in one place.

Episodes on one question are not independent, so questions are what an interval counts.

- A share: Wilson's interval (1927) with as many trials as the values are worth. Independent
  values are worth one each. Clustered values are worth n divided by the design effect (Kish
  1965), rights and wrongs never more than n, shares of shares never more than 8n, and that times
  (z / t)² with Student's t, since the design effect is itself an estimate (Korn and Graubard
  1998): of as many degrees of freedom as the clusters' squares tell by their kurtosis
  (Satterthwaite 1946), at most k - 1. It is estimated as if two more clusters had been seen with
  an intraclass correlation of 0.1: with few clusters, or rare hits, the one that tells is often
  not among them. Where all clusters are alike, or there is only one, nothing is known of how they
  differ: each is worth one trial. With two hits or fewer (of more than 50 trials: three), and with
  as few misses, the end towards them is that of a Poisson count (Brown, Cai and DasGupta 2001,
  section 4.1.1): Wilson's own holds there as little as 83% of the time, whatever the number of
  trials.
- A difference of two shares on the same clusters: from the two intervals and their correlation over
  the clusters (Newcombe 1998, method 10; Zou and Donner 2008). Two episodes are added to the
  correlation, one that each side alone gets right: a difference that was never seen is not certain.
- A mean of anything else, a cost for example: Student's t, freed of the skewness by Hall's (1992)
  transformation; of k - 2 degrees of freedom (of k - 1 up to three clusters), for the skewness is
  estimated as the spread is.
- A ratio whose denominator varies, as the share of a gap that is closed: Fieller's interval
  (1954) by Student's t. Where the denominator may be 0 as well, both ends are unknown.
- Anything else, an area under a curve for example: the bootstrap of whole clusters, with the tails
  that Student's t has at k clusters (the expanded percentile interval: Hesterberg 2015). Where all
  resamples are alike, or there is one cluster, the interval is unknown.

References
----------
E. B. Wilson: Probable inference, the law of succession, and statistical inference, JASA 22, 1927.
L. Kish: Survey Sampling, 1965, section 8.2.
F. E. Satterthwaite: An approximate distribution of estimates of variance components, Biometrics
Bulletin 2, 1946.
E. C. Fieller: Some problems in interval estimation, JRSS B 16, 1954.
E. L. Korn, B. I. Graubard: Confidence intervals for proportions with small expected number of
positive counts estimated from survey data, Survey Methodology 24, 1998.
L. D. Brown, T. T. Cai, A. DasGupta: Interval estimation for a binomial proportion, Statistical
Science 16, 2001.
R. G. Newcombe: Improved confidence intervals for the difference between binomial proportions based
on paired data, Statistics in Medicine 17, 1998.
G. Y. Zou, A. Donner: Construction of confidence limits about effect measures: a general approach,
Statistics in Medicine 27, 2008.
P. Hall: On the removal of skewness by transformation, JRSS B 54, 1992.
T. C. Hesterberg: What teachers should know about the bootstrap, The American Statistician 69, 2015.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ADDED, ALIKE = 2, 0.1  # clusters in the design effect, and their intraclass correlation
MOST = 8  # trials that a value which is a share itself is worth
FEW, SMALL = 2, 50  # hits, of so many trials, from which on Wilson's end is too near
ROUGH = 5  # with fewer clusters an interval covers less than it says


NORMAL = NormalDist()


def rough_note(*clusters: int, what: str = "question", of: Sequence[str] = ()) -> str | None:
    """Return what is said of intervals over few clusters; None from `ROUGH` of them on.

    Parameters
    ----------
    *clusters : int
        How many the intervals count; 0, where there is none, needs no word.
    what : str
        What a cluster is, in the singular.
    of : sequence of str
        What each number is about, where it has to be said.
    """
    few = [(n, name) for n, name in zip_longest(clusters, of, fillvalue="") if 0 < int(n) < ROUGH]
    if not few:
        return None
    here = " and ".join(f"{n} ({name})" if name else f"{n}" for n, name in few)
    return (
        f"Rough: with fewer than {ROUGH} {what}s, here {here}, a 95% interval can hold the truth "
        "less often than it says."
    )


def students_t(p: float, freedom: float) -> float:
    """Return the quantile of Student's t; scipy.stats takes half a second to import for it."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, p))


def cluster_sums(rows: Array, clusters: Sequence[Any]) -> Array:
    """Return the sums of each cluster's rows, of shape (clusters, columns)."""
    labels, inverse = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.zeros((len(labels), rows.shape[1]))
    np.add.at(sums, inverse, rows)
    return sums


def wilson_of(share: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval of a share of n trials, which need not be a whole number."""
    z = NORMAL.inv_cdf((1 + confidence) / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def share_interval(hits: Array, cases: Array, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of Σhits / Σcases.

    Parameters
    ----------
    hits, cases : ndarray of shape (clusters,)
        Of each cluster; at least one case in all.
    confidence : float
        In (0, 1).
    """
    low, high, share, n = _wilsons(hits, cases, confidence)
    return (
        min(low, _lowest(share * n, n, confidence)),
        max(high, 1 - _lowest((1 - share) * n, n, confidence)),
    )


def _wilsons(hits: Array, cases: Array, confidence: float) -> tuple[float, float, float, float]:
    """Return the ends by Wilson, the share, and how many trials the clusters are worth."""
    hits, cases = hits[cases > 0], cases[cases > 0]
    share = float(hits.sum() / cases.sum())
    n = _worth(hits, cases, share, confidence)
    return *wilson_of(share, n, confidence), share, n


def _lowest(count: float, n: float, confidence: float) -> float:
    """Return the lower end of a share of few hits, by Poisson; 1 where they are not few."""
    if not 0 < count <= (FEW if n <= SMALL else FEW + 1):
        return 1.0
    from scipy.special import chdtri

    return float(chdtri(2 * max(count, 1.0), confidence)) / (2 * n)


def _worth(hits: Array, cases: Array, share: float, confidence: float) -> float:
    """Return how many independent trials some clusters are worth."""
    k, n = len(cases), float(cases.sum())
    counts = bool((hits == np.round(hits)).all())  # shares of shares can be worth more than n
    if k == n and counts:
        return n
    squares = (hits - share * cases) ** 2
    spread, size = float(squares.sum()), float(cases.mean())
    if k == 1 or spread <= 1e-12 * n * n:
        return float(k)
    own = ADDED * share * (1 - share) * size**2 * (ALIKE + (1 - ALIKE) / size)
    variance = k / (k - 1) * (spread + own) * k / (k + ADDED) / n**2
    kurtosis = k * float((squares**2).sum()) / spread**2
    freedom = max(1.0, min(k - 1, 2 * k / max(kurtosis - 1, 1e-9)))
    worth = min(n if counts else MOST * n, share * (1 - share) / variance)
    tail = (1 + confidence) / 2
    return float(worth * (NORMAL.inv_cdf(tail) / students_t(tail, freedom)) ** 2)


def difference_interval(hits: Array, cases: Array, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a difference of two shares, the first less the second.

    Parameters
    ----------
    hits, cases : ndarray of shape (clusters, 2)
        Of each cluster and each side; cases of either side may be missing in a cluster.
    confidence : float
        In (0, 1).

    Returns
    -------
    tuple of float
        The two ends; NaN for one cluster, and where one side has no case.
    """
    if len(cases) < 2 or not cases.sum(axis=0).all():
        return math.nan, math.nan
    share = hits.sum(axis=0) / cases.sum(axis=0)
    low, high = zip(
        *(_wilsons(hits[:, i], cases[:, i], confidence)[:2] for i in (0, 1)), strict=True
    )
    rest = np.vstack([hits - share * cases, [[0.5, -0.5], [-0.5, 0.5]]])
    variance = (rest**2).sum(axis=0)
    correlation = float(rest[:, 0] @ rest[:, 1] / math.sqrt(variance[0] * variance[1]))

    def away(mine: float, others: float) -> float:
        return math.sqrt(max(0.0, mine**2 - 2 * correlation * mine * others + others**2))

    difference = float(share[0] - share[1])
    return (
        max(-1.0, difference - away(share[0] - low[0], high[1] - share[1])),
        min(1.0, difference + away(high[0] - share[0], share[1] - low[1])),
    )


def mean_interval(sums: Array, cases: Array, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of Σsums / Σcases; NaN for one cluster, or clusters that are all alike.

    Parameters
    ----------
    sums, cases : ndarray of shape (clusters,)
        Of each cluster; each has a case.
    confidence : float
        In (0, 1).
    """
    k = len(cases)
    mean = float(sums.sum() / cases.sum())
    rest = (sums - mean * cases) / cases.mean()
    spread = math.sqrt(float((rest**2).sum()) / (k - 1)) if k > 1 else 0.0
    if spread <= 1e-12 * max(1.0, abs(mean)):
        return math.nan, math.nan
    skew = float((rest**3).sum()) * k / ((k - 1) * max(k - 2, 1)) / spread**3
    tail = students_t((1 + confidence) / 2, k - 2 if k > 3 else k - 1) / math.sqrt(k)

    def freed(end: float) -> float:
        root = 1 + skew * (end - skew / (6 * k))
        return 3 / skew * (math.cbrt(root) - 1) if abs(skew) > 1e-6 else end

    return mean - spread * freed(tail), mean - spread * freed(-tail)


def ratio_interval(tops: Array, bottoms: Array, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of Σtops / Σbottoms, of which neither need be a count of cases.

    Parameters
    ----------
    tops, bottoms : ndarray of shape (clusters,)
        What each cluster adds.
    confidence : float
        In (0, 1).

    Returns
    -------
    tuple of float
        The two ends; NaN where the sum of ``bottoms`` may be 0, or the clusters are all alike.
    """
    k = len(tops)
    if k < 2:
        return math.nan, math.nan
    top, bottom = float(tops.mean()), float(bottoms.mean())
    own, shared, other = (
        float(a @ b) / (k * (k - 1))
        for a, b in (
            (tops - top, tops - top),
            (tops - top, bottoms - bottom),
            (bottoms - bottom, bottoms - bottom),
        )
    )
    t = students_t((1 + confidence) / 2, k - 1)
    # The ends solve (top - x bottom)² = t² (own - 2 x shared + x² other): a x² - 2 b x + c = 0.
    a, b, c = bottom**2 - t * t * other, top * bottom - t * t * shared, top**2 - t * t * own
    root = b * b - a * c
    if a <= 0 or root <= 1e-18 * max(b * b, abs(a * c)):
        return math.nan, math.nan
    half = math.sqrt(root) / a
    return b / a - half, b / a + half


def bootstrap_ends(resampled: Array, clusters: int, confidence: float = 0.95) -> Array:
    """Return the two ends of a bootstrap's interval; NaN where nothing can be said.

    Parameters
    ----------
    resampled : ndarray
        The statistic of each resample; NaN ones are left out.
    clusters : int
        How many clusters were resampled.
    confidence : float
        In (0, 1).
    """
    known = resampled[~np.isnan(resampled)]
    unknown = np.array([math.nan, math.nan])
    if clusters < 2 or not len(known):
        return unknown
    if np.allclose(known, known[0], rtol=1e-12, atol=1e-12):
        return unknown  # that all were alike does not say that the next ones are
    wide = math.sqrt(clusters / (clusters - 1)) * students_t((1 + confidence) / 2, clusters - 1)
    tail = NORMAL.cdf(-wide)
    ends: Array = np.quantile(known, [tail, 1 - tail])
    return np.where(np.isfinite(ends), ends, math.nan)
