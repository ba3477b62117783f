"""Calling well: an endpoint that misbehaves changes no result and loses no answer."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import closing

import pytest
from scripted import request
from served import answers_for, run_on, serve

import sqlbench as sb
from sqlbench.exceptions import ModelSetupError
from sqlbench.models import Calling, ModelError, extract_sql
from sqlbench.models.endpoint.openai import OpenAIModel

FAULTS = {
    "rate_limit": 0.1, "error": 0.05, "hang": 0.03, "reset": 0.03, "truncated": 0.03,
    "garbage": 0.02,
}  # fmt: skip


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


def ask(server, how="complete", **calling):
    async def go():
        model = OpenAIModel("m", server.environ, Calling(**calling))
        try:
            if how == "complete":
                return await model.complete(request())
            return [piece async for piece in model.stream(request())]
        finally:
            await model.aclose()

    return asyncio.run(go())


# ---- a whole run


@pytest.mark.slow
def test_a_run_against_a_faulty_endpoint_equals_a_faultless_one(suite, tmp_path):
    """Every fault of the catalogue at once; plain and streamed; the very bytes of the log."""
    logs, seen = [], {}
    for name, faults, stream in [
        ("clean", {}, False), ("plain", FAULTS, False), ("streamed", FAULTS, True),
    ]:  # fmt: skip
        with serve(tmp_path, answers_for(suite), faults=faults, latency=0.01) as server:
            finished = run_on(server, suite, tmp_path / name, episodes=60, stream=stream)
            stats = server.stats
        assert finished.failed == [] and len(finished.log) == 60
        logs.append((tmp_path / name / "episodes.jsonl").read_bytes())
        with sqlite3.connect(tmp_path / name / "responses.sqlite") as store:
            (stored,) = store.execute("SELECT count(*) FROM completions").fetchone()
        assert stored == sum(e.model_calls for e in finished.log)
        calls = list(finished.calls())
        assert len(calls) == stats["requests"]
        assert sum(c["failure"] is None for c in calls) == stored
        # On a busy machine an answer may come after its limit: it is finished only at the server.
        late = sum(c["failure"] == "timeout" for c in calls) - stats.get("hang", 0)
        assert 0 <= stats["finished"] - stored <= max(0, late)
        assert stats["max_in_flight"] <= 32 + max(0, late)
        seen[name] = stats
    assert logs[0] == logs[1] == logs[2]
    for name in ("plain", "streamed"):
        assert all(seen[name].get(fault) for fault in ("rate_limit", "error", "hang", "reset"))
    assert seen["clean"]["requests"] == seen["clean"]["finished"]


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fault",
    ["rate_limit", "error", "hang", "reset", "truncated", "broken_off", "broken_json",
     "empty_choices", "html", "wrong_type", "endless"],
)  # fmt: skip
def test_each_fault_is_tried_again_until_it_passes(suite, tmp_path, fault, stream):
    with serve(tmp_path, answers_for(suite), faults={fault: 0.5}) as server:
        # Short only where they are waited for: on a busy machine good answers take long too.
        waits = fault in ("hang", "endless")
        limits = {
            "answer_seconds": 2.0 if waits else 60.0,
            "first_token_seconds": 1.5 if waits else 60.0,
        }
        finished = run_on(server, suite, episodes=6, stream=stream, retries=12, **limits)
        assert finished.failed == [] and len(finished.log) == 6
        assert server.stats[fault] >= 1


def stored_in(folder):
    with closing(sqlite3.connect(folder / "responses.sqlite")) as store:
        return [json.loads(text) for (text,) in store.execute("SELECT completion FROM completions")]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_half_an_answer_with_the_reason_error_is_called_again_and_kept_nowhere(
    suite, tmp_path, stream
):
    """``finish_reason: "error"`` comes with a status of 200, and with SQL that would be scored."""
    logs = []
    for name, faults in [("clean", {}), ("broken", {"broken_off": 0.4})]:
        with serve(tmp_path, answers_for(suite), faults=faults) as server:
            finished = run_on(
                server, suite, tmp_path / name, episodes=8, stream=stream, retries=12,
                answer_seconds=60.0, first_token_seconds=60.0,
            )  # fmt: skip
            stats = server.stats
        assert finished.failed == []
        logs.append((tmp_path / name / "episodes.jsonl").read_bytes())
        stored = stored_in(tmp_path / name)
        assert len(stored) == stats["finished"] == sum(e.model_calls for e in finished.log)
        assert all(kept["finish_reason"] == "stop" for kept in stored)
    assert logs[0] == logs[1]
    assert stats["broken_off"] >= 3
    failures = [call["failure"] for call in finished.calls() if call["failure"] is not None]
    assert len(failures) == stats["broken_off"]


def test_what_always_breaks_off_is_a_model_error_and_never_wrong_sql(suite, tmp_path):
    with serve(tmp_path, answers_for(suite), faults={"broken_off": 1.0}) as server:
        finished = run_on(server, suite, tmp_path / "run", episodes=3, retries=1)
        assert server.stats["broken_off"] == 6
    assert finished.log == [] and len(finished.failed) == 3
    assert {f["error_class"] for f in finished.failed} == {"model_error"}
    assert all("the provider broke off" in f["message"] for f in finished.failed)
    assert stored_in(tmp_path / "run") == []


def test_an_episode_whose_model_fails_for_good_is_counted_beside_the_rates(suite, tmp_path):
    folder = tmp_path / "run"
    with serve(tmp_path, answers_for(suite), faults={"error": 0.3}) as server:
        first = run_on(server, suite, folder, episodes=25, lag=6, retries=0)
    assert first.failed and len(first.log) + len(first.failed) == 25
    assert {f["error_class"] for f in first.failed} == {"model_error"}
    assert first.summary["rates"]["any"]["n"] == len(first.log)
    assert first.summary["model_errors"] == len(first.failed)
    with serve(tmp_path, answers_for(suite)) as server:
        second = run_on(server, suite, folder, episodes=25, lag=6, retries=0)
    assert second.failed == [] and len(second.log) == 25


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_no_retry_can_mend_stops_the_run_at_once(suite, tmp_path, status):
    with serve(tmp_path, status=status) as server:
        with pytest.raises(ModelSetupError, match=f"answered {status}: .*told to answer {status}"):
            run_on(server, suite, tmp_path / "run", concurrency=4)
        assert 1 <= server.stats["requests"] <= 4


def test_a_request_that_is_refused_amid_others_fails_alone():
    from openai import BadRequestError

    error = BadRequestError("too long", response=_response(400), body=None)
    explained = OpenAIModel("m", {"OPENAI_BASE_URL": "http://localhost:1/v1"})._explained(error)
    assert explained.kind == "bad_request" and not explained.transient


def test_no_money_left_stops_the_run_though_it_is_a_429():
    from openai import RateLimitError

    body = {"code": "insufficient_quota", "message": "pay"}
    error = RateLimitError("pay", response=_response(429), body=body)
    explained = OpenAIModel("m", {"OPENAI_BASE_URL": "http://localhost:1/v1"})._explained(error)
    assert explained.kind == "setup" and not explained.transient


def _response(status):
    import openai

    made = openai.DefaultAsyncHttpxClient().build_request("POST", "http://localhost/")
    module = __import__(type(made).__module__.partition(".")[0])
    return module.Response(status, request=made)


# ---- one call


def test_an_endpoint_that_nobody_serves_is_named(tmp_path):
    with serve(tmp_path) as server:
        pass
    with pytest.raises(ModelError, match=r"127\.0\.0\.1.* cannot be reached") as caught:
        ask(server)
    assert caught.value.transient and caught.value.kind == "connection"


def test_a_call_that_hangs_is_given_up_within_its_limit(tmp_path):
    with serve(tmp_path, faults={"hang": 1.0}) as server:
        for how, limits in [
            ("complete", {"answer_seconds": 0.3}),
            ("stream", {"first_token_seconds": 0.3}),
        ]:
            started = time.monotonic()
            with pytest.raises(ModelError) as caught:
                ask(server, how, **limits)
            assert caught.value.kind == "timeout" and caught.value.transient
            assert 0.25 < time.monotonic() - started < 60


@pytest.mark.parametrize("how", ["complete", "stream"])
def test_an_answer_without_end_is_given_up_within_its_limit(tmp_path, how):
    with serve(tmp_path, faults={"endless": 1.0}) as server:
        with pytest.raises(ModelError) as caught:
            ask(server, how, answer_seconds=0.4)
        assert caught.value.kind == "timeout"


def test_an_answer_that_is_too_long_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr("sqlbench.models.endpoint.events.MAX_ANSWER_BYTES", 5_000)
    with serve(tmp_path, faults={"endless": 1.0}) as server:
        for how in ("complete", "stream"):
            with pytest.raises(ModelError, match="without end"):
                ask(server, how, answer_seconds=30)


def test_reasoning_is_kept_apart_and_never_run(suite, tmp_path):
    thought = "DROP TABLE orders; then SELECT 1"
    question = next(iter(suite))
    text = f"<think>I might DELETE FROM orders;</think>```sql\n{question.gold}\n```"
    with serve(tmp_path, {"How many orders": [text]}, reasoning=thought) as server:
        answer = ask(server)
        *pieces, last = ask(server, "stream")
    assert answer.text == last.text == f"```sql\n{question.gold}\n```"
    assert answer.reasoning == last.reasoning == f"{thought}\n\nI might DELETE FROM orders;"
    assert "".join(pieces) == answer.text
    assert answer.usage.cached_tokens > 0 and answer.usage.reasoning_tokens == 5
    assert extract_sql(answer.text).startswith(question.gold.strip()[:20])


def test_every_call_logs_its_tokens(suite, tmp_path):
    with serve(tmp_path, answers_for(suite)) as server:
        finished = run_on(server, suite, tmp_path / "run", episodes=10)
    steps = [s for e in sb.Run.open(tmp_path / "run").log for s in e.steps]
    assert all(s.prompt_tokens > s.cached_tokens > 0 for s in steps)
    assert all(s.completion_tokens > s.reasoning_tokens == 5 for s in steps)
    assert [s for e in finished.log for s in e.steps] == steps


def test_the_key_is_in_no_file_of_a_run(suite, tmp_path):
    with serve(tmp_path, answers_for(suite)) as server:
        run_on(server, suite, tmp_path / "run", episodes=3)
    for path in (tmp_path / "run").iterdir():
        assert b"secret" not in path.read_bytes(), path.name
    assert json.loads((tmp_path / "run" / "run.json").read_text())["simulated"] is False
