"""A folder takes the run that began in it, and more episodes; what never began binds nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from answering import answering, whole
from failing import Failing

import sqlbench as sb
from sqlbench.exceptions import ModelSetupError, RunFolderError
from sqlbench.models.simulated.simulated import SimulatedModel
from sqlbench.policies import register_policy
from sqlbench.policies.linucb import LinUCBPolicy

FILES = ("episodes.jsonl", "run.json", "summary.json", "prompts.json")


def run(out: Path | None, episodes: int, model: object = "simulated", **more: object) -> sb.Run:
    return asyncio.run(
        sb.run_experiment(
            "marketplace", model, more.pop("policy", "linucb"), episodes=episodes, out=out,
            progress=False, **more,
        )
    )  # fmt: skip


@pytest.mark.parametrize("lag", [0, 3])
def test_a_finished_run_is_extended_to_the_bytes_of_the_larger_one(tmp_path, lag):
    large = run(tmp_path / "large", 30, lag=lag, concurrency=4)
    run(tmp_path / "grown", 10, lag=lag)
    run(tmp_path / "grown", 21, lag=lag)
    grown = run(tmp_path / "grown", 30, lag=lag, concurrency=4)
    for name in FILES:
        assert (tmp_path / "grown" / name).read_bytes() == (tmp_path / "large" / name).read_bytes()
    assert (grown.policy.arms.b == large.policy.arms.b).all() and grown.finished
    with pytest.raises(RunFolderError, match=r"config\.episodes was 30, now 10"):
        run(tmp_path / "grown", 10, lag=lag)


def test_an_extension_that_cannot_begin_leaves_the_finished_run_as_it_was(tmp_path):
    suite = sb.load_suite("marketplace")
    run(tmp_path, 5)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.suffix != ".jsonl"}
    with pytest.raises(ModelSetupError):
        run(tmp_path, 9, Failing(suite, 0, "setup"))
    assert {n: (tmp_path / n).read_bytes() for n in before} == before
    assert sb.Run.open(tmp_path).finished


def test_an_extension_that_broke_off_is_gone_on_with(tmp_path):
    suite = sb.load_suite("marketplace")
    run(tmp_path / "a", 5)
    with pytest.raises(ModelSetupError):
        run(tmp_path / "a", 30, Failing(suite, 20, "setup"))
    begun = sb.Run.open(tmp_path / "a")
    assert begun.config.episodes == 30 and not begun.finished
    with pytest.raises(RunFolderError, match="no policy yet"):
        _ = begun.policy
    run(tmp_path / "a", 30)
    run(tmp_path / "b", 30)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


class Hasty(LinUCBPolicy):
    def snapshot(self, progress: float = 0.0):
        return super().snapshot(progress)


def test_what_looks_at_the_share_of_the_run_cannot_be_extended(tmp_path):
    run(tmp_path / "drift", 4, "simulated:drift")
    with pytest.raises(RunFolderError, match=r"extended to 8: simulated:drift changes after 0\.5"):
        run(tmp_path / "drift", 8, "simulated:drift")
    register_policy("hasty", Hasty)
    run(tmp_path / "own", 4, policy="hasty")
    with pytest.raises(RunFolderError, match="hasty is told what share"):
        run(tmp_path / "own", 8, policy="hasty")


def test_a_start_that_failed_takes_the_corrected_command(tmp_path):
    suite = sb.load_suite("marketplace")
    with pytest.raises(ModelSetupError):
        run(tmp_path / "a", 8, Failing(suite, 0, "setup"), temperature=0.7, seed=4)
    assert (tmp_path / "a" / "run.json").exists()
    (tmp_path / "texts").mkdir()
    run(tmp_path / "a", 4)
    run(tmp_path / "b", 4)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with pytest.raises(RunFolderError, match="another configuration"):
        run(tmp_path / "a", 4, seed=4)


def test_episodes_that_were_all_lost_bind_nothing_either(tmp_path):
    suite = sb.load_suite("marketplace")
    lost = run(tmp_path, 4, Failing(suite, 0, "refused"))
    assert len(lost.failed) == 4
    assert not run(tmp_path, 3, SimulatedModel(suite), seed=1).failed


def test_the_same_failure_is_counted_once_however_often_it_comes(tmp_path):
    suite = sb.load_suite("marketplace")
    for _ in range(3):
        lost = run(tmp_path, 6, Failing(suite, 3, "refused"), max_attempts=1)
        assert lost.summary["model_errors"] == len(lost.failed) == 6 - len(lost.log)
        opened = sb.Run.open(tmp_path)
        assert [r["episode"] for r in opened.failed] == [r["episode"] for r in lost.failed]
        written = json.loads((tmp_path / "summary.json").read_text())
        assert written["model_errors"] == len(lost.failed)


def reasoning_model(request):
    """Refuse what OpenAI's reasoning models refuse."""
    for name in ("max_tokens", "temperature"):
        if name in request:
            instead = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
            text = f"Unsupported parameter: '{name}' is not supported.{instead}"
            return 400, {"error": {"message": text, "param": name}}
    return 200, whole("SELECT 1")


