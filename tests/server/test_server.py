"""The real server in its own process, driven by stock clients, ours, and plain WebSockets."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from openenv.core import GenericEnvClient
from serving import Served, call, serve
from websockets.asyncio.client import connect

import sqlbench as sb
from sqlbench.client import ServerError, SQLAction, SQLBenchEnv, SQLObservation
from sqlbench.episodes.repair import ARMS
from sqlbench.episodes.returns import paid
from sqlbench.server.bench import ServerConfig, Workbench

SEEDS_FIELDS = {
    "question", "schema_info", "current_sql", "error_message", "error_class", "attempt_number",
    "max_attempts", "task_id", "task_difficulty",
}  # fmt: skip


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


def squashed(sql: str) -> str:
    return re.sub(r"[\s;]+", "", sql).lower()


async def test_the_generic_client_plays_whole_episodes(server: Served):
    async with GenericEnvClient(base_url=server.url) as env:
        for seed in range(5):
            result = await env.reset(task_id="join_queries", seed=seed)
            assert result.observation.keys() >= SEEDS_FIELDS
            assert not result.done
            steps, summed = 0, 0.0
            while not result.done:
                result = await env.step({"repair_action": "auto"})
                steps += 1
                seen = result.observation
                assert seen["attempt_number"] == steps
                summed += result.reward
                assert summed == pytest.approx(seen["value"]) and result.reward >= 0
                parts = seen["breakdown"]
                assert seen["shaped_reward"] == pytest.approx(sum(parts.values()))
                if not result.done:
                    assert set(seen["ucb_scores"]) == set(ARMS)
                    assert seen["suggested"] in ARMS
                    assert seen["error_class"]
                if steps > 1:
                    assert 0 < seen["propensity"] <= 1
                    assert seen["action"] in ARMS
            assert seen["success"] or steps == 5
            assert summed == pytest.approx(1.1 - 0.1 * steps) if seen["success"] else summed <= 0.5
            assert seen["simulated"] is True
            state = await env.state()
            assert state["done"] and state["step_count"] == steps and len(state["episode_id"]) == 36


async def test_the_typed_client_gives_typed_observations_and_state(server: Served):
    async with SQLBenchEnv(server.url) as env:
        result = await env.reset(question_id="simple_01", episode_id="mine")
        assert isinstance(result.observation, SQLObservation)
        assert result.observation.question_id == "simple_01"
        result = await env.step(SQLAction(custom_sql="SELECT 1 AS one, NULL, x'00ff', 9e999"))
        seen = result.observation
        assert seen.columns[0] == "one" and seen.rows == [[1, None, "x'00ff'", "inf"]]
        assert (seen.action, seen.error_class) == ("custom", "wrong_result")
        assert seen.propensity is None and seen.reward == result.reward == 0.0
        result = await env.step("fix_column")
        assert result.observation.action == "fix_column" and result.observation.propensity is None
        state = await env.state()
        assert (state.episode_id, state.attempt_number, state.active) == ("mine", 2, True)


def test_the_typed_client_works_without_async(server: Served):
    with SQLBenchEnv(server.url).sync() as env:
        result = env.reset()
        assert result.observation.question_id == "simple_01"
        while not result.done:
            result = env.step("auto")
        assert result.observation.total_reward is not None


async def test_a_session_is_the_same_as_the_environment_in_process(server: Served, suite):
    """Same questions, same answers, same rewards: the wire adds nothing and drops nothing."""
    actions = ["generate", "fix_column", "rewrite_full", "generate", "relax_filter"]
    env = sb.SQLAgentEnv(suite)
    async with SQLBenchEnv(server.url) as client:
        for question in suite.task("complex_queries").questions[:6]:
            here = env.reset_with_question(question.task_id, question.id)
            there = await client.reset(task_id=question.task_id, question_id=question.id)
            for action in actions:
                assert there.observation.model_dump(include=SEEDS_FIELDS) == here.model_dump(
                    include=SEEDS_FIELDS
                )
                here, reward = await env.step(action)
                there = await client.step(action)
                assert there.reward == paid(env.episode.steps, reward.done)
                assert there.done == reward.done
                assert there.observation.breakdown == reward.info["breakdown"]
                if reward.done:
                    assert there.observation.total_reward == env.episode.total_reward
                    break


def test_the_client_never_imports_the_server():
    code = (
        "import sys, sqlbench.client; "
        "print([m for m in sys.modules if m.startswith("
        "('sqlbench.server', 'sqlbench.environment.e',"
        " 'sqlbench.databases', 'sqlbench.models', 'sqlbench.suites'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


async def test_32_sessions_at_once_are_isolated(server: Served, suite):
    """Each session asks another question and sees only its own episode, whatever the others do."""
    questions = list(suite)[:32]

    async def play(number: int) -> list[float]:
        question, rewards = questions[number], []
        async with connect(f"{server.ws_url}", proxy=None) as ws:

            async def ask(kind: str, data: dict | None = None) -> dict:
                frame = {"type": kind} | ({} if data is None else {"data": data})
                await ws.send(json.dumps(frame))
                answer = json.loads(await ws.recv())
                assert answer["type"] in ("observation", "state"), answer
                return answer["data"]

            await ask("reset", {"question_id": question.id, "episode_id": f"e{number}"})
            for attempt in range(1, 6):
                sql = f"SELECT {number}, {attempt}"
                data = await ask("step", {"custom_sql": sql})
                seen = data["observation"]
                assert seen["question"] == question.text and seen["current_sql"] == sql
                assert seen["rows"] == [[number, attempt]] and seen["attempt_number"] == attempt
                rewards.append(seen["shaped_reward"])
                state = await ask("state")
                assert state["episode_id"] == f"e{number}" and state["current_sql"] == sql
            assert data["done"]
        return rewards

    rewards = await asyncio.gather(*(play(i) for i in range(32)))
    assert len(rewards) == 32 and all(r == rewards[0] for r in rewards)


def test_the_policy_learns_once_from_each_episode_that_ends(server: Served):
    def learned() -> int:
        return int(json.loads(server.request("/info")[1])["episodes_learned"])

    before = learned()
    with server.connect() as ws:
        call(ws, "reset", {})
        while not call(ws, "step", {"repair_action": "auto"})["data"]["done"]:
            pass
        assert learned() == before + 1
        call(ws, "reset", {})  # the episode above is over: nothing more to learn
        assert learned() == before + 1
        call(ws, "step", {"custom_sql": "SELECT 1"})
        call(ws, "reset", {})  # closes an open episode as a failure
        assert learned() == before + 2
        call(ws, "step", {"custom_sql": "SELECT 1"})
    # A client that leaves in mid-episode says nothing about the repairs.
    assert learned() == before + 2


def test_reset_draws_by_seed_as_the_environment_does(server: Served, suite):
    env = sb.SQLAgentEnv(suite)
    with server.connect() as ws:
        for seed in range(6):
            answer = call(ws, "reset", {"task_id": "simple_queries", "seed": seed})
            here = env.reset("simple_queries", seed=seed)
            assert answer["data"]["observation"]["question"] == here.question


def test_a_stream_sends_the_events_of_a_whole_episode(server: Served):
    for seed in range(8):
        events = server.stream({"task_id": "complex_queries", "seed": seed})
        kinds = [e["type"] for e in events]
        pattern = (
            r"(attempt_start (sql_chunk )+sql_complete executing rl_action error rl_reward )*"
            r"attempt_start (sql_chunk )+sql_complete executing "
            r"((rl_action error rl_reward )|(rl_reward success ))rl_episode_end observation "
        )
        assert re.fullmatch(pattern, "".join(k + " " for k in kinds)), kinds
        last = events[-1]
        assert last["done"] and last["success"] == ("success" in kinds)
        assert last["attempt_number"] == kinds.count("attempt_start")
        for event in events:
            if event["type"] == "rl_action" and event["suggested"]:
                assert set(event["ucb_scores"]) == set(ARMS)


def test_a_stream_takes_a_policy_or_a_list_of_actions(server: Served):
    body = {"question_id": "complex_03", "actions": ["auto", {"custom_sql": "SELEC 1"}]}
    events = server.stream(body)
    starts = [e["action"] for e in events if e["type"] == "attempt_start"]
    assert starts[0] == "generate" and starts[1:] in (["custom"], [])
    custom = {"question_id": "simple_01", "actions": [{"custom_sql": "SELEC 1"}, "fix_syntax"]}
    events = server.stream(custom)
    assert [e["action"] for e in events if e["type"] == "attempt_start"] == [
        "custom", "fix_syntax"
    ]  # fmt: skip
    assert next(e for e in events if e["type"] == "error")["error_class"] == "syntax_error"
    fixed = server.stream({"task_id": "complex_queries", "seed": 5, "policy": "fixed:add_groupby"})
    assert {e["action"] for e in fixed if e["type"] == "attempt_start"} <= {
        "generate", "add_groupby"
    }  # fmt: skip


async def test_the_typed_client_streams(server: Served):
    client = SQLBenchEnv(server.url)
    events = [e async for e in client.stream("join_queries", seed=2)]
    assert events[0]["type"] == "attempt_start" and events[-1]["type"] == "observation"
    with pytest.raises(ServerError, match="Unknown task 'no_such'"):
        async for _ in client.stream("no_such"):
            pass


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"policy": "linucb", "actions": ["auto"]}, 400, "a policy or a list of actions, not both"),
        ({"actions": ["fix_everything"]}, 400, "Unknown action 'fix_everything'"),
        ({"actions": []}, 422, "actions"),
        ({"actions": ["auto"] * 6}, 422, "at most 5"),
        ({"question_id": "simple_99"}, 400, "Unknown question 'simple_99'"),
        ({"policy": "best"}, 400, "Unknown policy 'best'"),
        ({"qestion_id": "simple_01"}, 422, "'qestion_id'"),
        ({"seed": -1}, 422, "seed=-1"),
        ({"actions": [{"custom_sql": "x" * 100_001}]}, 422, "at most 100000 characters"),
        (b"{", 422, "not valid JSON"),
        (b"[1]", 422, "[1] will not do"),
        (b"[" * 100_000, 400, "error parsing the body"),
        (b'"' + b"x" * 600_000 + b'"', 413, "524288 bytes at most"),
    ],
)
def test_a_stream_that_cannot_be_is_refused_in_a_sentence(server: Served, body, status, says):
    got, text = server.request("/stream", body)
    assert got == status
    assert says in json.loads(text)["detail"]


def test_openenv_validates_the_running_server(server: Served):
    command = [
        sys.executable,
        "-m",
        "openenv.cli",
        "validate",
        "--url",
        server.url,
        "--timeout",
        "60",
    ]
    out = subprocess.run(command, capture_output=True, text=True)
    assert out.returncode == 0 and "Verdict: PASS" in out.stdout, out.stdout + out.stderr


def test_no_response_holds_gold_sql(server: Served, suite):
    """Every route, and WebSocket episodes on every question, grepped for every gold query.

    The agent's own SQL is its own: here it is custom SQL, since the simulated model's right
    answers are the gold query put another way.
    """
    golds = {squashed(q.gold): q.id for q in suite}
    paths = ["/", "/info", "/metadata", "/health", "/schema", "/state", "/openapi.json", "/docs",
             "/redoc", "/list_environments", "/sqlbench/splits"]  # fmt: skip
    texts = [server.request(path)[1] for path in paths]
    for split in ["marketplace", *(f"marketplace/{t}" for t in suite.tasks)]:
        for path in ("tasks", "task_range", "num_tasks"):
            texts.append(server.request(f"/sqlbench/{path}", {"split": split})[1])
    texts.append(server.request("/reset", {"question_id": "complex_01"})[1])
    texts.append(server.request("/step", {"action": {"custom_sql": "SELECT 1"}})[1])
    texts.append(server.request("/mcp", {})[1])

    def play(question) -> list[str]:
        answers = []
        with server.connect() as ws:
            frames = [("reset", {"question_id": question.id}), ("state", None)]
            for sql in ("SELECT 1", "SELEC", "SELECT no_such FROM customers", ""):
                frames += [("step", {"custom_sql": sql}), ("state", None)]
            for kind, data in frames:
                answers.append(json.dumps(call(ws, kind, data), ensure_ascii=False))
        actions = [{"custom_sql": "SELECT 1"}, {"custom_sql": "SELECT x"}]
        answers += map(json.dumps, server.stream({"question_id": question.id, "actions": actions}))
        return answers

    with ThreadPoolExecutor(8) as pool:
        for answers in pool.map(play, suite):
            texts += answers
    assert len(texts) > 1000
    for text in texts:
        plain = squashed(text.replace("\\n", " ").replace('\\"', '"'))
        for gold, question_id in golds.items():
            assert gold not in plain, f"the gold query of {question_id} is in {text[:200]}"


def test_what_is_served_of_a_suites_file_has_no_folder_and_says_what_lacks_a_gold(tmp_path: Path):
    sqlite3.connect(tmp_path / "shop.sqlite").execute("CREATE TABLE sale (id INTEGER)")
    (tmp_path / "shop.yaml").write_text(
        "database: shop.sqlite\ntasks:\n- id: simple_queries\n  difficulty: easy\n  questions:\n"
        "  - {id: q1, text: How many}\n  - {id: q2, text: All, gold: SELECT id FROM sale}\n"
    )
    bench = Workbench(ServerConfig(suite=str(tmp_path / "shop.yaml"), model="simulated"))
    info = bench.info()
    assert info["suite"] == "shop.yaml" and info["without_gold"] == 1
    assert list(bench.splits())[:2] == ["shop.yaml", "shop.yaml/simple_queries"]


def test_the_page_shows_a_running_episode(server: Served, tmp_path: Path):
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = next((p for p in map(Path, ("/usr/bin/chromium",)) if p.exists()), None)
    if chromium is None:
        pytest.skip("no chromium here")
    with ThreadPoolExecutor(1) as pool:  # Playwright's sync API wants a thread without a loop
        pool.submit(_browse, playwright, chromium, server.url).result()


def _browse(playwright, chromium: Path, url: str) -> None:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.goto(url, timeout=60_000)
        expect = playwright.expect
        expect(page.locator("#served")).to_contain_text("60 questions in 3 tasks", timeout=60_000)
        expect(page.locator("#served")).to_contain_text("simulated: no real model")
        page.select_option("#acts", "actions")
        page.fill("#spec", "generate")
        page.click("#run")
        expect(page.locator(".attempt h2")).to_have_text("Attempt 1: generate", timeout=60_000)
        expect(page.locator(".attempt pre")).not_to_be_empty()
        expect(page.locator("#end")).not_to_be_empty(timeout=60_000)
        page.fill("#spec", "fix_nothing")
        page.click("#run")
        expect(page.locator("#end")).to_contain_text("Unknown action 'fix_nothing'", timeout=60_000)
        browser.close()
    # A refused request is a console error in Chromium: one is expected, and nothing else.
    assert len(errors) == 1 and "400" in errors[0], errors


def test_a_server_on_postgres_repairs_stored_answers_with_another_model(postgres, tmp_path):
    """Everything a server is told may come by the environment, as an image's does."""
    suite = sb.load_suite("marketplace")
    path = tmp_path / "first.jsonl"
    path.write_text(
        "".join(json.dumps({"question_id": q.id, "pred": "SELECT nil"}) + "\n" for q in suite)
    )
    told = {
        "SQLBENCH_DATABASE": postgres.bench,
        "SQLBENCH_MODEL": f"predictions:{path}",
        "SQLBENCH_REPAIR_MODEL": "simulated",
    }
    with serve(**told) as served, SQLBenchEnv(served.url).sync() as env:
        info = json.loads(served.request("/info")[1])
        assert (info["model"], info["repair_model"]) == ("predictions:first.jsonl", "simulated")
        assert info["simulated"] is True and "s3cr3t" not in json.dumps(info)
        env.reset()
        assert (
            "PostgreSQL"
            in env.step(SQLAction(custom_sql="SELECT version()")).observation.rows[0][0]
        )
        solved = 0
        for seed in range(5):
            env.reset(seed=seed)
            result = env.step("auto")
            assert result.observation.current_sql == "SELECT nil"
            assert result.observation.error_class == "no_such_column"
            while not result.done:
                result = env.step("auto")
            solved += result.observation.success
        assert solved
