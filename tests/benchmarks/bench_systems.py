"""Compare every verdict with the official evaluators': 29,265 answers of 88 real systems.

``python tests/benchmarks/bench_systems.py`` judges each distinct answer of
``../shared/spider/systems.jsonl.gz`` by ``spider``, ``spider-keep-distinct`` and ``bird``, and
fails if one differs from the stored verdict. ``--share 0.1`` takes a seeded tenth,
``--processes 1`` uses one core. The last line is the most memory that a process held.
"""

import argparse
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from folders import SHARED
from official_verdicts import OFFICIAL, differences, read_systems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    records = read_systems(SHARED / "spider", options.share)
    started = time.perf_counter()
    # Questions are in the order of their databases: each process has its own ones.
    size = -(-len(records) // options.processes)
    parts = [records[i : i + size] for i in range(0, len(records), size)]
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        judged = list(pool.map(partial(differences, SHARED / "spider"), parts))
    found = [one for part in judged for one in part]
    elapsed = time.perf_counter() - started
    answers = sum(len(record["systems"]) for record in records)
    print(f"{len(records)} distinct answers ({answers} with repeats) x {len(OFFICIAL)} metrics")
    print(
        f"{len(found)} verdicts differ; {elapsed:.1f} s, "
        f"{len(records) * len(OFFICIAL) / elapsed:.0f} verdicts/s, {options.processes} processes"
    )
    for metric, index, sql, reason in found[:10]:
        print(f"  {metric}, question {index}: {reason}: {sql[:200]}")
    most = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(f"peak memory of a process: {most / 1024:.0f} MiB")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
