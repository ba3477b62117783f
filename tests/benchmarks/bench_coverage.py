"""How often intervals hold the truth: python tests/benchmarks/bench_coverage.py [RUNS].

Questions are drawn from a world in which each has its own rate (Beta, with the mean of the row and
an intraclass correlation of 0.3) and episodes are answers to them. Three policies answer the same
questions, each a little better. Printed, as a Markdown table: the share of RUNS in which each 95%
interval holds its truth (the mean over rates between 0 and 1, and the least of them; a rate of 0 or
1 is held always; one at which fewer than a quarter of the intervals are known is left out), and how
often an end of it was unknown, which holds whatever lies beyond it. Where there are 5,000 episodes
or more, a fifth of RUNS must do.

With ``--off-policy``: the same of the off-policy estimates (half of RUNS logs for each of the pairs
of a logging policy and a target), how many logs were refused for want of overlap, and how many of
the rest came with a warning: what holds of those without, and of those that say that they are
rough. ``--questions 5 20`` prints these rows alone; ``--seed`` draws others.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import comb

import numpy as np
from scipy.special import betaln

from sqlbench.evidence.offpolicy import (
    ESTIMATORS,
    OffPolicyError,
    evaluate,
    exact_value,
    target_probabilities,
)
from sqlbench.evidence.offpolicy_validation import simulated_log, table_contexts
from sqlbench.evidence.sensitivity import sharpened
from sqlbench.evidence.synthetic import synthetic_table
from sqlbench.models.simulated.profile import load_profile
from sqlbench.policies import make_policy
from sqlbench.stats import (
    Interval,
    clustered_ratio,
    difference_of_shares,
    gap_closed,
    paired_difference,
    rate,
    share,
)

CORRELATION = 0.3
QUESTIONS = (1, 2, 5, 10, 20, 50, 200, 1000)
EPISODES = (1, 5, 50)
RATES = (0.05, 0.2, 0.5, 0.8, 0.95)
MANY = 5_000  # episodes, from which on fewer runs must do
TRIES = 3
GAIN = 0.1  # by which the second policy is better, of what is left to gain
BEST = 0.3  # and by which a third one is; the second closes a third of the gap
# Logging policy and target of the off-policy estimates.
PAIRS = (("rules?epsilon=0.5", "rules"), ("random", "rules"), ("random", "fixed:rewrite_full"))
DECISIONS = (1, 5)  # of a question


def worlds(rng: np.random.Generator, mean: float, k: int, n: int) -> tuple[np.ndarray, ...]:
    """Return clusters, and the hits of three policies on them."""
    spread = 1 / CORRELATION - 1
    own = rng.beta(mean * spread, (1 - mean) * spread, k)
    clusters = np.repeat(np.arange(k), n)
    hits = [rng.random(k * n) < (own + gain * (1 - own))[clusters] for gain in (0, GAIN, BEST)]
    return clusters, *hits


def failing(mean: float) -> float:
    """Return the chance that `TRIES` answers to a question of the world are all wrong."""
    a, b = mean * (1 / CORRELATION - 1), (1 - mean) * (1 / CORRELATION - 1)
    return float(np.exp(betaln(a, b + TRIES) - betaln(a, b)))


def intervals(
    rng: np.random.Generator, mean: float, k: int, n: int
) -> Iterator[tuple[str, float, Interval]]:
    clusters, first, second, third = worlds(rng, mean, k, n)
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
        samples = np.bincount(clusters, first, k).astype(int)
        passed = 1 - np.array([comb(n - r, TRIES) / comb(n, TRIES) for r in samples])
        yield f"pass@{TRIES}", 1 - failing(mean), share(passed, list(range(k)))
    # Costs: a skewed mean, of three to ten calls, and a more skewed one, of tokens.
    calls = 3 + rng.poisson(2 + 2 * rng.gamma(1, 1, k)[clusters])
    yield "mean calls", 7.0, clustered_ratio(calls, ones, clusters)
    tokens = np.exp(rng.normal(0, 0.5, k)[clusters] + rng.normal(0, 0.5, k * n))
    yield "mean tokens", float(np.exp(0.25)), clustered_ratio(tokens, ones, clusters)
    yield (
        "gap closed",
        GAIN / BEST,
        gap_closed(np.column_stack([second, ones, first, ones, third, ones]), clusters),
    )


NAMES = ["rate", "paired difference", "difference of rates", f"pass@{TRIES}"]
NAMES += ["mean calls", "mean tokens", "gap closed"]


def cell(held: list[list[bool]], unknown: int, tried: int) -> str:
    """Return the mean and the least of some shares, and how often an end was unknown."""
    shares = [float(np.mean(h)) for h in held if h]
    text = f"{np.mean(shares):.1%} ({min(shares):.0%})" if shares else ""
    return " ".join(filter(None, [text, f"unknown {unknown / tried:.0%}" if unknown else ""]))


def holds(low: float, high: float, truth: float) -> bool:
    """Whether an interval holds the truth; an end that is unknown does not part it from it."""
    return not (low > truth + 1e-9 or high < truth - 1e-9)


def print_rates(runs: int, seed: int, questions: Sequence[int]) -> None:
    """Print a row for each number of questions and of episodes, simulated."""
    print(f"| questions | episodes each | {' | '.join(NAMES)} |")
    print("|---|---|" + "---|" * len(NAMES))
    for k in questions:
        for n in EPISODES:
            times = max(1, runs // 5) if k * n >= MANY else runs
            held: dict[str, list[list[bool]]] = {name: [] for name in NAMES}
            unknown, tried = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0)
            for mean in RATES:
                rng = np.random.default_rng([seed, k, n, round(100 * mean)])
                each: dict[str, list[bool]] = {name: [] for name in NAMES}
                for _ in range(times):
                    for name, truth, found in intervals(rng, mean, k, n):
                        tried[name] += 1
                        unknown[name] += bool(np.isnan(found.low) or np.isnan(found.high))
                        if not (np.isnan(found.low) and np.isnan(found.high)):
                            each[name].append(holds(found.low, found.high, truth))
                for name in NAMES:
                    held[name].append(each[name] if len(each[name]) >= times / 4 else [])
            cells = [cell(held[x], unknown[x], tried[x]) for x in NAMES]
            print(f"| {k:,} | {n} | {' | '.join(cells)} |", flush=True)


def print_off_policy(logs: int, seed: int, questions: Sequence[int]) -> None:
    """Print the same of the off-policy estimates, over some pairs of policies, simulated."""
    profile = load_profile("default")
    shares = {str(c): v for c, v in profile.first_attempt.items()}
    rng = np.random.default_rng(0)
    table = synthetic_table(sharpened(profile, 1.0), shares, 800, rng, samples=4)
    table = replace(table, expected=None)  # the stored samples are the truth
    contexts = table_contexts(table)
    print(f"| questions | decisions each | refused | rough | {' | '.join(ESTIMATORS)} |")
    print("|---|---|---|---|" + "---|" * len(ESTIMATORS))
    for k in questions:
        for n in DECISIONS:
            kinds = ("no warning", "rough")
            held: dict[str, dict[str, list[list[bool]]]] = {
                kind: {e: [] for e in ESTIMATORS} for kind in kinds
            }
            counts, refused = dict.fromkeys(kinds, 0), 0
            for pair, policies in enumerate(PAIRS):
                behaviour, target = (
                    target_probabilities(make_policy(p), contexts) for p in policies
                )
                truth = exact_value(table, target)
                each: dict[str, dict[str, list[bool]]] = {
                    kind: {e: [] for e in ESTIMATORS} for kind in kinds
                }
                for log in range(logs):
                    rng = np.random.default_rng([seed, k, n, pair, log])
                    logged, rows = simulated_log(table, behaviour, k, n, rng)
                    try:
                        found = evaluate(logged, target[rows], seed=log)
                    except OffPolicyError:
                        refused += 1
                        continue
                    kind = kinds[bool(found.warning)]
                    counts[kind] += 1
                    for e, (_, low, high) in found.estimates.items():
                        if not (np.isnan(low) and np.isnan(high)):
                            each[kind][e].append(holds(low, high, truth))
                for kind in kinds:
                    for e in ESTIMATORS:
                        # A handful of logs says nothing of a pair.
                        enough = len(each[kind][e]) >= logs / 4
                        held[kind][e].append(each[kind][e] if enough else [])
            done = len(PAIRS) * logs
            cells = [
                "; ".join(
                    f"{name}{said}"
                    for kind, name in zip(kinds, ("", "rough "), strict=True)
                    if (said := cell(held[kind][e], 0, 1))
                )
                for e in ESTIMATORS
            ]
            told = f"{refused / done:.0%} | {counts['rough'] / max(1, done - refused):.0%}"
            print(f"| {k:,} | {n} | {told} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int, nargs="?", default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--off-policy", action="store_true")
    parser.add_argument("--questions", type=int, nargs="+")
    options = parser.parse_args()
    if options.off_policy:
        print_off_policy(
            max(1, options.runs // 2), options.seed, options.questions or QUESTIONS[2:]
        )
    else:
        print_rates(options.runs, options.seed, options.questions or QUESTIONS)


if __name__ == "__main__":
    main()
