"""Compare every verdict with the official evaluators': 29,265 answers of 88 real systems.

``python tests/benchmarks/bench_systems.py`` judges each distinct answer of
``../shared/spider/systems.jsonl.gz`` by ``spider``, ``spider-keep-distinct`` and ``bird``, and
fails if one differs from the stored verdict. ``--share 0.1`` takes a seeded tenth.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from folders import SHARED
from official_verdicts import OFFICIAL, differences, read_systems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--share", type=float, default=1.0)
    records = read_systems(SHARED / "spider", parser.parse_args().share)
    started = time.perf_counter()
    found = differences(SHARED / "spider", records)
    elapsed = time.perf_counter() - started
    answers = sum(len(record["systems"]) for record in records)
    print(f"{len(records)} distinct answers ({answers} with repeats) x {len(OFFICIAL)} metrics")
    print(f"{len(found)} verdicts differ; {len(records) * len(OFFICIAL) / elapsed:.0f} verdicts/s")
    for metric, index, sql, reason in found[:10]:
        print(f"  {metric}, question {index}: {reason}: {sql[:200]}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
