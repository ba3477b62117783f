"""A sweep gives the same bytes wherever its cells run, and whichever worker dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from served import answers_for, serve
from sweeps import bytes_of

import sqlbench as sb
from sqlbench.exceptions import (
    BudgetReachedError,
    ConfigError,
    RunFolderError,
    RunInUseError,
    UnknownNameError,
)
from sqlbench.grids.cells import plan, run_cell
from sqlbench.grids.sweep import MERGED_STORE, load_grid, make_grid, run_sweep, sweep_text
from sqlbench.grids.sweep_status import Sweep
from sqlbench.models import Calling
from sqlbench.models.calling.cache import ResponseStore


class Threads(ThreadPoolExecutor):
    """Workers that are quick to start: one thread."""

    def __init__(self):
        super().__init__(1)


@pytest.mark.slow
def test_a_sweep_prints_and_writes_one_table(local):
    folder, printed = local
    assert "6 runs (simulated model)" in printed and "linucb" in printed
    table = (folder / "out" / "sweep.csv").read_text().splitlines()
    assert len(table) == 7 and table[0].startswith("policy,seed,first,first_low,first_high,field,")
    before = bytes_of(folder / "out")
    stamps = {p: p.stat().st_mtime_ns for p in folder.glob("out/runs/*/episodes.jsonl")}
    again = run_sweep(load_grid(folder / "grid.yaml"), folder / "out", progress=False)
    assert len(again) == 6 and "6 runs" in sweep_text(again)
    assert bytes_of(folder / "out") == before
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps, "a finished cell ran again"


PAID = """
model: openai:m
policy: [random, rules]
seed: 0-1
episodes: 12
lag: 3
"""
PRICES = """
[m]
prompt = 1.0
cached = 0.5
completion = 4.0
"""


def sweep(folder, *options, env):
    command = [sys.executable, "-m", "sqlbench", "sweep", folder / "grid.yaml", "--workers", "2"]
    return subprocess.run(
        [*map(str, [*command, *options])], capture_output=True, text=True, env=os.environ | env
    )


def costs_of(folder):
    """What every request of every run of a sweep cost."""
    logs = (folder / "runs").glob("*/calls.jsonl")
    return [json.loads(line)["cost"] for log in logs for line in log.read_text().splitlines()]


@pytest.mark.slow
def test_a_sweep_of_a_paid_model_keeps_its_budget_and_pays_for_nothing_twice(tmp_path):
    """Over two processes; then a replay of it all from the merged store, without server or key."""
    (tmp_path / "grid.yaml").write_text(PAID)
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    paid, free = tmp_path / "paid", tmp_path / "free"
    options = ["--prices", prices]
    with serve(tmp_path, answers_for(sb.load_suite("marketplace")), latency=0.02) as server:
        done = sweep(tmp_path, *options, "--out", free, env=server.environ)
        assert done.returncode == 0, done.stderr
        assert "cost_per_solved" in done.stdout
        whole, calls = sum(costs_of(free)), server.stats["requests"]
        assert calls == len(costs_of(free))
        limited = [*options, "--out", paid, "--budget", f"{whole / 2}"]
        done = sweep(tmp_path, *limited, env=server.environ)
        assert done.returncode == 3, done.stderr
        assert "larger --budget" in done.stderr
        spent = sum(costs_of(paid))
        assert 0.5 * whole / 2 < spent <= whole / 2
        so_far = server.stats["requests"] - calls
        done = sweep(tmp_path, "--out", paid, "--max-calls", so_far + 5, env=server.environ)
        assert done.returncode == 3 and f"of {so_far + 5} calls are made" in done.stderr
        assert server.stats["requests"] - calls == so_far + 5
        done = sweep(tmp_path, *options, "--out", paid, env=server.environ)
        assert done.returncode == 0, done.stderr
        assert server.stats["requests"] == 2 * calls, "a call was paid for twice"
    assert bytes_of(paid) == bytes_of(free)
    stores = [folder / "responses.sqlite" for folder in (paid, free)]
    replay = ["--cache", stores[0], "--cache-mode", "replay", "--out", tmp_path / "again"]
    done = sweep(tmp_path, *replay, env={"OPENAI_BASE_URL": server.url})
    assert done.returncode == 0, done.stderr
    assert costs_of(tmp_path / "again") == []
    names = ("episodes.jsonl", "policy.npz")
    for log in (free / "runs").glob("*/episodes.jsonl"):
        for name in names:
            other = tmp_path / "again" / "runs" / log.parent.name / name
            assert other.read_bytes() == log.with_name(name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "signs", [[signal.SIGKILL], [signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM] * 2]
)
def test_a_sweep_that_is_ended_takes_its_processes_with_it_and_goes_on(local, tmp_path, signs):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "sqlbench", "sweep", str(local[0] / "grid.yaml")]
    command += ["--out", str(out), "--workers", "2"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True,
        # A shell's background job ignores interrupts, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not any(log.stat().st_size for log in out.glob("runs/*/episodes.jsonl")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    for sign in signs:
        process.send_signal(sign)
        time.sleep(0.03 * (len(signs) > 1))  # the second interrupts the end that the first began
    # The workers hold the other end: it closes when the last of them is gone.
    _, errors = process.communicate(timeout=120)
    if len(signs) == 1:  # the second may come while the first is told
        assert process.returncode == {9: -9, 15: 143, 2: 130}[signs[0]], errors
        assert "Traceback" not in errors
    assert not Sweep.open(out).alive and not Sweep.open(out).finished
    if signs[0] == signal.SIGKILL:
        run_sweep(load_grid(local[0] / "grid.yaml"), out, progress=False)
        assert bytes_of(out) == bytes_of(local[0] / "out")


def test_policies_are_compared_on_one_budget(tmp_path):
    from sqlbench.grids.compare import compare

    variants = {p: make_grid({"policy": p, "episodes": 6})[0] for p in ("random", "rules")}
    for limit in (5, 12):
        calling = Calling(max_calls=limit)
        with pytest.raises(BudgetReachedError, match=f"{limit} of {limit} calls are made"):
            compare(variants, [0, 1], tmp_path, workers=Threads, progress=False, calling=calling)
        logs = tmp_path.glob("*/calls.jsonl")
        assert sum(len(log.read_text().splitlines()) for log in logs) == limit
    found = compare(variants, [0, 1], tmp_path, workers=Threads, progress=False)
    assert len(found.episodes) == 24


def test_a_sweep_is_seen_from_its_folder(tmp_path):
    out = tmp_path / "out"
    configs = make_grid({"policy": ["random", "rules"], "episodes": 6})
    seen = []
    run_sweep(configs[:1], out, workers=Threads, progress=False)
    sweep = Sweep(plan(configs, out / "runs"), out)
    assert not sweep.alive and not sweep.finished
    with sweep.writing():
        assert sweep.alive
        with pytest.raises(RunInUseError, match="Another process is running the sweep"):
            run_sweep(configs, out, workers=Threads, progress=False)
    assert list(sweep.status["state"]) == ["finished", "waiting"]
    log = sweep.cells[1].folder / "episodes.jsonl"
    log.parent.mkdir()
    log.write_text('{"episode": 0, "success": true}\n{"episode": 1, "suc')
    assert list(sweep.status["state"]) == ["finished", "stopped"]
    assert list(sweep.status["done"]) == [6, 1]
    log.unlink()
    run_sweep(configs, out, workers=Threads, progress=False, watch=seen.append)
    opened = Sweep.open(out)
    assert opened.finished and list(opened.status["done"]) == [6, 6]
    assert set(seen[-1]["state"]) == {"finished"}
    text = str(opened)
    assert "simulated model" in text and "2 finished" in text and "rules" in text
    with pytest.raises(RunFolderError, match="holds no sweep"):
        Sweep.open(tmp_path)
    names = out / "sweep.json"
    names.write_text(names.read_text().replace('"version": 1', '"version": 9'))
    with pytest.raises(RunFolderError, match=r"^The sweep in .* has version 9; .* version 1\.$"):
        Sweep.open(out)


def fingerprint(run):
    return run.meta["model_fingerprint"]


@pytest.mark.parametrize("kind", ["predictions", "simulated"])
def test_a_cell_whose_file_has_changed_is_another_cell(tmp_path, kind):
    """Also in the same process, where a notebook compares again what was just corrected."""
    if kind == "predictions":
        file = tmp_path / "answers.jsonl"
        ids = [q.id for q in sb.load_suite("marketplace")]
        lines = [json.dumps({"question_id": i, "sql": "SELECT NULL"}) + "\n" for i in ids]
        before, after = "".join(lines), "".join(lines).replace("NULL", "1")
    else:
        file = tmp_path / "own.toml"
        before, after = 'base = "default"\n', 'base = "measured"\n'
    configs = make_grid({"model": f"{kind}:{file}", "max_attempts": 1, "episodes": 8})
    file.write_text(before)
    (cell,) = plan(configs, tmp_path)
    assert plan(configs, tmp_path) == [cell]
    file.write_text(after)
    (other,) = plan(configs, tmp_path)
    assert other != cell
    with pytest.raises(ConfigError, match="has changed since"):
        run_cell(cell, fingerprint)
    file.write_text(before)  # and this process still keeps what it read in between
    assert run_cell(cell, fingerprint) == cell.contents[1]


def test_a_store_that_runs_share_holds_what_their_own_hold_when_merged(tmp_path, monkeypatch):
    (tmp_path / "grid.yaml").write_text(PAID)
    configs = load_grid(tmp_path / "grid.yaml")
    shared = tmp_path / "shared.sqlite"
    with serve(tmp_path, answers_for(sb.load_suite("marketplace"))) as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        run_sweep(configs, tmp_path / "own", workers=Threads, progress=False)
        own = server.stats["requests"]
        calling = Calling(cache=shared)
        run_sweep(configs, tmp_path / "one", workers=Threads, progress=False, calling=calling)
        stats = server.stats
    stores = [ResponseStore(p, readonly=True) for p in (tmp_path / "own" / MERGED_STORE, shared)]
    # Two policies ask the same first question: the runs that share a store pay for it once.
    assert len(stores[0]) == len(stores[1]) == stats["requests"] - own < own
    for store in stores:
        store.close()
    logs = [sorted((tmp_path / n).glob("runs/*/episodes.jsonl")) for n in ("own", "one")]
    assert len(logs[0]) == 4
    assert [p.read_bytes() for p in logs[0]] == [p.read_bytes() for p in logs[1]]


async def test_a_notebook_follows_a_sweep(tmp_path):
    configs = make_grid({"policy": ["random", "rules"], "episodes": 6})
    view_of = Sweep(plan(configs, tmp_path / "runs"), tmp_path)
    view = sb.widgets.sweep(view_of, seconds=0.05)
    drawn = []

    class Handle:
        def update(self, shown):
            drawn.append(str(shown))

    view._handle = Handle()
    running = asyncio.create_task(
        asyncio.to_thread(sb.sweep.run_sweep, configs, tmp_path, workers=Threads, progress=False)
    )
    while not view_of.alive and not running.done():
        await asyncio.sleep(0.01)
    assert (await view.finished()).finished
    await running
    view.refresh()
    assert "2 finished" in drawn[-1]
    assert view.follow_button.value is False


def test_a_grid_is_every_combination():
    grid = make_grid({"policy": ["linucb", "random"], "seed": ["0-2", 7], "episodes": 5})
    assert [(c.policy, c.seed) for c in grid] == [
        (p, s) for p in ("linucb", "random") for s in (0, 1, 2, 7)
    ]
    assert {c.episodes for c in grid} == {5}
    assert [c.seed for c in make_grid({"seed": ["0-2", 1, 3, 3]})] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("polices: [random]", "Unknown field of a grid 'polices'.*Did you mean 'policy'"),
        ("seed: a-b", "range like 0-9 or a list like 0,1,5, not 'a-b'"),
        ("policy: []", "empty list"),
        ("- random", "YAML mapping"),
        ("policy: [", "cannot be read"),
        ("episodes: [10, 0]", "episodes=0"),
        ("episodes: 100000000", "episodes=100000000 .* less than or equal to 10000000"),
    ],
)
def test_a_bad_grid_is_refused_by_name(tmp_path, text, match):
    (tmp_path / "grid.yaml").write_text(text)
    with pytest.raises((ConfigError, UnknownNameError), match=match):
        load_grid(tmp_path / "grid.yaml")
