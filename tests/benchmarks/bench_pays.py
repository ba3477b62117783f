"""How long notebook 10's worlds take: 12 profiles × 4 settings × 6 policies × 20 seeds × 1,000.

Run: OMP_NUM_THREADS=1 python tests/benchmarks/bench_pays.py [--profiles 12] [--processes 2]
Signals are drawn at random here (none has to be measured): the work is the same.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from sqlbench.episodes.context import SIGNAL_FEATURES
from sqlbench.evidence.pays import POLICIES, SETTINGS, play_all
from sqlbench.evidence.systems import PROFILES
from sqlbench.evidence.worlds import Failures


def failing(name: str) -> Failures:
    """Return a profile's failures, four hundred of them, with signals that speak by chance."""
    known, rng = Failures.of_profile(name), np.random.default_rng(0)
    drawn = rng.choice(len(known.classes), 400, p=known.weights / known.weights.sum())
    signals = (rng.random((400, len(SIGNAL_FEATURES))) < 0.3).astype(float)
    classes = tuple(known.classes[i] for i in drawn)
    return Failures(name, known.accuracy, classes, np.full(400, 1 / 400), signals)


def main() -> None:
    """Print seconds, and what all twelve would take where fewer were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profiles", type=int, default=len(PROFILES))
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    models = [failing(name) for name in list(PROFILES)[: given.profiles]]
    started, before = time.perf_counter(), os.times()
    play_all(models, processes=given.processes)
    seconds, after = time.perf_counter() - started, os.times()
    cpu = sum(after[i] - before[i] for i in range(4))
    share = len(PROFILES) / len(models)
    print(
        f"{len(models)} profiles × {len(SETTINGS)} settings × {len(POLICIES)} policies × 20 seeds "
        f"× 1,000 failures: {seconds:.0f} s, {cpu:.0f} s of CPU in {given.processes} processes "
        f"(all twelve: {cpu * share / 60:.1f} min of CPU; the bar is 20 min on 2 cores)"
    )


if __name__ == "__main__":
    main()
