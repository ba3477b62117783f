"""Every answer within its limit + 50 ms while both workers are at it: bench_limits.py [ROUNDS].

Both workers are kept at work by slow functions, which go on when their callers are answered.
Meanwhile quick and slow statements are asked, through `run` and `execute`. Printed: the latest
answer of each beyond its own limit, from when a worker was free for it at the latest (the limit of
those before it). Exit 1 if one is later than 50 ms: on a machine that is busy otherwise, some are.
Run it on both versions of SQLite (see Makefile).
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

from sqlbench.databases import Limits, QueryError, SQLiteDatabase

LIMIT, GRACE = 0.2, 0.05
_OBJECT = (
    "(WITH RECURSIVE c(x) AS (SELECT {0} UNION ALL SELECT x + 1 FROM c LIMIT 3500) "
    "SELECT json_group_object(x, 1) FROM c)"
)
SLOW = {
    "json_patch": f"SELECT length(json_patch({_OBJECT.format(10000)}, {_OBJECT.format(40000)}))",
    "jsonb_patch": f"SELECT length(jsonb_patch({_OBJECT.format(10000)}, {_OBJECT.format(40000)}))",
    "sort": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 400000) "
    "SELECT x FROM c ORDER BY x * 7919 % 400009 DESC",
    "LIKE": "SELECT sum(hex(zeroblob(60000)) LIKE '%' || x || '%1') FROM (WITH RECURSIVE c(x) AS "
    "(SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 3000) SELECT x FROM c)",
}


async def timed(answer: Awaitable[object]) -> float:
    started = time.monotonic()
    try:
        await answer
    except QueryError as error:
        assert error.timeout or "no such function" in error.message, error.message
    return time.monotonic() - started


async def late(database: SQLiteDatabase, slow: str) -> dict[str, float]:
    """Return by how much each kind of answer was late."""
    both = [asyncio.create_task(timed(database.run(slow))) for _ in range(2)]
    await asyncio.sleep(0.01)
    quick = await timed(database.run("SELECT 1"))
    again = await timed(database.run(slow))
    other = await timed(asyncio.to_thread(database.execute, slow))
    first = [await task for task in both]
    return {
        "those at work": max(first) - LIMIT,
        "queued behind": quick - LIMIT,
        "slow, after them": again - 2 * LIMIT,  # it may have waited for those before it
        "execute": other - LIMIT,
    }


async def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"SQLite {sqlite3.sqlite_version}; seconds beyond the limit of {LIMIT:g} s")
    worst = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "n.sqlite"
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE n (x)")
        connection.close()
        for name, slow in SLOW.items():
            found: dict[str, float] = {}
            for _ in range(rounds):
                limits = Limits(vm_steps=10**12, wall_clock=LIMIT)
                with SQLiteDatabase(path, limits=limits) as database:
                    now = await late(database, slow)
                    found = {k: max(v, found.get(k, -1.0)) for k, v in now.items()}
                    while database._running:
                        await asyncio.sleep(0.01)
            print(f"{name:12}", "  ".join(f"{k} {v:+.3f}" for k, v in found.items()), flush=True)
            worst = max(worst, *found.values())
    return int(worst > GRACE)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
