"""How much longer an update takes that forgets, as a ratio to a plain one and to an inversion.

Run: OMP_NUM_THREADS=1 python tests/benchmarks/bench_forgetting.py
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from sqlbench.policies.discounted import DiscountedArms
from sqlbench.policies.linear import LinearArms

ARMS, UPDATES, ROUNDS = 8, 400, 15
GAMMAS = (0.995, 0.99, 0.97)


def microseconds(arms: LinearArms, xs: np.ndarray) -> float:
    """Return what an update takes."""
    started = time.perf_counter()
    for i, x in enumerate(xs):
        arms.update(i % ARMS, x, 0.4)
    return (time.perf_counter() - started) / len(xs) * 1e6


def inverting(d: int, xs: np.ndarray) -> float:
    """Return what it takes to invert every arm's matrix at each update, as a discount asks."""
    matrices = np.repeat(np.eye(d)[None], ARMS, axis=0)
    started = time.perf_counter()
    for i, x in enumerate(xs):
        matrices *= 0.99
        matrices += 0.01 * np.eye(d)
        matrices[i % ARMS] += np.multiply.outer(x, x)
        np.linalg.inv(matrices)
    return (time.perf_counter() - started) / len(xs) * 1e6


def main() -> None:
    """Print the median ratios; the ways take turns, so that a busy machine slows all alike."""
    for d in (23, 37):
        rng = np.random.default_rng(0)
        xs = rng.random((UPDATES, d)) * (rng.random((UPDATES, d)) < 0.3)
        ratios: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            plain = microseconds(LinearArms(ARMS, d), xs)
            for gamma in GAMMAS:
                taken = microseconds(DiscountedArms(ARMS, d, 1.0, gamma), xs)
                ratios.setdefault(f"gamma={gamma:g}", []).append(taken / plain)
            ratios.setdefault("inverting", []).append(inverting(d, xs[:40]) / plain)
        said = ", ".join(f"{name} {median(found):.1f}" for name, found in ratios.items())
        print(f"d = {d}, K = {ARMS}, times a plain update: {said}")


if __name__ == "__main__":
    main()
