"""A sweep on a Dask cluster gives the bytes of a local one, and says what its workers lack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from folders import DATA, HELPERS, ROOT
from sweeps import bytes_of

from sqlbench.exceptions import (
    BudgetReachedError,
    ClusterError,
)
from sqlbench.grids.cells import Cell, plan
from sqlbench.grids.cluster import Cluster, _pack, _run_apart, _unpack, connect
from sqlbench.grids.sweep import load_grid, make_grid, run_sweep
from sqlbench.grids.sweep_status import Sweep
from sqlbench.models import Calling


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
        deadline = time.monotonic() + 180
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
        connected.client.wait_for_workers(3, timeout=180)

        def watch(states):
            if not killed and len(list((out / "runs").glob("*/episodes.jsonl"))) >= 2:
                killed.append(processes[0].pid)
                processes[0].kill()

        workers = replace(connected, shared=shared).executors()
        import sqlbench.grids.grid

        sqlbench.grids.grid.VIEW_SECONDS, before = 0.0, sqlbench.grids.grid.VIEW_SECONDS
        try:
            run_sweep(configs, out, workers=workers, progress=False, watch=watch)
        finally:
            sqlbench.grids.grid.VIEW_SECONDS = before
        connected.client.close()
    assert killed, "no worker was killed in mid-sweep"
    assert bytes_of(out) == bytes_of(local[0] / "out")


@pytest.mark.slow
def test_own_parts_named_by_their_path_give_the_same_bytes_on_a_cluster(tmp_path):
    configs = make_grid({
        "policy": ["own_policy:Restless?shy=2&epsilon=0.1", "random"],
        "model": ["own_parts:Parrot?number=7", "simulated"],
        "metric": "own_parts:short", "episodes": 6,
    })  # fmt: skip
    with cluster(tmp_path, 2, {"PYTHONPATH": f"{ROOT}:{HELPERS}"}) as (address, _):
        connected = connect(address, configs, tmp_path / "out")
        connected.client.wait_for_workers(2, timeout=180)
        run_sweep(configs, tmp_path / "out", workers=connected.executors(), progress=False)
        connected.client.close()
    run_sweep(configs, tmp_path / "here", workers=lambda: ThreadPoolExecutor(1), progress=False)
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "here")


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
    small = DATA / "small_spider"
    copy = tmp_path / "suite"
    copy.symlink_to(small)
    configs = make_grid({"suite": f"spider:{copy}", "policy": "random"})
    with cluster(tmp_path, 1) as (address, _):
        # The workers look for it where it is for us; between our look and theirs it goes.
        import sqlbench.grids.cluster

        probe = sqlbench.grids.cluster._probe()
        try:
            sqlbench.grids.cluster._probe = lambda: (copy.unlink(missing_ok=True), probe)[1]
            with pytest.raises(ClusterError, match=r"the suite .* is missing there"):
                connect(address, configs, tmp_path / "out")
        finally:
            sqlbench.grids.cluster._probe = lambda: probe


def test_a_log_that_a_worker_brings_home_anew_is_counted_once(tmp_path):
    sweep = Sweep(plan(make_grid({"policy": "rules", "episodes": 4}), tmp_path), tmp_path)
    log = sweep.cells[0].folder / "episodes.jsonl"
    log.parent.mkdir()
    lines = [f'{{"episode": {i}, "success": true}}\n' for i in range(4)]
    for shown in (3, 2, 4):
        log.write_text("".join(lines[:shown]))
        assert list(sweep.status["done"]) == [shown]
    assert list(sweep.status["right"]) == [1.0]


def test_workers_that_cannot_share_a_store_or_a_budget_are_refused():
    far = Cluster(None, 2, shared=True, local=False)
    with pytest.raises(ClusterError, match=r"cannot share the store 'x\.sqlite'"):
        far.executors(Calling(cache="x.sqlite"))
    assert far.executors(Calling(budget=1.0))
    with pytest.raises(ClusterError, match="cannot count together"):
        Cluster(None, 2, shared=False, local=False).executors(Calling(max_calls=1))


def test_a_run_that_was_stopped_on_a_far_worker_comes_home_and_goes_on_there(tmp_path):
    cell = Cell(make_grid({"policy": "random"})[0], tmp_path / "cell")

    def stopped(away, collect, calling):
        assert away.folder != cell.folder
        away.folder.mkdir()
        (away.folder / "calls.jsonl").write_text("paid\n")
        raise BudgetReachedError("all is spent", "budget")

    result, error, files = _run_apart(stopped, cell, None, None, files=_pack(cell))
    assert result is None and isinstance(error, BudgetReachedError)
    _unpack(files, cell.folder)
    assert (cell.folder / "calls.jsonl").read_text() == "paid\n"

    def goes_on(away, collect, calling):
        return (away.folder / "calls.jsonl").read_text()

    result, error, files = _run_apart(goes_on, cell, None, None, files=_pack(cell))
    assert (result, error) == ("paid\n", None)


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("sqlbench.grids.cluster.CONNECT_SECONDS", 0.5)
    with pytest.raises(ClusterError, match=r"No Dask scheduler answers at 'tcp://127.0.0.1:9'"):
        connect("tcp://127.0.0.1:9", make_grid({"policy": "random"}), tmp_path)
