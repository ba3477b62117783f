"""A server that does not stream serves the streamed step as well as the plain one."""

from __future__ import annotations

import pytest
from answering import answering, never_streams

import sqlbench as sb


@pytest.mark.parametrize("refuses", [False, True], ids=["one piece", "refuses to stream"])
async def test_a_streamed_step_has_all_its_events_from_a_server_that_does_not_stream(
    refuses, monkeypatch
):
    suite = sb.load_suite("marketplace")
    gold = suite.task("simple_queries").questions[0].gold.strip()
    reply = never_streams(f"```sql\n{gold}\n```", refuses=refuses)
    with answering(reply) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        env = sb.SQLAgentEnv(suite, "openai:m", "rules")
        env.reset("simple_queries")
        events = [event async for event in env.step_streaming()]
        await env.model.aclose()
    kinds = [event["type"] for event in events]
    assert [k for k in kinds if k != "sql_chunk"] == [
        "attempt_start", "sql_complete", "executing", "rl_reward", "success", "rl_episode_end",
    ]  # fmt: skip
    # The whole answer is one piece, shown before it is complete.
    assert gold in "".join(event["chunk"] for event in events if event["type"] == "sql_chunk")
    assert kinds.index("sql_chunk") < kinds.index("sql_complete")
    assert env.episode.success and env.episode.steps[0].sql.strip() == gold.rstrip(";").strip()
    asked = [("stream" in request) for request in endpoint.requests]
    assert asked == ([True, False] if refuses else [True])
