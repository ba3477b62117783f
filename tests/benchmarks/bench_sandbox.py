"""Time the sandbox: `python tests/benchmarks/bench_sandbox.py`.

Prints medians of a tiny query on a bare pooled connection, through `execute` and through `run`,
taken in turns within one run so that their ratios hold on a busy machine, and what a query of
many steps costs with and without the progress handler.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlbench.databases import Limits, QueryError, SQLiteDatabase

TINY = "SELECT name FROM singer WHERE id = 3"
MANY = (
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT {}) SELECT sum(x) FROM c"
)
ROUNDS, CALLS = 15, 300


def micros(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - started) / CALLS * 1e6


async def micros_async(database: SQLiteDatabase) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        await database.run(TINY)
    return (time.perf_counter() - started) / CALLS * 1e6


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def report(database: SQLiteDatabase, bare: sqlite3.Connection) -> None:
    times: dict[str, list[float]] = {"bare": [], "execute": [], "run": []}
    for _ in range(ROUNDS):
        times["bare"].append(micros(lambda: bare.execute(TINY).fetchall()))
        times["execute"].append(micros(lambda: database.execute(TINY)))
        times["run"].append(asyncio.run(micros_async(database)))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:8} {value:8.1f} µs   × {value / medians['bare']:.1f}")

    many = MANY.format(1_000_000)
    pairs = [
        (seconds(lambda: bare.execute(many).fetchall()), seconds(lambda: database.execute(many)))
        for _ in range(7)
    ]
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"a query of many steps: × {ratio:.2f} of the bare connection's time")

    def endless() -> None:
        try:
            database.execute(MANY.format(10**12))
        except QueryError as error:
            assert error.timeout and error.reproducible

    took = statistics.median(seconds(endless) for _ in range(3))
    print(f"stopped after {Limits().vm_steps:,} steps: {took:.2f} s")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.sqlite"
        writer = sqlite3.connect(path)
        writer.execute("CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT)")
        writer.executemany("INSERT INTO singer(name) VALUES (?)", [("x",)] * 10)
        writer.commit()
        writer.close()
        uri = f"{path.as_uri()}?mode=ro&immutable=1"
        bare = sqlite3.connect(uri, uri=True, isolation_level=None, cached_statements=0)
        with SQLiteDatabase(path) as database:
            report(database, bare)
        bare.close()


if __name__ == "__main__":
    main()
