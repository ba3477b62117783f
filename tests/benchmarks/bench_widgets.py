"""What watching costs, and how quick the run explorer is.

Run: python tests/benchmarks/bench_widgets.py
"""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import sqlbench as sb

EPISODES, ROUNDS, LARGE = 2000, 3, 10_000


class Handle:
    """Takes pictures, as a display handle does."""

    def update(self, _):
        pass


async def speeds(suite):
    """Episodes a second, plain and watched, in turns."""
    plain, watched = [], []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        await sb.run_experiment(
            suite, episodes=EPISODES, progress=False, out=Path(tempfile.mkdtemp()) / "run"
        )
        plain.append(EPISODES / (time.perf_counter() - begun))
        monitor = sb.widgets.monitor(suite, episodes=EPISODES)
        monitor._handle = Handle()
        begun = time.perf_counter()
        await monitor.finished()
        watched.append(EPISODES / (time.perf_counter() - begun))
    return plain, watched


def main():
    suite = sb.load_suite("marketplace")
    plain, watched = asyncio.run(speeds(suite))
    ratios = [b / a for a, b in zip(plain, watched, strict=True)]
    print(f"episodes a second: plain {statistics.median(plain):.0f}, watched "
          f"{statistics.median(watched):.0f}; ratio {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f} to {max(ratios):.2f}, {ROUNDS} rounds)")  # fmt: skip
    run = asyncio.run(sb.run_experiment(suite, episodes=EPISODES, progress=False))
    run.log[:] = [
        dataclasses.replace(run.log[i % EPISODES], index=i, steps=run.log[i % EPISODES].steps)
        for i in range(LARGE)
    ]
    begun = time.perf_counter()
    explorer = sb.widgets.explore(run, suite)
    opened = time.perf_counter() - begun
    slowest = 0.0
    choices = (("outcome", "repaired"), ("arm", "fix_column"), ("sort", "total reward"))
    for control, value in (*choices, ("outcome", "all"), ("arm", "all")):
        begun = time.perf_counter()
        getattr(explorer, control).value = value
        slowest = max(slowest, time.perf_counter() - begun)
    print(f"explorer, {LARGE:,} episodes: opened in {opened:.2f} s, slowest filter {slowest:.3f} s")


if __name__ == "__main__":
    main()
