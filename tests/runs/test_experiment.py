"""An experiment is a function of its configuration, whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
import platform
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import lru_cache

import numpy as np
import pytest

import sqlbench as sb
import sqlbench.suites.base
from sqlbench.exceptions import ConfigError, ModelSetupError, RunFolderError, UnknownNameError
from sqlbench.models.base import ModelError
from sqlbench.models.simulated.simulated import SimulatedModel
from sqlbench.policies import make_policy
from sqlbench.policies.learning import learn
from sqlbench.runs.experiment import run_experiment


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


@lru_cache(maxsize=1)
def simulated(suite):
    """Return one model for all tests: what it has planted once it need not verify again."""
    return SimulatedModel(suite)


def run(suite, out=None, model=None, policy="linucb", **options):
    options = {"episodes": 120, "progress": False} | options
    model = model or options.pop("named", None) or simulated(suite)
    return asyncio.run(run_experiment(suite, model, policy, out=out, **options))


def slowed(suite, latency):
    """Return the same model behind random delays."""
    model = SimulatedModel(suite, latency=latency)
    model.faults = simulated(suite).faults
    return model


def log_of(folder):
    return (folder / "episodes.jsonl").read_bytes()


def test_the_same_configuration_gives_the_same_bytes_whatever_the_delays(suite, tmp_path):
    """Random delays in the model, concurrency 1 and 16, lag 32: four runs, one log."""
    logs = []
    for name, concurrency, latency in [
        ("a", 1, None), ("b", 16, (0.0, 0.02)), ("c", 16, (0.0, 0.004)), ("d", 1, (0.0, 0.001)),
    ]:  # fmt: skip
        model = slowed(suite, latency)
        run(suite, tmp_path / name, model, lag=32, concurrency=concurrency)
        files = ("episodes.jsonl", "policy.npz", "summary.json", "run.json")
        logs.append([(tmp_path / name / file).read_bytes() for file in files])
    assert all(log == logs[0] for log in logs[1:])
    assert logs[0][0].count(b"\n") == 120


def test_run_json_says_which_engine_and_versions_the_results_are_of(suite, tmp_path):
    run(suite, tmp_path / "a", episodes=2)
    kept = json.loads((tmp_path / "a" / "run.json").read_text())["versions"]
    with closing(sqlite3.connect(":memory:")) as connection:
        ((asked,),) = connection.execute("SELECT sqlite_version()")
    assert kept["sqlite"] == asked and kept["sqlbench"] == sb.__version__
    assert kept["python"] == platform.python_version() and kept["sqlglot"]


def test_another_seed_or_lag_gives_another_log(suite, tmp_path):
    run(suite, tmp_path / "a", episodes=60)
    run(suite, tmp_path / "b", episodes=60, seed=1)
    run(suite, tmp_path / "c", episodes=60, lag=20, concurrency=4)
    assert len({log_of(tmp_path / n) for n in "abc"}) == 3


@pytest.mark.parametrize("lag", [0, 1, 7, 50])
def test_an_episode_acts_on_the_policy_as_it_stood_lag_episodes_before(suite, lag):
    """Relearn the log, and compare every choice's scores with the snapshot's."""
    finished = run(suite, episodes=70, lag=lag, concurrency=5)
    versions, policy = [make_policy("linucb")], make_policy("linucb")
    for episode in finished.log:
        learn(policy, episode)
        versions.append(policy.snapshot())
    compared = 0
    for episode in finished.log:
        snapshot = versions[max(0, episode.index - lag)]
        for step in episode.steps:
            if step.context is not None:
                expected = snapshot.scores(step.context)
                assert list(step.scores.values()) == expected.tolist()
                compared += 1
    assert compared > 30


def test_a_policy_rebuilt_from_the_log_equals_the_live_one(suite, tmp_path):
    finished = run(suite, tmp_path / "r", lag=5, concurrency=3)
    rebuilt = make_policy("linucb")
    for episode in sb.Run.open(tmp_path / "r").log:
        learn(rebuilt, episode)
    live, saved = finished.policy.state(), sb.Run.open(tmp_path / "r").policy.state()
    for name, array in rebuilt.state().items():
        assert array.tobytes() == live[name].tobytes() == saved[name].tobytes()


def test_questions_come_once_a_pass_in_a_fresh_order(suite):
    finished = run(suite, policy="random", episodes=120)
    asked = [e.question_id for e in finished.log]
    assert sorted(asked[:60]) == sorted(asked[60:]) == sorted(q.id for q in suite)
    assert asked[:60] != asked[60:]
    assert [e.repeat for e in finished.log] == [0] * 60 + [1] * 60


def test_first_attempts_do_not_depend_on_the_policy(suite):
    logs = [run(suite, policy=p).log for p in ("random", "linucb", "oracle")]
    firsts = [[e.steps[0].sql for e in log] for log in logs]
    assert firsts[0] == firsts[1] == firsts[2]


def test_a_run_that_was_cut_off_goes_on_to_the_same_bytes(suite, tmp_path):
    whole = tmp_path / "whole"
    run(suite, whole, lag=9, concurrency=4)
    lines = log_of(whole).splitlines(keepends=True)
    for kept in (0, 1, 8, 9, 10, 77, 119):
        cut = tmp_path / f"cut{kept}"
        cut.mkdir()
        for name in ("run.json", "prompts.json"):
            (cut / name).write_bytes((whole / name).read_bytes())
        # The last line is torn, as by a crash in the middle of a write.
        (cut / "episodes.jsonl").write_bytes(b"".join(lines[:kept]) + lines[kept][:40])
        run(suite, cut, lag=9, concurrency=4)
        assert log_of(cut) == log_of(whole)
        assert (cut / "policy.npz").read_bytes() == (whole / "policy.npz").read_bytes()


@pytest.mark.slow
def test_a_run_killed_five_times_gives_the_same_bytes(suite, tmp_path):
    """SIGKILL at five different moments, and the same command again."""
    command = [
        sys.executable, "-m", "sqlbench", "run", "--episodes", "400", "--seed", "4", "--lag", "3",
        "--concurrency", "2", "--out",
    ]  # fmt: skip
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, whole], check=True, capture_output=True)
    for share in (0.05, 0.2, 0.4, 0.6, 0.85):
        process = subprocess.Popen(
            [*command, killed], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        log = killed / "episodes.jsonl"
        deadline = time.monotonic() + 120
        while not (log.exists() and log.read_bytes().count(b"\n") >= 400 * share):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert log_of(killed).count(b"\n") < 400
    subprocess.run([*command, killed], check=True, capture_output=True)
    for name in ("episodes.jsonl", "policy.npz", "summary.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


def test_a_finished_run_is_only_opened(suite, tmp_path):
    run(suite, tmp_path / "r", episodes=10)
    before = log_of(tmp_path / "r")
    again = run(suite, tmp_path / "r", episodes=10)
    assert log_of(tmp_path / "r") == before
    assert len(again.log) == 10


def test_a_folder_of_another_configuration_is_refused(suite, tmp_path):
    run(suite, tmp_path / "r", episodes=10)
    before = log_of(tmp_path / "r")
    with pytest.raises(RunFolderError, match=r"another configuration \(config.seed was 0, now 1"):
        run(suite, tmp_path / "r", episodes=10, seed=1)
    assert log_of(tmp_path / "r") == before


def test_a_run_that_was_refused_holds_no_lock_on_the_folder(suite, tmp_path):
    """A notebook keeps the last error, and with it whatever the refused run had opened."""
    out = tmp_path / "run"
    run(suite, out, episodes=4)
    with pytest.raises(RunFolderError, match="another configuration") as kept:
        run(suite, out, episodes=4, seed=1)
    whole = log_of(out)
    (out / "episodes.jsonl").write_bytes(b"damage\n" + whole)
    with pytest.raises(RunFolderError, match="line 1, is damaged") as kept_too:
        run(suite, out, episodes=4)
    (out / "episodes.jsonl").write_bytes(whole)
    assert run(suite, out, episodes=4).finished
    assert kept.value is not kept_too.value


def test_a_folder_of_other_files_is_refused_and_left_alone(suite, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunFolderError, match="holds files and no run"):
        run(suite, tmp_path, episodes=5)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_two_processes_cannot_write_one_run(suite, tmp_path):
    import fcntl

    run(suite, tmp_path / "r", episodes=5)
    with (tmp_path / "r" / "lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(RunFolderError, match="Another process"):
            run(suite, tmp_path / "r", episodes=5)


def test_episodes_that_the_model_failed_are_counted_apart_and_tried_again(suite, tmp_path):
    folder = tmp_path / "r"
    flaky = SimulatedModel(suite, failure_rate=0.1)
    first = run(suite, folder, flaky, lag=4, concurrency=3)
    assert len(first.failed) > 0 and len(first.log) + len(first.failed) == 120
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["model_errors"] == len(first.failed)
    assert summary["episodes"] == len(first.log)
    before = log_of(folder)
    second = run(suite, folder, lag=4, concurrency=3)
    assert second.failed == [] and len(second.log) == 120
    assert log_of(folder).startswith(before), "what was finished stays as it was"
    assert sorted(e.index for e in second.log) == list(range(120))
    assert sb.Run.open(folder).failed == []


class Refusing(SimulatedModel):
    async def complete(self, request):
        raise ModelError("nobody listens", "connection")


def test_an_endpoint_that_never_answered_stops_the_run_at_once(suite, tmp_path):
    with pytest.raises(ModelSetupError, match="nobody listens"):
        run(suite, tmp_path / "r", Refusing(suite))
    run(suite, tmp_path / "r", episodes=120)


def test_bad_values_are_refused_by_name(suite):
    for options, match in [
        ({"episodes": 0}, "episodes=0"), ({"seed": -1}, "seed=-1"), ({"lag": -2}, "lag=-2"),
        ({"concurrency": 0}, "concurrency"), ({"concurrency": 1.5}, "not 1.5"),
        ({"max_attempts": 9}, "max_attempts=9"),
        ({"temperature": -1.0}, "temperature=-1.0"), ({"episodes": True}, "episodes=True"),
    ]:  # fmt: skip
        with pytest.raises(ConfigError, match=match):
            run(suite, **options)
    with pytest.raises(ConfigError, match="suite is a spec like 'marketplace', or a Suite, not 5"):
        asyncio.run(run_experiment(5, progress=False))
    for options in [{"task": "nope"}, {"policy": "nope"}, {"policy": "linucb?beta=1"},
                    {"named": "nope"}, {"named": "simulated:nope"}, {"feedback": "nope"},
                    {"policy": "fixed:nope"}, {"metric": "nope"}]:  # fmt: skip
        with pytest.raises((UnknownNameError, ConfigError), match=r"nope|beta"):
            run(suite, **options)


def test_a_question_whose_gold_fails_is_excluded_and_named(suite, tmp_path):
    from dataclasses import replace

    task = suite.task("simple_queries")
    broken = replace(task.questions[0], gold="SELECT gone FROM nowhere")
    changed = sb.suites.base.Suite(
        "changed",
        {task.id: replace(task, questions=(broken, *task.questions[1:]))},
        suite.databases,
        suite.fingerprints,
    )
    finished = run(changed, tmp_path / "r", episodes=38)
    assert broken.id not in {e.question_id for e in finished.log}
    assert list(finished.meta["invalid_questions"]) == [broken.id]
    assert finished.summary["invalid_questions"] == 1


def test_data_frames_have_the_promised_columns(suite):
    finished = run(suite, episodes=40)
    assert list(finished.episodes) == [
        "episode", "question_id", "task_id", "db_id", "success", "attempts", "first", "field",
        "any", "total_reward", "model_calls", "prompt_tokens", "completion_tokens", "simulated",
    ]  # fmt: skip
    assert list(finished.steps) == [
        "episode", "attempt", "action", "context_error_class", "error_class", "propensity",
        "score", "base", "attempt_penalty", "severity_bonus", "change_bonus", "reward", "success",
        "sql", "error_message", "ucb_scores",
    ]  # fmt: skip
    steps = finished.steps
    assert steps[steps["success"]]["error_class"].isna().all()
    shifted = steps.groupby("episode")["error_class"].shift()
    repairs = steps["attempt"] > 1
    assert (steps.loc[repairs, "context_error_class"] == shifted[repairs]).all()
    parts = steps[["base", "attempt_penalty", "severity_bonus", "change_bonus"]].sum(axis=1)
    assert np.allclose(parts, steps["reward"])
    assert finished.episodes["simulated"].all()


def test_random_repairs_are_logged_with_their_propensity(suite):
    steps = run(suite, policy="random", episodes=40).steps
    assert (steps.loc[steps["attempt"] > 1, "propensity"] == 1 / 8).all()
    mixed = run(suite, policy="rules?epsilon=0.2", episodes=200).steps
    propensities = mixed.loc[mixed["attempt"] > 1, "propensity"].round(6)
    assert set(propensities) == {0.825, 0.025}
    assert (propensities == 0.825).mean() == pytest.approx(0.825, abs=0.06)
