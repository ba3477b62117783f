"""Time grading against the official procedures: `python tests/benchmarks/bench_grading.py DIR`.

DIR is a folder with Spider's dev set and ``official_verdicts.jsonl`` (default: ../shared/spider).
The peers go through the official evaluators' steps, pair by pair: a fresh connection for each
query, both queries run, for Spider sqlparse over both and every column permutation tried. They run
on every tenth pair, in turns with ours on whole files, so that the ratios hold on a busy machine.
CPU time (of this process alone) and wall time are printed; memory is the peak of the process.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import sqlparse

from sqlbench import load_suite
from sqlbench.databases.memo import MEMO
from sqlbench.grading.grade import grade, grade_many
from sqlbench.suites import Suite

Record = dict[str, Any]


def timed(call: Callable[[], int]) -> tuple[float, float]:
    """Return pairs a second, by CPU time and by the clock; no statement is known from before."""
    MEMO._renew()
    cpu, wall = time.process_time(), time.perf_counter()
    pairs = call()
    return pairs / (time.process_time() - cpu), pairs / (time.perf_counter() - wall)


def run(path: Path, sql: str) -> list[tuple[Any, ...]] | None:
    connection = sqlite3.connect(path)
    connection.text_factory = lambda b: b.decode(errors="ignore")
    try:
        return connection.execute(sql).fetchall()
    except sqlite3.Error:
        return None
    finally:
        connection.close()


async def awaited(path: Path, sql: str) -> list[tuple[Any, ...]] | None:
    async def inner() -> list[tuple[Any, ...]] | None:
        return run(path, sql)

    return await asyncio.wait_for(inner(), 60)


def strip(sql: str) -> str:
    tokens = (t.value for t in sqlparse.parse(sql)[0].flatten())
    return "".join(t for t in tokens if t.lower() != "distinct")


def spider_peer(path: Path, gold: str, pred: str) -> bool:
    gold, pred = strip(gold), strip(pred)
    want, got = asyncio.run(awaited(path, gold)), asyncio.run(awaited(path, pred))
    if want is None or got is None or len(want) != len(got):
        return False
    if not want:
        return True
    if len(want[0]) != len(got[0]):
        return False
    if {tuple(sorted(map(repr, r))) for r in want} != {tuple(sorted(map(repr, r))) for r in got}:
        return False
    ordered = "order by" in gold.lower()
    for order in permutations(range(len(want[0]))):
        permuted = [tuple(row[i] for i in order) for row in got]
        if want == permuted if ordered else Counter(want) == Counter(permuted):
            return True
    return False


def bird_peer(path: Path, gold: str, pred: str) -> bool:
    connection = sqlite3.connect(path)
    try:
        got = connection.execute(pred).fetchall()
        return set(got) == set(connection.execute(gold).fetchall())
    except (sqlite3.Error, sqlite3.Warning):
        return False
    finally:
        connection.close()


def compare_speed(
    suite: Suite, root: Path, files: dict[Path, list[Record]], metric: str, field: str
) -> None:
    peer = spider_peer if metric == "spider" else bird_peer

    def peer_pairs(records: list[Record]) -> int:
        chosen = records[::10]
        for r in chosen:
            file = root / "database" / r["db_id"] / f"{r['db_id']}.sqlite"
            assert peer(file, r["gold"], r["pred"]) == bool(r[field]), r
        return len(chosen)

    def our_pairs(path: Path) -> int:
        return len(grade(suite, path, metric, progress=False).grades)

    peers = [timed(lambda r=r: peer_pairs(r)) for r in files.values()]
    ours = []
    for path, records in files.items():
        peers.append(timed(lambda r=records: peer_pairs(r)))
        ours.append(timed(lambda p=path: our_pairs(p)))
    paths = list(files)
    all_at_once = timed(
        lambda: sum(len(g.grades) for g in grade_many(suite, paths, metric, progress=False))
    )
    both = timed(
        lambda: sum(
            len(g.grades) for g in grade_many(suite, paths, metric, workers=2, progress=False)
        )
    )
    print(f"{metric}, pairs a second (median of files)      CPU       clock")
    base = [statistics.median(p[i] for p in peers) for i in (0, 1)]
    print(f"  the official procedure             {base[0]:10,.0f}  {base[1]:10,.0f}")
    whole = [("all files at once", [all_at_once]), ("all files, two processes", [both])]
    for name, speeds in (("one file alone", ours), *whole):
        mid = [statistics.median(s[i] for s in speeds) for i in (0, 1)]
        ratio = f"× {mid[0] / base[0]:.1f} (CPU), × {mid[1] / base[1]:.1f} (clock)"
        print(f"  sqlbench, {name:24} {mid[0]:10,.0f}  {mid[1]:10,.0f}   {ratio}")


def main() -> None:
    default = Path(__file__).resolve().parents[3] / "shared" / "spider"
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    by_source: dict[str, list[Record]] = defaultdict(list)
    for line in (root / "official_verdicts.jsonl").read_text().splitlines():
        by_source[json.loads(line)["source"]].append(json.loads(line))
    suite = load_suite(f"spider:{root}")
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for source, records in by_source.items():
            path = Path(folder) / f"{source}.jsonl"
            kept = ({"index": r["index"], "pred": r["pred"]} for r in records)
            path.write_text("\n".join(map(json.dumps, kept)))
            files[path] = records
        grade(suite, next(iter(files)), "exact", progress=False)  # imports, caches of the system
        first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for metric, field in (("spider", "official_exec"), ("bird", "bird_ex")):
            compare_speed(suite, root, files, metric, field)
        last = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"peak memory after 972 pairs {first / 1024:.0f} MiB, at the end {last / 1024:.0f}")


if __name__ == "__main__":
    main()
