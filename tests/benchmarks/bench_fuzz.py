"""Run mutated gold queries and the hostile corpus against a sandbox, and print the worst.

Run: .venv/bin/python tests/benchmarks/bench_fuzz.py [STATEMENTS] [--trees N] [--seed N] [--usual]
     [--engine duckdb]
STATEMENTS are mutated as text, and N more as trees, of which most run. It exits with 1 if the
database's bytes change, a file appears, an answer comes later than the limit + 50 ms (100 ms on
DuckDB), or peak memory grows by more than 256 MB; anything raised but `QueryError` ends it. The
limits are set low (0.5 s), so that an answer that comes late is seen to come late; --usual takes
those that everybody has. Times are wall-clock, through `run`, as an episode has them. A late one is
asked for up to nine times more: it counts as late if it is so each time, else it was the machine
that was busy. On DuckDB the memory is that of this process and, as it is at the end, of its
workers.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

import hostile_duckdb
import hostile_kinds
import hostile_sql
from fuzz_sql import DUCKDB_GRAFTS, GRAFTS, grafted, mutated
from hostile_resources import RESOURCES

import sqlbench as sb
from sqlbench.databases import Limits, QueryError, SQLiteDatabase
from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.databases.duckdb_limits import DuckDBLimits

CLOCK, MEMORY = 0.5, 256
GRACE = {"sqlite": 0.05, "duckdb": 0.1}


def peak() -> int:
    """Return the most megabytes that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def opened(engine: str, path: Path, usual: bool) -> SQLiteDatabase | DuckDBDatabase:
    """Return the database with the sandbox's own limits, or low ones."""
    if engine == "duckdb":
        return DuckDBDatabase(path, limits=DuckDBLimits() if usual else DuckDBLimits(CLOCK))
    low = Limits(vm_steps=1_000_000, wall_clock=CLOCK)
    return SQLiteDatabase(path, limits=Limits() if usual else low)


def corpus(engine: str) -> list[str]:
    """Return the hostile statements that are made for an engine."""
    if engine == "duckdb":
        kinds = [*hostile_duckdb.DENIED.values(), hostile_duckdb.BROKEN]
        kinds += [hostile_duckdb.ENDLESS, hostile_duckdb.HEAVY]
    else:
        kinds = [*hostile_kinds.KINDS.values(), *RESOURCES.values(), hostile_sql.DENIED]
        kinds += [hostile_sql.BROKEN, hostile_sql.ENDLESS, hostile_sql.HEAVY]
    return [sql for kind in kinds for sql in kind]


def workers(database: SQLiteDatabase | DuckDBDatabase) -> str:
    """Return how much memory the worker processes have."""
    pids = [p.pid for p in getattr(database, "_idle", ()) if hasattr(p, "pid")]
    sizes = []
    for pid in pids:
        text = Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2]
        sizes.append(f"{int(text.split()[0]) // 1024} MB")
    return f"; {len(sizes)} workers have {', '.join(sizes)}" if sizes else ""


def started_again(database: SQLiteDatabase | DuckDBDatabase) -> bool:
    """Return whether the process that takes the next statement is there."""
    idle = database._idle
    return not idle or getattr(idle[-1], "ready", True)


async def answer(database: SQLiteDatabase | DuckDBDatabase, sql: str) -> tuple[float, str]:
    """Return the seconds until a statement was answered, and how."""
    started = time.monotonic()
    try:
        await database.run(sql)
        how = "answered"
    except QueryError as error:
        how = "timeout" if error.timeout else "error"
    seconds = time.monotonic() - started
    # An answer may come before its step is over, or before the next process has started.
    while database._running or not started_again(database):
        await asyncio.sleep(0.005)
    return seconds, how


async def run(
    database: SQLiteDatabase | DuckDBDatabase, name: str, statements: Iterable[str]
) -> int:
    """Run some statements; return how many were answered late whenever they were asked."""
    latest = database.limits.wall_clock + GRACE[database.dialect]
    outcomes: Counter[str] = Counter()
    slowest: list[tuple[float, str]] = []
    once = late = 0
    started, before = time.monotonic(), peak()
    for sql in statements:
        seconds, how = await answer(database, sql)
        outcomes[how] += 1
        if seconds > latest:
            once += 1
            for _ in range(9):
                if seconds > latest:
                    seconds = min(seconds, (await answer(database, sql))[0])
            if seconds > latest:
                late += 1
                print(f"LATE {seconds:.3f} s  {sql[:2000]!r}", flush=True)
        slowest = sorted([*slowest, (seconds, sql)])[-5:]
    print(f"{name}: {sum(outcomes.values()):,} statements, {dict(outcomes)}")
    print(f"  {time.monotonic() - started:.0f} s, peak memory + {peak() - before} MB")
    print(f"  {late} later than {latest:g} s ({once} once, and not again); the slowest:")
    for seconds, sql in reversed(slowest):
        print(f"    {seconds:.3f} s  {sql[:90]!r}", flush=True)
    return late


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("statements", type=int, nargs="?", default=100_000)
    parser.add_argument("--trees", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--usual", action="store_true", help="with the sandbox's own limits")
    parser.add_argument("--engine", choices=GRACE, default="sqlite")
    options = parser.parse_args()
    engine = options.engine
    suite = sb.load_suite("marketplace", "duckdb" if engine == "duckdb" else None)
    questions = list(suite)
    source = suite.database(questions[0])
    table = source.schema().tables[0].name
    golds = [q.gold for q in questions]
    grafts = DUCKDB_GRAFTS if engine == "duckdb" else GRAFTS
    trees = grafted(golds, table, options.seed, engine, grafts)
    parts = {
        "texts": islice(mutated(golds, table, options.seed), options.statements),
        "trees": islice(trees, options.trees),
        "corpus": corpus(engine),
    }
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        path = Path(scratch) / f"marketplace.{engine}"
        path.write_bytes(Path(source.path).read_bytes())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with opened(engine, path, options.usual) as database:
            await database.run("SELECT 1")
            before = peak()
            late = sum([await run(database, *part) for part in parts.items()])
            grew = peak() - before
            beside = workers(database)
        changed = hashlib.sha256(path.read_bytes()).hexdigest() != digest
        files = os.listdir(scratch)
        os.chdir("/")
    print(f"in all {late} late, peak memory + {grew} MB{beside}", end=", ")
    print("the database CHANGED" if changed else "the database's hash is unchanged", end=", ")
    print(f"files: {', '.join(files)}; the machine's load is {os.getloadavg()[0]:.1f}")
    return int(late > 0 or grew > MEMORY or changed or files != [path.name])


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
