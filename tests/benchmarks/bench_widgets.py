"""What watching costs, how quick the run explorer is, and how long and large a report is.

Run: python tests/benchmarks/bench_widgets.py
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

import sqlbench as sb
from sqlbench.reports.report import write_report

EPISODES, ROUNDS, LARGE = 2000, 3, 10_000


class Handle:
    """Takes pictures, as a display handle does."""

    count = 0

    def update(self, _):
        self.count += 1


async def speeds(suite, folder):
    """Episodes a second, plain and watched, in turns; the last picture follows the last episode."""
    plain, watched, handle = [], [], Handle()
    await sb.run_experiment(suite, episodes=200, progress=False)  # caches are warm from here on
    for i in range(ROUNDS):
        begun = time.perf_counter()
        await sb.run_experiment(suite, episodes=EPISODES, progress=False, out=folder / f"plain{i}")
        plain.append(EPISODES / (time.perf_counter() - begun))
        monitor = sb.widgets.monitor(suite, episodes=EPISODES, out=folder / f"watched{i}")
        monitor._handle = handle
        begun = time.perf_counter()
        monitor.start()
        while monitor.state == "running":
            await asyncio.sleep(0.02)
        watched.append(EPISODES / (time.perf_counter() - begun))
        await monitor._background.settled()
    return plain, watched, handle.count / ROUNDS


def opening(folder, suite):
    """Open a run of many episodes in the explorer, from its folder, and say how long it took."""
    log = folder / "episodes.jsonl"
    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    with log.open("w", encoding="utf-8") as file:
        for i in range(LARGE):
            file.write(json.dumps(records[i % EPISODES] | {"episode": i}) + "\n")
    begun = time.perf_counter()
    explorer = sb.widgets.explore(sb.Run.open(folder), suite)
    assert len(explorer.lines) == LARGE
    return explorer, time.perf_counter() - begun


def main():
    suite = sb.load_suite("marketplace")
    with tempfile.TemporaryDirectory() as folder:
        plain, watched, pictures = asyncio.run(speeds(suite, Path(folder)))
        begun = time.perf_counter()
        report = write_report(Path(folder) / "plain0")
        took, size = time.perf_counter() - begun, report.stat().st_size
        explorer, opened = opening(Path(folder) / "plain0", suite)
    ratios = [b / a for a, b in zip(plain, watched, strict=True)]
    print(f"episodes a second: plain {statistics.median(plain):.0f}, watched "
          f"{statistics.median(watched):.0f}; ratio {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f} to {max(ratios):.2f}, {ROUNDS} rounds)")  # fmt: skip
    print(f"pictures of a watched run: {pictures:.0f}")
    print(f"report of {EPISODES:,} episodes: {took:.1f} s, {size / 1e6:.2f} MB of HTML")
    slowest = 0.0
    choices = (("outcome", "repaired"), ("arm", "fix_column"), ("sort", "total reward"))
    for control, value in (*choices, ("outcome", "all"), ("arm", "all")):
        begun = time.perf_counter()
        getattr(explorer, control).value = value
        slowest = max(slowest, time.perf_counter() - begun)
    print(f"explorer, {LARGE:,} episodes: opened in {opened:.2f} s, slowest filter {slowest:.3f} s")


if __name__ == "__main__":
    main()
