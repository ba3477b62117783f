"""Run 500 episodes, 32 at a time, against an endpoint that misbehaves, and compare with a good one.

Run: .venv/bin/python tests/benchmarks/bench_faults.py [EPISODES] [--seed N]
The faults: 10% 429, 5% 500, 3% hangs, 3% resets, 3% truncated answers, 2% garbage, drawn anew for
every request. Plain and streamed with the usual retries, and once with a single retry, so that
calls fail for good: those episodes are left out, and tried again against the good endpoint.
It fails if an episode is lost, a verdict differs or a finished completion is not stored once.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

from served import answers_for, serve

import sqlbench as sb
from sqlbench.models import Calling
from sqlbench.models.endpoint.openai import OpenAIModel
from sqlbench.runs.experiment import run_experiment

FAULTS = {
    "rate_limit": 0.1, "error": 0.05, "hang": 0.03, "reset": 0.03, "truncated": 0.03,
    "garbage": 0.02,
}  # fmt: skip
IN_FLIGHT, LATENCY = 32, 0.05


def run(server, folder, episodes, policy, **calling):
    """Run an experiment; the time limits are short because of the hangs."""
    options = Calling(answer_seconds=10.0, first_token_seconds=8.0, **calling)

    async def go():
        model = OpenAIModel("m", server.environ, options)
        try:
            return await run_experiment(
                "marketplace", model, policy, episodes=episodes, lag=IN_FLIGHT - 1,
                concurrency=IN_FLIGHT, out=folder, progress=False, calling=options,
            )  # fmt: skip
        finally:
            await model.aclose()

    started = time.monotonic()
    finished = asyncio.run(go())
    return finished, time.monotonic() - started


def check_store(folder, finished, stats):
    """Check that what was answered is stored, once, and return how many that is."""
    with sqlite3.connect(folder / "responses.sqlite") as store:
        stored, keys = store.execute(
            "SELECT count(*), count(DISTINCT key) FROM completions"
        ).fetchone()
    calls = list(finished.calls())
    answered = sum(c["failure"] is None for c in calls)
    late = sum(c["failure"] == "timeout" for c in calls) - stats.get("hang", 0)
    late -= stats.get("endless", 0)
    assert stored == keys == answered, (stored, keys, answered)
    assert len(calls) == stats["requests"], (len(calls), stats["requests"])
    # What the server finished and nobody got, came after its time limit.
    assert 0 <= stats["finished"] - stored <= max(0, late), (stats, stored, late)
    assert stats["max_in_flight"] <= IN_FLIGHT + max(0, late)
    return stored


def verdicts(finished):
    return {e.index: [(s.sql, s.success, s.error_class) for s in e.steps] for e in finished.log}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("episodes", type=int, nargs="?", default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    n, answers = options.episodes, answers_for(sb.load_suite("marketplace"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clean = {}
        for policy in ("linucb", "rules"):
            with serve(folder, answers, latency=LATENCY) as server:
                clean[policy], seconds = run(server, folder / f"clean-{policy}", n, policy)
                stored = check_store(folder / f"clean-{policy}", clean[policy], server.stats)
            print(f"faultless, {policy}: {n} episodes, {stored} calls, {seconds:.1f} s", flush=True)
        for name, policy, calling in (
            ("plain", "linucb", {}),
            ("streamed", "linucb", {"stream": True}),
            ("one retry", "rules", {"retries": 1}),
        ):
            out = folder / name.replace(" ", "-")
            more = {"faults": FAULTS, "seed": options.seed, "latency": LATENCY}
            with serve(folder, answers, **more) as server:
                faulty, seconds = run(server, out, n, policy, **calling)
                stats = server.stats
                stored = check_store(out, faulty, stats)
            lost = len(faulty.failed)
            assert len(faulty.log) + lost == n
            struck = {f: stats.get(f, 0) for f in FAULTS if f != "garbage"}
            struck["garbage"] = sum(
                stats.get(f, 0)
                for f in ("broken_json", "empty_choices", "html", "wrong_type", "endless")
            )
            print(
                f"{name}, {policy}: {stats['requests']} requests, {struck}, {stored} finished and "
                f"stored once, at most {stats['max_in_flight']} in flight; {len(faulty.log)} "
                f"episodes, {lost} whose model failed for good; {seconds:.1f} s",
                flush=True,
            )
            good = verdicts(clean[policy])
            # A policy that learns would learn less without the lost ones, and choose otherwise.
            if policy == "rules" or not lost:
                assert all(good[i] == v for i, v in verdicts(faulty).items()), "a verdict differs"
                print("  every verdict equals the faultless run's", flush=True)
            if lost:
                with serve(folder, answers, latency=LATENCY) as server:
                    again, _ = run(server, out, n, policy)
                    requests = server.stats["requests"]
                assert again.failed == [] and len(again.log) == n
                print(f"  {lost} tried again against the good endpoint: {requests} requests")
                if policy == "rules":
                    assert verdicts(again) == good, "a verdict differs"
                    print("  all verdicts equal the faultless run's")
            else:
                same = (folder / f"clean-{policy}" / "episodes.jsonl").read_bytes()
                assert (out / "episodes.jsonl").read_bytes() == same
                print("  the log's bytes equal the faultless run's")


if __name__ == "__main__":
    main()
