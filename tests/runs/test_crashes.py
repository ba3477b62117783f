"""Whatever ends a run, no finished episode is lost, none is doubled, and no run is mixed."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from served import answers_for, serve

import sqlbench as sb

RESULTS = ("episodes.jsonl", "policy.npz", "summary.json", "run.json")
RUN = [sys.executable, "-m", "sqlbench", "run"]


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


def results(folder):
    return {name: (folder / name).read_bytes() for name in RESULTS}


def lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def heed_interrupts():
    """Undo what a shell's background job inherits: there SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*arguments, **more):
    return subprocess.Popen(
        [*RUN, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **({"preexec_fn": heed_interrupts} | more),
    )  # fmt: skip


def finish(*arguments, **more):
    process = start(*arguments, **more)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def wait_for(condition, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_leave_no_trace(tmp_path):
    """SIGKILL while it starts, resumes, runs and writes; the bytes of an undisturbed run."""
    arguments = ["--episodes", 500, "--seed", 8, "--lag", 7, "--concurrency", 4]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    code, _, err = finish(*arguments, "--out", whole)
    assert code == 0, err
    rng, log = random.Random(8), killed / "episodes.jsonl"
    again, in_the_middle = [*arguments, "--out", killed, "--cache", tmp_path / "store.sqlite"], 0
    for kill in range(20):
        process = start(*again)
        if kill % 4 == 3:  # while it starts or resumes
            time.sleep(rng.uniform(0.0, 1.5))
        else:
            target = lines(log) + rng.randrange(1, 12)
            wait_for(lambda: lines(log) >= target or process.poll() is not None, process)  # noqa: B023
            time.sleep(rng.uniform(0.0, 0.003))
        process.kill()
        process.communicate()
        in_the_middle += 0 < lines(log) < 500
    assert in_the_middle >= 10  # on a busy machine a kill may come late
    code, _, err = finish(*again)
    assert code == 0, err
    assert results(killed) == results(whole)
    episodes = [json.loads(line)["episode"] for line in log.read_bytes().splitlines()]
    assert episodes == list(range(500))


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_told_to_stop_keeps_what_it_has_paid_for(suite, tmp_path, sign, code):
    # Slow enough that the signal comes long before the end, also on a busy machine.
    arguments = ["--model", "openai:m", "--episodes", 60, "--lag", 15, "--concurrency", 16]
    with serve(tmp_path, answers_for(suite), latency=0.3) as server:
        environ = os.environ | server.environ
        done, _, err = finish(*arguments, "--out", tmp_path / "whole", env=environ)
        assert done == 0, err
        calls = server.stats["requests"]
        folder = tmp_path / "stopped"
        process = start(*arguments, "--out", folder, env=environ)
        wait_for(lambda: lines(folder / "episodes.jsonl") >= 5, process)
        process.send_signal(sign)
        _, err = process.communicate(timeout=300)
        assert process.returncode == code, err
        assert "what was finished is kept" in err and "Traceback" not in err
        assert 5 <= lines(folder / "episodes.jsonl") < 60
        # Also what was in flight when the signal came.
        with sqlite3.connect(folder / "responses.sqlite") as store:
            (stored,) = store.execute("SELECT count(*) FROM completions").fetchone()
        assert stored == server.stats["finished"] - calls
        done, _, err = finish(*arguments, "--out", folder, env=environ)
        assert done == 0, err
        assert results(folder) == results(tmp_path / "whole")
        assert server.stats["requests"] == 2 * calls, "a call was made twice"


def test_the_second_process_on_a_run_is_refused_and_a_dead_one_leaves_no_lock(suite, tmp_path):
    folder = tmp_path / "run"
    arguments = ["--model", "openai:m", "--episodes", 20, "--out", folder]
    with serve(tmp_path, answers_for(suite), latency=0.2) as server:
        environ = os.environ | server.environ
        first = start(*arguments, env=environ)
        wait_for(lambda: lines(folder / "episodes.jsonl") >= 1, first)
        first.send_signal(signal.SIGSTOP)  # however long the second takes to start
        code, _, err = finish(*arguments, env=environ)
        assert code == 2 and "Another process is writing the run" in err
        assert first.poll() is None
        first.kill()
        first.communicate()
        code, _, err = finish(*arguments, env=environ)
        assert code == 0, err
    log = [e.index for e in sb.Run.open(folder).log]
    assert log == list(range(20))


def stops_and_resumes(folder, whole, disk_full, make_room):
    """Run until the disk is full, make room, and go on to the bytes of an undisturbed run."""
    arguments = ["--episodes", 120, "--seed", 3]
    code, _, err = finish(*arguments, "--out", whole)
    assert code == 0, err
    code, _, err = finish(*arguments, "--out", folder, **disk_full)
    assert code == 2, err
    assert "cannot be written" in err and "make room" in err and "Traceback" not in err
    kept = lines(folder / "episodes.jsonl")
    assert 0 < kept < 120
    make_room()
    code, _, err = finish(*arguments, "--out", folder)
    assert code == 0, err
    assert results(folder) == results(whole)


@pytest.mark.slow
def test_a_file_that_may_not_grow_stops_the_run_with_a_clear_error(tmp_path):
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    stops_and_resumes(tmp_path / "run", tmp_path / "whole", {"preexec_fn": limit}, lambda: None)


@pytest.mark.slow
def test_a_full_disk_stops_the_run_with_a_clear_error(tmp_path):
    """On a real one: a tmpfs of 200 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        more = ["mount", "-o", "remount,size=20m", str(disk)]
        room = lambda: subprocess.run(more, check=True)  # noqa: E731
        stops_and_resumes(disk / "run", tmp_path / "whole", {}, room)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_under_the_store_is_a_clear_error(tmp_path, suite):
    """The store is on another disk than the run."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    store = tmp_path / "store.sqlite"
    arguments = ["--episodes", 60, "--cache", store, "--out", tmp_path / "run"]
    code, _, err = finish(*arguments, preexec_fn=limit)
    assert code == 2, err
    assert "Traceback" not in err and "sqlbench:" in err
    code, _, err = finish(*arguments)
    assert code == 0, err
    assert [e.index for e in sb.Run.open(tmp_path / "run").log] == list(range(60))


def test_every_prefix_of_a_log_is_a_run_to_go_on_with(suite, tmp_path):
    """A crash may leave any number of bytes of the log behind."""
    import asyncio

    from sqlbench.runs.experiment import run_experiment

    def run(folder):
        asyncio.run(run_experiment(suite, episodes=6, lag=2, out=folder, progress=False))

    run(tmp_path / "whole")
    log = (tmp_path / "whole" / "episodes.jsonl").read_bytes()
    rng = random.Random(1)
    for number, cut in enumerate(
        [0, 1, len(log) - 1, *(rng.randrange(len(log)) for _ in range(9))]
    ):
        folder = Path(tmp_path / f"cut{number}")
        folder.mkdir()
        for name in ("run.json", "prompts.json"):
            (folder / name).write_bytes((tmp_path / "whole" / name).read_bytes())
        (folder / "episodes.jsonl").write_bytes(log[:cut])
        run(folder)
        assert results(folder) == results(tmp_path / "whole")
