"""An earlier commit beside this one: python tests/benchmarks/bench_before.py [--commit C].

The commit is checked out into a temporary folder, and both run the same commands in turn: 1,000
simulated episodes in a warm process and in a fresh one, 20 in a fresh one, `compare` of ten
policies, `--help`, `--version` and the import. Printed: the median seconds of each, and the ratio.
Each of the two begins without anything on disk, and keeps what it keeps for the rounds that follow.
"""

from __future__ import annotations

import argparse
import compileall
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
BEFORE = "4895eff"  # the last commit before the package was laid out in wings
POLICIES = "linucb,lints,epsilon-greedy,ucb1,table,rules,random,oracle,resample,linucb?gamma=0.99"
WARM = """
import asyncio, sys, time
import sqlbench as sb
def go(n, seed):
    asyncio.run(sb.run_experiment("marketplace", "simulated", "linucb", episodes=n, seed=seed,
                                  progress=False))
go(300, 1)
since = time.perf_counter()
go(1000, 0)
print(time.perf_counter() - since)
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sqlbench", *arguments]


def seconds(tree: Path, cache: Path, call: list[str], folder: Path) -> float:
    """Return how long a command takes in a tree; a script says so itself."""
    environ = os.environ | {"PYTHONPATH": str(tree), "SQLBENCH_CACHE": str(cache)}
    environ |= {"PYTHONDONTWRITEBYTECODE": ""}  # or what has changed is compiled each time
    since = time.perf_counter()
    done = subprocess.run(call, env=environ, cwd=folder, capture_output=True, text=True)
    took = time.perf_counter() - since
    if done.returncode:
        raise SystemExit(f"{tree}: {' '.join(call)[:80]}\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1]) if call[1] == "-c" and WARM in call else took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--commit", default=BEFORE)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="one of the names of the first column")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        old = folder / "before"
        git = ["git", "-C", str(ROOT)]
        subprocess.run(
            [*git, "worktree", "add", "--quiet", "--detach", old, options.commit], check=True
        )
        try:
            compare(old, folder, options.rounds, options.only)
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", old], check=True)


def compare(old: Path, folder: Path, rounds: int, only: str | None) -> None:
    trees = {"before": old, "now": ROOT}
    for tree in trees.values():
        compileall.compile_dir(tree / "sqlbench", quiet=1)
    print(f"| what | before, s | now, s | ratio | ({rounds} rounds in turn, medians)")
    print("|---|---|---|---|")
    for what in ("warm", "fresh", "short", "compare", "--help", "--version", "import"):
        if only and what != only:
            continue
        took: dict[str, list[float]] = {name: [] for name in trees}
        for turn in range(rounds):
            for name, tree in trees.items():
                out = folder / f"{what.strip('-')}-{name}-{turn}"
                out.mkdir()
                run = ["--episodes", "1000", "--out", "run"]
                grid = [
                    "--seeds",
                    "0-4",
                    "--episodes",
                    "500",
                    "--baseline",
                    "random",
                    "--out",
                    "grid",
                ]
                call = {
                    "warm": [sys.executable, "-c", WARM],
                    "fresh": command("run", "--policy", "linucb", *run),
                    "short": command("run", "--episodes", "20", "--out", "run"),
                    "compare": command("compare", "--policies", POLICIES, *grid),
                    "import": [sys.executable, "-c", "import sqlbench"],
                }.get(what, command(what))
                took[name].append(seconds(tree, folder / f"cache-{name}", call, out))
        before, now = (statistics.median(took[name]) for name in trees)
        print(f"| {what} | {before:.2f} | {now:.2f} | {before / now:.2f} |", flush=True)


if __name__ == "__main__":
    main()
