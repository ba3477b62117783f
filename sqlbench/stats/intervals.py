"""The rule for few clusters and for clusters that are all alike, in one place.

Episodes on one question are not independent, so questions are what an interval counts.

- A share: Wilson's interval (1927) with as many trials as the values are worth. Independent values
  are worth one each. Clustered values are worth n divided by the design effect (Kish 1965), never
  more than n, and that times (z / t)² with Student's t of k - 1 degrees of freedom, since the
  design effect is itself an estimate (Korn and Graubard 1998). Where all clusters are alike, or
  there is only one, nothing is known of how they differ: each is worth one trial.
- A difference of two rights and wrongs on the same cases: Bonett and Price (2012), by clusters: two
  clusters are added, one for each side, which keeps a difference that was never seen from being
  certain; Student's t of k - 1 degrees of freedom.
- Anything else: the bootstrap of whole clusters, with the tails that Student's t has at k clusters
  (the expanded percentile interval: Hesterberg 2015). Where all resamples are alike, or there is
  one cluster, the interval is unknown.

References
----------
E. B. Wilson: Probable inference, the law of succession, and statistical inference, JASA 22, 1927.
L. Kish: Survey Sampling, 1965, section 8.2.
E. L. Korn, B. I. Graubard: Confidence intervals for proportions with small expected number of
positive counts estimated from survey data, Survey Methodology 24, 1998.
D. G. Bonett, R. M. Price: Adjusted Wald confidence interval for a difference of binomial
proportions based on paired data, Journal of Educational and Behavioral Statistics 37, 2012.
T. C. Hesterberg: What teachers should know about the bootstrap, The American Statistician 69, 2015.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ROUGH = 5  # with fewer clusters an interval covers less than it says


def cluster_sums(rows: Array, clusters: Sequence[Any]) -> Array:
    """Return the sums of each cluster's rows, of shape (clusters, columns)."""
    labels, inverse = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.zeros((len(labels), rows.shape[1]))
    np.add.at(sums, inverse, rows)
    return sums


def wilson_of(share: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval of a share of n trials, which need not be a whole number."""
    from scipy.stats import norm

    z = float(norm.ppf((1 + confidence) / 2))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def share_interval(hits: Array, cases: Array, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of Σhits / Σcases.

    Parameters
    ----------
    hits, cases : ndarray of shape (clusters,)
        Of each cluster; at least one case in all.
    confidence : float
        In (0, 1).
    """
    hits, cases = hits[cases > 0], cases[cases > 0]
    share = float(hits.sum() / cases.sum())
    return wilson_of(share, _worth(hits, cases, share, confidence), confidence)


def _worth(hits: Array, cases: Array, share: float, confidence: float) -> float:
    """Return how many independent trials some clusters are worth."""
    from scipy.stats import norm, t

    k, n = len(cases), float(cases.sum())
    if k == n:
        return n
    spread = float(((hits - share * cases) ** 2).sum())
    if k == 1 or spread <= 1e-12 * n * n:
        return float(k)
    variance = k / (k - 1) * spread / n**2
    worth = min(n, share * (1 - share) / variance)
    tail = (1 + confidence) / 2
    return float(worth * (norm.ppf(tail) / t.ppf(tail, k - 1)) ** 2)


def paired_interval(
    differences: Array, cases: Array, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the interval of a mean difference of rights and wrongs, NaN for one cluster.

    Parameters
    ----------
    differences, cases : ndarray of shape (clusters,)
        The sum of the differences (−1, 0 or 1) of each cluster, and how many they are.
    confidence : float
        In (0, 1).
    """
    from scipy.stats import t

    k = len(cases)
    if k < 2:
        return math.nan, math.nan
    size = float(cases.mean())
    total = np.concatenate([differences, [size, -size]])
    weight = np.concatenate([cases, [size, size]])
    mean = float(total.sum() / weight.sum())
    spread = float(((total - mean * weight) ** 2).sum())
    half = float(t.ppf((1 + confidence) / 2, k - 1)) * math.sqrt(
        (k + 2) / (k + 1) * spread / weight.sum() ** 2
    )
    return max(-1.0, mean - half), min(1.0, mean + half)


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
    from scipy.stats import norm, t

    known = resampled[~np.isnan(resampled)]
    unknown = np.array([math.nan, math.nan])
    if clusters < 2 or not len(known):
        return unknown
    if np.allclose(known, known[0], rtol=1e-12, atol=1e-12):
        return unknown  # that all were alike does not say that the next ones are
    wide = math.sqrt(clusters / (clusters - 1)) * t.ppf((1 + confidence) / 2, clusters - 1)
    tail = float(norm.cdf(-wide))
    ends: Array = np.quantile(known, [tail, 1 - tail])
    return np.where(np.isfinite(ends), ends, math.nan)
