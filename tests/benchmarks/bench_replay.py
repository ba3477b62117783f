"""Time replays of LinUCB, 100 seeds × 10,000 decisions, against a live policy step by step.

Run: python tests/benchmarks/bench_replay.py
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass
from sqlbench.evidence.repair_table import RepairTable
from sqlbench.evidence.replay import replay
from sqlbench.evidence.sensitivity import sharpened
from sqlbench.evidence.synthetic import synthetic_table
from sqlbench.models.simulated.profile import load_profile
from sqlbench.policies import make_policy

SEEDS, DECISIONS, LIVE = 100, 10_000, 5_000


def live_seconds(table: RepairTable) -> float:
    """Return the CPU seconds that the live policy needs for one decision and its update."""
    policy, rng = make_policy("linucb"), np.random.default_rng(0)
    contexts = [Context(ErrorClass(c), 2) for c in table.contexts]
    started = time.process_time()
    for t in range(LIVE):
        row = t % len(table)
        decision = policy.select(contexts[row], rng)
        column = table.arms.index(decision.action)
        policy.update(contexts[row], decision.action, float(table.rewards[row, column, 0]))
        policy.end_episode()
    return (time.process_time() - started) / LIVE


def main() -> None:
    """Print seconds, and the ratio to the live policy."""
    profile = load_profile("default")
    shares = {str(c): v for c, v in profile.first_attempt.items()}
    rng = np.random.default_rng(0)
    table = synthetic_table(sharpened(profile, 1.0), shares, 2000, rng)
    dense = replace(table, features=rng.random(table.features.shape))
    live = live_seconds(table) * SEEDS * DECISIONS
    print(f"{SEEDS} seeds × {DECISIONS:,} decisions of LinUCB, K = 8, d = 23")
    print(f"live policy, one by one (from {LIVE:,} decisions): {live:.1f} s of CPU")
    for name, given in (("context of the first repair", table), ("23 dense features", dense)):
        started, cpu = time.perf_counter(), time.process_time()
        replay(given, ["linucb"], range(SEEDS), DECISIONS)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        print(
            f"replay, {name}: {seconds:.1f} s, {cpu:.1f} s of CPU "
            f"({live / cpu:.0f}× less than live); the bar is 12 s"
        )


if __name__ == "__main__":
    main()
