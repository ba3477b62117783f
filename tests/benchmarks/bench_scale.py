"""How time, log and memory grow from 10³ to 10⁵ episodes of the simulated model.

Run: .venv/bin/python tests/benchmarks/bench_scale.py [EPISODES …]
Each size is a process of its own; seconds are of processor time, which a busy machine distorts
less than the clock, and each is also given as a ratio to the smallest size's, per episode.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = [1_000, 10_000, 100_000]


def run(folder: Path, episodes: int) -> dict[str, float]:
    import sqlbench as sb
    from sqlbench.runs.experiment import run_experiment

    suite = sb.load_suite("marketplace")
    model = sb.load_model("simulated", suite)
    # What is planted once need not be planted again: that cost does not grow.
    asyncio.run(run_experiment(suite, model, "linucb", episodes=600, seed=1, progress=False))
    started = time.process_time()
    asyncio.run(
        run_experiment(suite, model, "linucb", episodes=episodes, out=folder, progress=False)
    )
    return {"run_cpu": time.process_time() - started, "run_peak_mb": peak_mb()}


def load(folder: Path) -> dict[str, float]:
    import sqlbench as sb

    sb.Run.open(folder)
    import pandas  # noqa: F401

    before = peak_mb()
    started, clock = time.process_time(), time.perf_counter()
    steps = sb.Run.open(folder).steps
    found = {
        "steps_cpu": time.process_time() - started,
        "steps_wall": time.perf_counter() - clock,
        "steps_rows": len(steps),
        "steps_peak_mb": peak_mb(),
        "steps_grew_mb": peak_mb() - before,
    }
    started = time.process_time()
    run = sb.Run.open(folder)
    assert run.summary["episodes"]
    return found | {"summary_cpu": time.process_time() - started, "summary_peak_mb": peak_mb()}


def resume(folder: Path, episodes: int) -> dict[str, float]:
    """Open the finished run for going on: the log is read and learned again."""
    from sqlbench.runs.experiment import run_experiment

    started = time.process_time()
    asyncio.run(run_experiment(episodes=episodes, out=folder, progress=False))
    return {"resume_cpu": time.process_time() - started, "resume_peak_mb": peak_mb()}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(job: str, folder: Path, episodes: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--job", job, str(folder), str(episodes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    if sys.argv[1:2] == ["--job"]:
        job, folder, episodes = sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
        jobs = {"run": lambda: run(folder, episodes), "load": lambda: load(folder)}
        print(json.dumps(jobs.get(job, lambda: resume(folder, episodes))()))
        return
    sizes = [int(a) for a in sys.argv[1:]] or SIZES
    base: dict[str, float] = {}
    for episodes in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "run"
            found = apart("run", folder, episodes)
            found["log_mb"] = sum(p.stat().st_size for p in folder.iterdir()) / 2**20
            found |= apart("load", folder, episodes) | apart("resume", folder, episodes)
        print(f"\n{episodes:,} episodes")
        for name, value in found.items():
            each = value / episodes
            base.setdefault(name, each)
            print(f"  {name:16} {value:10.2f}   per episode × {each / base[name]:.2f}", flush=True)


if __name__ == "__main__":
    main()
