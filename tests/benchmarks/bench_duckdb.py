"""Time DuckDB's sandbox: `python tests/benchmarks/bench_duckdb.py`.

For golds of each task, in turns within one run: the query on a bare connection of this process, as
`DuckDBDatabase` opens it, and through `DuckDBDatabase.execute`. Each text is new, so that nothing
is answered from a memo. What counts is what the sandbox costs over the query itself: by the clock
(medians, and the fastest less the fastest, which is nearest to what an idle machine shows), and in
processor time of this process and the worker together. The last lines are what a process costs:
its start, and its memory beside what it shares.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.suites.marketplace.duckdb import database_path, tasks

QUESTIONS = ("simple_02", "simple_17", "join_05", "join_20", "complex_03", "complex_16")
ROUNDS = 60


def processor(pid: int | None) -> float:
    """Return the milliseconds of processor time of this process and a worker."""
    worker = sum(
        int(t.read_text().split()[0]) for t in Path(f"/proc/{pid}/task").glob("*/schedstat")
    )
    return time.process_time() * 1e3 + worker / 1e6


def timed(call: Callable[[], object], pid: int | None) -> tuple[float, float]:
    cpu, started = processor(pid), time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e3, processor(pid) - cpu


def main() -> None:
    golds = {q.id: str(q.gold) for task in tasks().values() for q in task.questions}
    bare = duckdb.connect(str(database_path()), read_only=True, config={"threads": 1})
    print("gold, bare [ms], over it: median, fastest less fastest, processor time [ms]")
    over = []
    with DuckDBDatabase(database_path()) as database:
        started = time.perf_counter()
        database.execute("SELECT 1")
        first = time.perf_counter() - started
        for name in QUESTIONS:
            plain, boxed = [], []
            pid = database._idle[-1].pid
            for number in range(ROUNDS):
                sql = f"{golds[name]}\n-- {number}"
                plain.append(timed(lambda sql=sql: bare.cursor().execute(sql).fetchall(), pid))
                boxed.append(timed(lambda sql=sql: database.execute(sql), pid))
            clock, cpu = [[r[i] for r in plain] for i in (0, 1)]
            clock_boxed, cpu_boxed = [[r[i] for r in boxed] for i in (0, 1)]
            middle = statistics.median(clock_boxed) - statistics.median(clock)
            least = min(clock_boxed) - min(clock)
            work = statistics.median(cpu_boxed) - statistics.median(cpu)
            over.append(least)
            print(f"{name:12} {min(clock):6.2f}  {middle:6.2f} {least:6.2f} {work:6.2f}")
        process = database._started()
        started = time.perf_counter()
        process.wait_until_ready()
        print(f"most over the query: {max(over):.2f} ms (fastest less fastest)")
        print(
            f"first statement {first * 1e3:.0f} ms, another process {_since(started):.0f} ms",
            end="",
        )
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        private = sum(int(x.split()[1]) for x in rollup.splitlines() if x.startswith("Private_"))
        print(f", of its own {private // 1024} MB")
        process.close()


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    main()