def test_what_a_server_made_of_parameters_is_recorded_and_begun_with(tmp_path, caplog):
    with answering(reasoning_model) as endpoint:
        run(tmp_path, 2, endpoint.model(), max_attempts=1)
        assert len(endpoint.requests) == 4 and len(caplog.records) == 2
        learned = {"max_tokens": "max_completion_tokens", "temperature": None}
        meta = json.loads((tmp_path / "run.json").read_text())
        assert meta["parameters"] == {"openai:m": learned}
        endpoint.requests.clear()
        finished = run(tmp_path, 4, endpoint.model(), max_attempts=1)
        assert len(endpoint.requests) == 2 and len(caplog.records) == 2
        assert all("temperature" not in r for r in endpoint.requests)
        assert json.loads((tmp_path / "run.json").read_text())["parameters"] == meta["parameters"]
    table = sb.analysis.run_table(finished)
    assert "temperature was left out" in table and "max_tokens was sent as" in table


def test_a_run_that_goes_on_at_another_endpoint_says_so(tmp_path):
    with answering(lambda request: (200, whole("SELECT 1"))) as first:
        run(tmp_path, 2, first.model(), max_attempts=1)
    with answering(lambda request: (200, whole("SELECT 2"))) as second:
        assert "endpoints (" not in sb.analysis.run_table(sb.Run.open(tmp_path))
        run(tmp_path, 2, second.model(), max_attempts=1)  # nothing was asked there
        assert "endpoints (" not in sb.analysis.run_table(sb.Run.open(tmp_path))
        finished = run(tmp_path, 4, second.model(), max_attempts=1)
    assert "openai:m was asked at 2 endpoints (http" in sb.analysis.run_table(finished)


def test_a_damaged_record_of_parameters_is_said(tmp_path):
    run(tmp_path, 2)
    meta = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(meta | {"parameters": {"openai:m": ["seed"]}}))
    with pytest.raises(RunFolderError, match="its parameters are"):
        run(tmp_path, 2)


@pytest.mark.parametrize("reply", [(400, {"error": {"message": "no such thing"}})])
def test_a_refused_request_stops_no_run_that_was_answered_before(tmp_path, reply):
    answers = [(200, whole("SELECT 1"))]
    with answering(lambda request: answers[0]) as endpoint:
        run(tmp_path, 2, endpoint.model(), max_attempts=1)
        answers[0] = reply
        lost = run(tmp_path, 4, endpoint.model(), max_attempts=1)
        assert [f["kind"] for f in lost.failed] == ["bad_request"] * 2
        with pytest.raises(ModelSetupError, match="no such thing"):
            run(tmp_path / "new", 4, endpoint.model(), max_attempts=1)
