"""Run mutated gold queries and the hostile corpus against the sandbox, and print the worst.

Run: .venv/bin/python tests/benchmarks/bench_fuzz.py [STATEMENTS] [--seed N] [--usual]
Half of the statements are mutated as text, half as trees, of which most run. It fails if the
database's bytes change, a file appears, or anything but `QueryError` is raised, and counts the
answers that came later than the limit + 50 ms. The limits are set low (0.5 s), so that an answer
that comes late is seen to come late; --usual takes those that everybody has. Times are of the
thread's processor: what other processes take is not the statement's.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import hostile_kinds
import hostile_sql
from fuzz_sql import grafted, mutated

import sqlbench as sb
from sqlbench.databases import Limits, QueryError, SQLiteDatabase

CLOCK = 0.5


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("statements", type=int, nargs="?", default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--usual", action="store_true", help="with the sandbox's own limits")
    options = parser.parse_args()
    suite = sb.load_suite("marketplace")
    questions = list(suite)
    source = suite.database(questions[0])
    table = source.schema().tables[0].name
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        path = Path(scratch) / "marketplace.sqlite"
        path.write_bytes(Path(source.path).read_bytes())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        limits = Limits() if options.usual else Limits(vm_steps=1_000_000, wall_clock=CLOCK)
        clock = limits.wall_clock
        golds = [q.gold for q in questions]
        half = options.statements // 2
        texts = islice(mutated(golds, table, options.seed), options.statements - half)
        trees = islice(grafted(golds, table, options.seed), half)
        corpus = [sql for kind in hostile_kinds.KINDS.values() for sql in kind]
        for part in (
            hostile_sql.DENIED,
            hostile_sql.BROKEN,
            hostile_sql.ENDLESS,
            hostile_sql.HEAVY,
        ):
            corpus += part
        with SQLiteDatabase(path, limits=limits) as database:
            for name, statements in (("texts", texts), ("trees", trees), ("corpus", iter(corpus))):
                outcomes: Counter[str] = Counter()
                late = 0
                slowest: list[tuple[float, str]] = []
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                started = time.monotonic()
                for sql in statements:
                    cpu = time.thread_time()
                    try:
                        database.execute(sql)
                        outcomes["answered"] += 1
                    except QueryError as error:
                        outcomes["timeout" if error.timeout else "error"] += 1
                    seconds = time.thread_time() - cpu
                    late += seconds > clock + 0.05
                    slowest = sorted([*slowest, (seconds, sql)])[-5:]
                grew = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
                print(f"{name}: {sum(outcomes.values()):,} statements, {dict(outcomes)}")
                print(f"  {time.monotonic() - started:.0f} s, peak memory + {grew:.0f} MB")
                print(f"  {late} later than the limit of {clock:g} s + 50 ms; the slowest:")
                for seconds, sql in reversed(slowest):
                    print(f"    {seconds:.3f} s  {sql[:90]!r}")
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, "the database changed"
        assert os.listdir(scratch) == [path.name], os.listdir(scratch)
        os.chdir("/")
    print("the database's hash is unchanged, and no file appeared")


if __name__ == "__main__":
    main()
