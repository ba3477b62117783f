"""Time the sandbox: `python tests/benchmarks/bench_sandbox.py`.

Prints medians of a tiny query on a bare pooled connection, through `execute` and through `run`, in
the caller's thread (where brief statements run) and in another, taken in turns within one run so
that their ratios hold on a busy machine; what a query of many steps costs with and without the
progress handler; and how many golds and real predictions are brief.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from folders import SHARED

from sqlbench import load_suite
from sqlbench.databases import Limits, QueryError, SQLiteDatabase
from sqlbench.databases.memo import no_memo
from sqlbench.databases.sqlite_brief import NotBrief

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
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        times["bare"].append(micros(lambda: bare.execute(TINY).fetchall()))
        times["execute, brief"].append(micros(lambda: database.execute(TINY)))
        times["run, brief"].append(asyncio.run(micros_async(database)))
        with patch("sqlbench.databases.sqlite.may_be_brief", lambda *_: False):
            times["execute, in a thread"].append(micros(lambda: database.execute(TINY)))
            times["run, in a thread"].append(asyncio.run(micros_async(database)))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:20} {value:8.1f} µs   × {value / medians['bare']:.1f}")

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


def share_of_brief(what: str, statements: list[tuple[SQLiteDatabase, str]]) -> None:
    """Count what ends where it was asked for, by result or by error."""
    brief = 0
    for database, sql in statements:
        try:
            brief += database._at_once(sql, None) is not None
        except (QueryError, NotBrief):
            brief += 1
    print(f"{what}: {brief} of {len(statements)} are brief ({brief / len(statements):.1%})")


def shares() -> None:
    suite = load_suite("marketplace")
    share_of_brief("marketplace's golds", [(suite.database(q), q.gold) for q in suite])
    spider = SHARED / "spider"
    if not spider.is_dir():
        return
    suite = load_suite(f"spider:{spider}")
    databases = {e.position: suite.databases[e.db_id] for e in suite.entries if e.question_id}
    with gzip.open(spider / "systems.jsonl.gz", "rt", encoding="utf-8") as file:
        answers = [json.loads(line) for line in file]
    found = [(databases[a["index"]], a["pred"]) for a in answers if a["index"] in databases]
    share_of_brief("answers of 88 systems on Spider", found)


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
        with SQLiteDatabase(path) as database, no_memo():
            report(database, bare)
        bare.close()
    with no_memo():
        shares()


if __name__ == "__main__":
    main()
