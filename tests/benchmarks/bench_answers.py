"""Take real SQL out of answers: every gold and prediction, from every wrapping.

``python tests/benchmarks/bench_answers.py`` takes all golds of marketplace and of Spider's dev
set and the 29,265 distinct predictions of 88 systems, each as it is and in one seeded change, out
of every wrapping of `wrapped_sql`, and fails if one does not come out whole. ``--share 0.1`` takes
a seeded tenth, ``--part 2/10`` the second of ten parts that together are all, and
``--wrappings 1`` one drawn wrapping a statement in place of all. It says what was
left out, and how the time of reading grows with an answer.
"""

import argparse
import random
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from folders import SHARED
from wrapped_sql import WRAPPINGS, Taken, real_statements, take_all

from sqlbench.models import extract_sql


def take(job: tuple[int, list[str], int]) -> Taken:
    seed, statements, wrappings = job
    return take_all(statements, random.Random(seed), wrappings=wrappings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--part", default="1/1", help="I/N: every Nth statement from the Ith on")
    parser.add_argument("--wrappings", type=int, default=len(WRAPPINGS), help="drawn a statement")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    golds, predictions = real_statements(SHARED / "spider")
    rng = random.Random(0)
    chosen = [sql for sql in (*golds, *predictions) if rng.random() < options.share]
    part, parts = map(int, options.part.split("/"))
    chosen = chosen[part - 1 :: parts]
    jobs = [(i, chosen[i : i + 200], options.wrappings) for i in range(0, len(chosen), 200)]
    started = time.perf_counter()
    with ProcessPoolExecutor(options.processes) as pool:
        taken = list(pool.map(take, jobs))
    elapsed = time.perf_counter() - started
    answers = sum(one.answers for one in taken)
    failures = [failure for one in taken for failure in one.failures]
    left_out = sum(one.left_out for one in taken)
    print(f"{len(chosen)} statements, {left_out} left out (no SQL), {answers} answers")
    print(f"{len(failures)} did not come out whole; {answers / elapsed:.0f} answers/s")
    for wrapping, count in Counter(name for name, _, _ in failures).most_common(10):
        print(f"  {count} from {wrapping}")
    for _, answer, found in failures[:3]:
        print(f"  {answer[:300]!r}\n    gave {found[:300]!r}")
    growth()
    sys.exit(bool(failures))


def growth() -> None:
    """Print how much longer an answer ten times as long takes to read."""
    shapes = {
        "queries": "SELECT a FROM t WHERE b = 1;\n",
        "prose": "This query selects the rows from the table. Select it, with care.\n",
        "quotes": 'it\'s "a" `b` [c] ',
        "brackets": '{"sql": [(',
        "dots": "SELECT a. b, 1. c. ",
        "lines": "SELECT a\nFROM b\nx\n\ny\n",
        "prompts": "sqlite> SELECT a\n   ...> FROM b\n",
    }
    for name, piece in shapes.items():
        times = []
        for size in (20_000, 200_000):
            text = piece * (size // len(piece))
            started = time.process_time()
            extract_sql(text)
            times.append(time.process_time() - started)
        print(f"ten times as many {name}: {times[1] / times[0]:.1f} times as long")


if __name__ == "__main__":
    main()
