"""A run that starts with what another one learned: recorded, kept, and refused where it cannot."""

from __future__ import annotations

import asyncio
import json
import shutil

import numpy as np
import pytest
from scripted import Scripted

from sqlbench import analysis
from sqlbench.exceptions import ConfigError, RunFolderError
from sqlbench.grids.cells import plan, run_cell
from sqlbench.models import load_model
from sqlbench.policies import save_policy
from sqlbench.reports.title import title_text
from sqlbench.runs.config import RunConfig
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.run import Run
from sqlbench.suites import load_suite

SUITE = load_suite("marketplace")
MODEL = load_model("simulated", SUITE)  # it keeps the faults that it has verified


def run(out=None, **options):
    options = {"episodes": 20, "progress": False} | options
    return asyncio.run(run_experiment(SUITE, MODEL, out=out, **options))


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    return run(tmp_path_factory.mktemp("taught") / "run", episodes=60, seed=5).folder


def test_the_policy_starts_with_what_was_learned(taught, tmp_path):
    again = run(tmp_path / "again", start_from=taught)
    assert json.loads((again.folder / "run.json").read_text())["start_hash"]
    learned, start = Run.open(taught).policy, Run.open(again.folder).untaught()
    assert np.array_equal(start.state()["b"], learned.state()["b"])
    chosen = [s.scores for e in again.log for s in e.steps if s.scores]
    fresh = [s.scores for e in run().log for s in e.steps if s.scores]
    assert chosen[0] != fresh[0]


def test_the_policy_itself_can_be_handed_on(taught, tmp_path):
    policy = Run.open(taught).policy
    known = policy.state()["b"].copy()
    handed, read = (
        run(tmp_path / name, start_from=start)
        for name, start in (("handed", policy), ("read", taught))
    )
    logs = [(r.folder / "episodes.jsonl").read_bytes() for r in (handed, read)]
    assert logs[0] == logs[1]
    # Recorded by its content, as a file is, and kept: it is there when the object is gone.
    assert handed.meta["start_hash"] == read.meta["start_hash"]
    opened = Run.open(handed.folder)
    assert opened.config.start_from == "(a policy in memory)"
    assert np.array_equal(opened.untaught().state()["b"], known)
    assert np.array_equal(policy.state()["b"], known), "the run taught a copy of it"
    in_memory = run(start_from=policy)
    assert [e.record() for e in in_memory.log] == [e.record() for e in read.log]
    assert len(analysis.arm_estimates(in_memory))
    with pytest.raises(ConfigError, match=r"in memory.* cannot start a run of 'lints'"):
        run(policy="lints", start_from=policy)
    with pytest.raises(ConfigError, match=r"start_from is the name of a file or folder, not 0\.5"):
        run(start_from=0.5)


def test_a_real_run_says_that_its_policy_learned_from_a_simulated_model(taught, tmp_path):
    """By the run that stands beside the file, or by the file where a table taught it."""
    model = Scripted("SELECT 1")
    alone, bare = tmp_path / "alone.npz", tmp_path / "bare.npz"
    save_policy(Run.open(taught).policy, alone, simulated=True)
    save_policy(Run.open(taught).policy, bare)
    runs = {
        start: asyncio.run(
            run_experiment(
                SUITE, model, episodes=3, start_from=start, progress=False, max_attempts=2
            )
        )
        for start in (taught, taught / "policy.npz", alone, bare, None)
    }
    said = "its policy began with what it learned from a simulated model"
    assert [run.caveat for run in runs.values()] == [said, said, said, "", ""]
    assert said in title_text(runs[taught]) and not runs[taught].simulated
    assert run(start_from=taught).caveat == "simulated model"


def test_it_does_not_need_the_other_run_any_more(taught, tmp_path):
    other = shutil.copytree(taught, tmp_path / "other")
    again = run(tmp_path / "again", start_from=other)
    shutil.rmtree(other)
    opened = Run.open(again.folder)
    assert len(analysis.arm_estimates(opened))
    assert opened.policy.spec == "linucb"
    (again.folder / "start.npz").unlink()
    with pytest.raises(RunFolderError, match=r"start\.npz is missing"):
        opened.untaught()


def test_it_resumes_to_the_same_bytes(taught, tmp_path):
    whole, torn = (run(tmp_path / n, start_from=taught).folder for n in ("whole", "torn"))
    log = (torn / "episodes.jsonl").read_bytes()
    (torn / "episodes.jsonl").write_bytes(log[: len(log) // 3])
    # Found elsewhere, and the same: it is the content that counts.
    run(torn, start_from=taught / "policy.npz")
    assert (torn / "episodes.jsonl").read_bytes() == log
    assert log == (whole / "episodes.jsonl").read_bytes()


def test_another_start_is_another_run(taught, tmp_path):
    run(tmp_path / "run", start_from=taught)
    with pytest.raises(RunFolderError, match="start_hash"):
        run(tmp_path / "run")


def test_a_policy_of_another_kind_cannot_start_it(taught, tmp_path):
    with pytest.raises(ConfigError, match="cannot start a run of 'lints'"):
        run(policy="lints", start_from=taught)
    with pytest.raises(ConfigError, match="no policy to start from"):
        run(start_from=tmp_path)


def test_a_cell_of_a_grid_starts_from_it_too(taught, tmp_path):
    configs = [RunConfig(episodes=10), RunConfig(episodes=10, start_from=str(taught))]
    fresh, started = plan(configs, tmp_path)
    assert fresh.folder != started.folder
    assert run_cell(started, lambda r: r.meta["start_hash"])


def test_a_start_beside_a_damaged_run_is_refused(taught, tmp_path):
    """Whether it learned from a simulated model is what that file says."""
    shutil.copy(taught / "policy.npz", tmp_path)
    (tmp_path / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"run\.json"):
        run(start_from=tmp_path / "policy.npz")
