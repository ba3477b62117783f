"""``sqlbench run`` with what the signals say, on both engines: context, gate, audit, grounding."""

from __future__ import annotations

import json
import sys

import pytest
from json_server import serve_json

from sqlbench.cli import main

CONTEXT = ("--policy", "linucb?features=class,signals")


@pytest.fixture(params=["sqlite", "postgres"])
def run(request, monkeypatch, capsys, tmp_path):
    """Run a few episodes of the marketplace from the command line; return its log's records."""
    server = ("--database", request.getfixturevalue("postgres").bench)
    engine = () if request.param == "sqlite" else server

    def call(*arguments: str, episodes: int = 4) -> list[dict]:
        out = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        given = ["run", "--episodes", str(episodes), *engine, *arguments, "--out", str(out)]
        monkeypatch.setattr(sys, "argv", ["sqlbench", *given])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert not ended.value.code, printed.err
        call.printed = printed.out
        return [json.loads(line) for line in (out / "episodes.jsonl").read_text().splitlines()]

    return call


def test_gate_and_context(run):
    episodes = run(*CONTEXT, "--feedback", "signals", "--max-doubt", "0.3")
    assert "| gated" in run.printed
    for episode in episodes:
        *before, last = episode["steps"]
        stopped = last["known"]["doubt"] < 0.3 and last["row_count"] is not None
        assert stopped or len(episode["steps"]) == 5
        assert all(s["row_count"] is None or s["known"]["doubt"] >= 0.3 for s in before)
        assert all(s["known"]["features"] for s in episode["steps"])


def test_audit_and_choice_are_the_same_at_every_concurrency(run):
    given = ("--feedback", "always", "--audit", "--samples", "3", "--choose", "doubt")
    one = run(*CONTEXT, *given, "--concurrency", "1")
    assert "| audited_fixed" in run.printed and "| gated" in run.printed
    assert run(*CONTEXT, *given, "--concurrency", "5") == one


@pytest.mark.parametrize("ground", ["on", "off"])
def test_a_repair_is_told_the_nearest_names_unless_that_is_off(run, monkeypatch, ground):
    asked: list[str] = []

    def answer(path: str, body: bytes) -> object:
        asked.append(json.dumps(json.loads(body)["messages"]))
        return {
            "id": "1", "object": "chat.completion", "created": 0, "model": "any",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {
                "role": "assistant", "content": "SELECT emial FROM customers"}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }  # fmt: skip

    with serve_json(answer) as address:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{address}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        run("--model", "openai:any", "--policy", "fixed:fix_column", "--ground", ground, episodes=1)
    assert len(asked) == 5
    told = ["no column emial" in text and "customers.email" in text for text in asked]
    assert told == [False, *[ground == "on"] * 4]
