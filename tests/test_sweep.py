"""A sweep gives the same bytes wherever its cells run, and whichever worker dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sqlbench.cluster import connect
from sqlbench.exceptions import ClusterError, ConfigError, UnknownNameError
from sqlbench.sweep import load_grid, make_grid, run_sweep, sweep_text

GRID = """
suite: marketplace
model: simulated
policy: [linucb, random, rules]
seed: 0-1
episodes: 120
lag: 3
"""


def bytes_of(folder):
    names = ("episodes.jsonl", "policy.npz", "summary.json", "run.json")
    cells = sorted(p for p in (folder / "runs").iterdir())
    return {c.name: [(c / name).read_bytes() for name in names] for c in cells}


@contextmanager
def dask(*arguments, **more):
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        **more,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def cluster(folder, workers=3, environ=None):
    """A real scheduler and real worker processes, each of one thread."""
    file = folder / "scheduler.json"
    with ExitStack() as stack:
        here = ["--scheduler-file", str(file), "--no-dashboard"]
        stack.enter_context(dask("distributed.cli.dask_scheduler", "--port", "0", *here))
        deadline = time.monotonic() + 60
        while not (file.exists() and file.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        processes = []
        for number in range(workers):
            local = ["--local-directory", str(folder / f"worker{number}")]
            command = ["distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", *here]
            env = os.environ | (environ or {})
            # Elsewhere, so that nothing is imported from the folder where the tests were started.
            process = stack.enter_context(dask(*command, *local, env=env, cwd=folder))
            processes.append(process)
        yield json.loads(file.read_text())["address"], processes


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The sweep, run here by two processes."""
    folder = tmp_path_factory.mktemp("local")
    (folder / "grid.yaml").write_text(GRID)
    command = [sys.executable, "-m", "sqlbench", "sweep", folder / "grid.yaml", "--workers", "2"]
    done = subprocess.run([*command, "--out", folder / "out"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.mark.slow
def test_a_sweep_prints_and_writes_one_table(local):
    folder, printed = local
    assert "6 runs (simulated model)" in printed and "linucb" in printed
    table = (folder / "out" / "sweep.csv").read_text().splitlines()
    assert len(table) == 7 and table[0].startswith("policy,seed,first,field,any,repaired")
    before = bytes_of(folder / "out")
    stamps = {p: p.stat().st_mtime_ns for p in folder.glob("out/runs/*/episodes.jsonl")}
    again = run_sweep(load_grid(folder / "grid.yaml"), folder / "out", progress=False)
    assert len(again) == 6 and "6 runs" in sweep_text(again)
    assert bytes_of(folder / "out") == before
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps, "a finished cell ran again"


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_a_dask_sweep_that_loses_a_worker_gives_the_bytes_of_a_local_one(local, tmp_path, shared):
    """A real scheduler, three worker processes, one of them killed in the middle."""
    from dataclasses import replace

    configs, out = load_grid(local[0] / "grid.yaml"), tmp_path / "out"
    killed = []
    with cluster(tmp_path) as (address, processes):
        connected = connect(address, configs, out)
        assert connected.shared and connected.local
        connected.client.wait_for_workers(3, timeout=60)

        def watch(states):
            if not killed and len(list((out / "runs").glob("*/episodes.jsonl"))) >= 2:
                killed.append(processes[0].pid)
                processes[0].kill()

        workers = replace(connected, shared=shared).executors()
        import sqlbench.grid

        sqlbench.grid.VIEW_SECONDS, before = 0.0, sqlbench.grid.VIEW_SECONDS
        try:
            run_sweep(configs, out, workers=workers, progress=False, watch=watch)
        finally:
            sqlbench.grid.VIEW_SECONDS = before
        connected.client.close()
    assert killed, "no worker was killed in mid-sweep"
    assert bytes_of(out) == bytes_of(local[0] / "out")


@pytest.mark.slow
def test_workers_that_lack_the_package_say_so_before_the_sweep_starts(tmp_path):
    missing = tmp_path / "path" / "sqlbench"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'sqlbench'\")"
    )
    with (
        cluster(tmp_path, 1, {"PYTHONPATH": str(missing.parent)}) as (address, _),
        pytest.raises(ClusterError, match=r"1 of 1 workers .*lacks the package .*No module named"),
    ):
        connect(address, make_grid({"policy": "random"}), tmp_path / "out")


@pytest.mark.slow
def test_workers_that_lack_the_suite_say_so_before_the_sweep_starts(tmp_path):
    small = Path(__file__).parent / "data" / "small_spider"
    copy = tmp_path / "suite"
    copy.symlink_to(small)
    configs = make_grid({"suite": f"spider:{copy}", "policy": "random"})
    with cluster(tmp_path, 1) as (address, _):
        # The workers look for it where it is for us; between our look and theirs it goes.
        import sqlbench.cluster

        probe = sqlbench.cluster._probe()
        try:
            sqlbench.cluster._probe = lambda: (copy.unlink(missing_ok=True), probe)[1]
            with pytest.raises(ClusterError, match=r"the suite .* is missing there"):
                connect(address, configs, tmp_path / "out")
        finally:
            sqlbench.cluster._probe = lambda: probe


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("sqlbench.cluster.CONNECT_SECONDS", 0.5)
    with pytest.raises(ClusterError, match=r"No Dask scheduler answers at 'tcp://127.0.0.1:9'"):
        connect("tcp://127.0.0.1:9", make_grid({"policy": "random"}), tmp_path)


def test_a_grid_is_every_combination():
    grid = make_grid({"policy": ["linucb", "random"], "seed": ["0-2", 7], "episodes": 5})
    assert [(c.policy, c.seed) for c in grid] == [
        (p, s) for p in ("linucb", "random") for s in (0, 1, 2, 7)
    ]
    assert {c.episodes for c in grid} == {5}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("polices: [random]", "Unknown field of a grid 'polices'.*Did you mean 'policy'"),
        ("seed: a-b", "range like 0-9, not 'a-b'"),
        ("policy: []", "empty list"),
        ("- random", "YAML mapping"),
        ("policy: [", "cannot be read"),
        ("episodes: [10, 0]", "episodes=0"),
    ],
)
def test_a_bad_grid_is_refused_by_name(tmp_path, text, match):
    (tmp_path / "grid.yaml").write_text(text)
    with pytest.raises((ConfigError, UnknownNameError), match=match):
        load_grid(tmp_path / "grid.yaml")
