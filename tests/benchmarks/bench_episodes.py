"""How many episodes a second, what a step costs beyond its query, and what the import costs.

Run: .venv/bin/python tests/benchmarks/bench_episodes.py

All of these are times, and the same machine may be twice as fast an hour later: so what it needs
to add up two million squares, before and after, is printed beside them.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time

import sqlbench as sb
from sqlbench.databases.memo import switch_off
from sqlbench.runs.experiment import run_experiment
from sqlbench.suites import marketplace


async def episodes_a_second(suite, model, runs: int = 5) -> list[float]:
    rates = []
    for seed in range(runs):
        started = time.perf_counter()
        await run_experiment(suite, model, "linucb", episodes=1000, seed=seed, progress=False)
        rates.append(1000 / (time.perf_counter() - started))
    return rates


async def step_overhead(suite, model) -> float:
    """Median over steps of the time of a step less the time of its own query, in seconds.

    Every query runs: of one that is remembered the time is that of its first run.
    """
    switch_off()
    env = sb.SQLAgentEnv(suite, model, "linucb", seed=1, learn=True)
    costs = []
    for _ in range(4):
        for question in suite.questions():
            env.reset_with_question(question.task_id, question.id)
            while not env.episode.done:
                started = time.perf_counter()
                await env.step()
                costs.append(time.perf_counter() - started - env.episode.steps[-1].elapsed)
    return statistics.median(costs)


def import_seconds(module: str, runs: int = 7) -> float:
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(runs)
    ]
    return statistics.median(times)


def squares_seconds() -> float:
    """Return what this machine needs just now for a fixed piece of plain Python."""
    started = time.perf_counter()
    sum(i * i for i in range(2_000_000))
    return time.perf_counter() - started


def build_seconds() -> float:
    """Return what it takes to make the marketplace in an empty cache folder."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SQLBENCH_CACHE"] = folder
        started = time.perf_counter()
        marketplace.database_path()
        del os.environ["SQLBENCH_CACHE"]
        return time.perf_counter() - started


async def main() -> None:
    print(f"two million squares: {squares_seconds():.3f} s")
    print(f"the marketplace is built in {build_seconds():.2f} s")
    started = time.perf_counter()
    suite = sb.load_suite("marketplace")
    model = sb.load_model("simulated", suite)
    await run_experiment(suite, model, "linucb", episodes=1000, seed=99, progress=False)
    print(f"first 1000 episodes, cold: {1000 / (time.perf_counter() - started):.0f} a second")
    rates = await episodes_a_second(suite, model)
    shown = ", ".join(f"{r:.0f}" for r in rates)
    print(
        f"1000 episodes, five seeds, warm: {shown} a second; median {statistics.median(rates):.0f}"
    )
    cost = await step_overhead(suite, model)
    print(f"a step beyond its own query, median: {cost * 1e3:.2f} ms")
    pandas, ours = import_seconds("pandas"), import_seconds("sqlbench")
    print(f"import pandas {pandas:.2f} s, import sqlbench {ours:.2f} s")
    print(f"two million squares: {squares_seconds():.3f} s")


asyncio.run(main())
