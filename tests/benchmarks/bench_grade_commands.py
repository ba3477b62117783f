"""Time ``sqlbench grade`` beside the official scripts, each as a command, by the clock.

``python tests/benchmarks/bench_grade_commands.py --spider CHECKOUT/evaluation.py
--bird CHECKOUT/evaluation/evaluation_ex.py --python PYTHON`` takes the scripts of checkouts of
test-suite-sql-eval and of BIRD's mini_dev, and a Python that has what they import; ``--data`` is a
folder with Spider's dev set and ``official_verdicts.jsonl``. One file of 972 predictions and all
seven go through each, in turns, so that the ratios hold on a busy machine; BIRD's script gets two
processes, as ours does. Both must find as many right as the official verdicts say.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from folders import SHARED

Records = list[dict[str, Any]]
SQLBENCH = Path(sys.executable).with_name("sqlbench")


@dataclass(frozen=True)
class Peer:
    """An official script: its metric here, its command for a file, its count of right pairs."""

    metric: str
    field: str
    command: Callable[[Path], list[str]]
    right: Callable[[str], float]


def one_line(sql: str) -> str:
    return re.sub(r"\s+", " ", sql).strip()


def write_inputs(folder: Path, records: Records) -> None:
    """Write one file's pairs in the formats of both scripts and of sqlbench."""
    folder.mkdir()
    lines = [f"{one_line(r['gold'])}\t{r['db_id']}" for r in records]
    (folder / "gold.txt").write_text("\n".join(lines) + "\n")
    preds = [one_line(r["pred"]) or "SELECT" for r in records]
    (folder / "pred.txt").write_text("\n".join(preds) + "\n")
    bird = {
        str(i): f"{p}\t----- bird -----\t{r['db_id']}"
        for i, (p, r) in enumerate(zip(preds, records, strict=True))
    }
    (folder / "pred.json").write_text(json.dumps(bird))
    levels = ("simple", "moderate", "challenging")  # it divides by the number of each
    hard = [json.dumps({"difficulty": levels[i % 3]}) for i in range(len(records))]
    (folder / "difficulty.jsonl").write_text("\n".join(hard) + "\n")
    ours = [json.dumps({"index": r["index"], "pred": r["pred"]}) for r in records]
    (folder.with_suffix(".jsonl")).write_text("\n".join(ours) + "\n")


def run(command: Sequence[str], cwd: Path) -> tuple[float, str]:
    """Return the seconds that a command took, and what it printed."""
    # Without compiled modules both would compile their own each time.
    environment = os.environ | {"PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": ""}
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    elapsed = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return elapsed, done.stdout


def theirs(peer: Peer, folders: Sequence[Path], work: Path) -> float:
    """Return the seconds of one script over files, one command each."""
    total = 0.0
    for folder in folders:
        seconds, printed = run(peer.command(folder), work)
        wanted = sum(map(int, (folder / peer.field).read_text().split()))
        count = len((folder / peer.field).read_text().split())
        found = peer.right(printed)
        if abs(found - wanted / count) > 0.0006:  # they print three digits, or a percentage's two
            raise SystemExit(f"{peer.metric}: {folder.name} has {found}, not {wanted / count:.4f}")
        total += seconds
    return total


def ours(peer: Peer, folders: Sequence[Path], data: Path, work: Path) -> float:
    """Return the seconds of one `sqlbench grade` over the same files."""
    with tempfile.TemporaryDirectory(dir=work) as out:
        command = [str(SQLBENCH), "grade", "--suite", f"spider:{data}", "--metric", peer.metric]
        for folder in folders:
            command += ["--predictions", str(folder.with_suffix(".jsonl"))]
        seconds, _ = run([*command, "--out", out, "--workers", "2"], work)
        right = sum(
            json.loads(line)["correct"] is True
            for file in Path(out).rglob("verdicts.jsonl")
            for line in file.read_text().splitlines()
        )
    wanted = sum(sum(map(int, (f / peer.field).read_text().split())) for f in folders)
    if right != wanted:
        raise SystemExit(f"{peer.metric}: {right} are right here, not {wanted}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--spider", type=Path, help="test-suite-sql-eval's evaluation.py")
    parser.add_argument("--bird", type=Path, help="mini_dev's evaluation_ex.py")
    parser.add_argument("--python", default=sys.executable, help="a Python with their packages")
    parser.add_argument("--data", type=Path, default=SHARED / "spider")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    data = options.data.resolve()
    database = f"{data / 'database'}/"
    by_source: dict[str, Records] = defaultdict(list)
    for line in (data / "official_verdicts.jsonl").read_text().splitlines():
        by_source[json.loads(line)["source"]].append(json.loads(line))

    def spider(folder: Path) -> list[str]:
        files = ["--gold", str(folder / "gold.txt"), "--pred", str(folder / "pred.txt")]
        tables = ["--table", str(data / "tables.json")]
        script = [options.python, str(options.spider)]
        return [*script, *files, "--db", database, *tables, "--etype", "exec"]

    def bird(folder: Path) -> list[str]:
        return [
            *(options.python, str(options.bird)),
            *("--predicted_sql_path", str(folder / "pred.json")),
            *("--ground_truth_path", str(folder / "gold.txt")),
            *("--db_root_path", database, "--num_cpus", "2"),
            *("--diff_json_path", str(folder / "difficulty.jsonl")),
            *("--output_log_path", str(folder / "bird.log")),
        ]

    peers = []
    if options.spider:
        last = re.compile(r"execution\s.*?([01]\.\d+)\s*$", re.MULTILINE)
        peers.append(Peer("spider", "official_exec", spider, lambda t: float(last.search(t)[1])))  # type: ignore[index]
    if options.bird:
        whole = re.compile(r"^EX\s.*?([\d.]+)\s*$", re.MULTILINE)
        peers.append(Peer("bird", "bird_ex", bird, lambda t: float(whole.search(t)[1]) / 100))  # type: ignore[index]
    if not peers:
        parser.error("name --spider, --bird or both: their code is not in this project.")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        folders = []
        for source, records in by_source.items():
            folders.append(work / source)
            write_inputs(work / source, records)
            for peer in peers:
                verdicts = " ".join(str(r[peer.field]) for r in records)
                (work / source / peer.field).write_text(verdicts)
        for peer in peers:
            theirs(peer, folders[:1], work), ours(peer, folders[:1], data, work)  # compiles, keeps
            for files in (folders[:1], folders):
                run_theirs, run_ours = [], []
                for _ in range(options.rounds):
                    run_theirs.append(theirs(peer, files, work))
                    run_ours.append(ours(peer, files, data, work))
                a, b = statistics.median(run_theirs), statistics.median(run_ours)
                pairs = [x / y for x, y in zip(run_theirs, run_ours, strict=True)]
                ratio = f"× {statistics.median(pairs):.1f} ({min(pairs):.1f}–{max(pairs):.1f})"
                what = f"{peer.metric}, {len(files)} of 972 pairs"
                print(f"{what}: theirs {a:.2f} s, sqlbench {b:.2f} s, {ratio}", flush=True)


if __name__ == "__main__":
    main()
