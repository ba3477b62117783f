"""How often intervals hold the truth: python tests/benchmarks/bench_coverage.py [RUNS] [--seed N].

Questions are drawn from a world in which each has its own rate (Beta, with the mean of the row and
an intraclass correlation of 0.3) and episodes are answers to them. Two policies answer the same
questions, each a little differently. Printed, as a Markdown table: the share of RUNS in which each
95% interval holds its truth, and how often it was unknown (which counts as neither).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from math import comb

import numpy as np
from scipy.special import betaln

from sqlbench.stats import (
    Interval,
    clustered_ratio,
    difference_of_shares,
    paired_difference,
    rate,
    share,
)

CORRELATION = 0.3
QUESTIONS = (1, 2, 5, 10, 20, 50, 200, 1000)
EPISODES = (1, 5, 50)
RATES = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)
TRIES = 3
GAIN = 0.1  # by which the second policy is better, of what is left to gain


def worlds(rng: np.random.Generator, mean: float, k: int, n: int) -> tuple[np.ndarray, ...]:
    """Return clusters, and the hits of two policies on them."""
    spread = 1 / CORRELATION - 1
    own = rng.beta(mean * spread, (1 - mean) * spread, k) if 0 < mean < 1 else np.full(k, mean)
    clusters = np.repeat(np.arange(k), n)
    first = rng.random(k * n) < own[clusters]
    second = rng.random(k * n) < (own + GAIN * (1 - own))[clusters]
    return clusters, first, second


def failing(mean: float) -> float:
    """Return the chance that `TRIES` answers to a question of the world are all wrong."""
    if mean in (0.0, 1.0):
        return 1 - mean
    a, b = mean * (1 / CORRELATION - 1), (1 - mean) * (1 / CORRELATION - 1)
    return float(np.exp(betaln(a, b + TRIES) - betaln(a, b)))


def intervals(
    rng: np.random.Generator, mean: float, k: int, n: int
) -> Iterator[tuple[str, float, Interval]]:
    clusters, first, second = worlds(rng, mean, k, n)
    found = rate(first, clusters)
    yield "rate", mean, Interval(found.rate or 0.0, found.low, found.high, k * n, k)
    difference = GAIN * (1 - mean)
    yield "paired difference", difference, paired_difference(second, first, clusters)
    ones = np.ones(k * n)
    # Of other cases, as repaired failures are: each side has about half of them.
    mine, others = (rng.random((2, k * n)) < 0.5).astype(float)
    columns = np.column_stack([second * mine, mine, first * others, others])
    yield "difference of rates", difference, difference_of_shares(columns, clusters)
    if n > 1:
        samples = np.array([np.sum(first[clusters == c]) for c in range(k)])
        passed = 1 - np.array([comb(n - r, TRIES) / comb(n, TRIES) for r in samples.astype(int)])
        yield "pass@3", 1 - failing(mean), share(passed, list(range(k)))
    # Costs: a skewed mean, three to ten calls.
    calls = 3 + rng.poisson(2 + 2 * rng.gamma(1, 1, k)[clusters])
    yield "mean cost", 7.0, clustered_ratio(calls, ones, clusters)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int, nargs="?", default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    names = ["rate", "paired difference", "difference of rates", "pass@3", "mean cost"]
    print(f"| questions | episodes each | {' | '.join(names)} |")
    print("|---|---|" + "---|" * len(names))
    for k in QUESTIONS:
        for n in EPISODES:
            if k * n > 10_000:
                continue
            cells = []
            held: dict[str, list[list[bool]]] = {name: [] for name in names}
            unknown: dict[str, int] = dict.fromkeys(names, 0)
            for mean in RATES:
                rng = np.random.default_rng([options.seed, k, n, int(100 * mean)])
                each: dict[str, list[bool]] = {name: [] for name in names}
                for _ in range(options.runs):
                    for name, truth, found in intervals(rng, mean, k, n):
                        if name not in each:
                            continue
                        if np.isnan(found.low):
                            unknown[name] += 1
                        else:
                            each[name].append(found.low - 1e-9 <= truth <= found.high + 1e-9)
                for name in names:
                    if each[name]:
                        held[name].append(each[name])
            for name in names:
                shares = [float(np.mean(h)) for h in held[name]]
                missing = unknown[name] / (len(RATES) * options.runs)
                text = ""
                if shares:
                    text = f"{np.mean(shares):.0%} ({min(shares):.0%}–{max(shares):.0%})"
                told = [text, f"unknown {missing:.0%}" if missing else ""]
                cells.append(" ".join(filter(None, told)))
            print(f"| {k:,} | {n} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
