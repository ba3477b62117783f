"""`sqlbench serve --agent`: SQL in, the schema once, bad actions as observations, episodes kept."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from openenv.core import GenericEnvClient
from openenv.core.harness import HarnessRunLimits, MCPHarnessAdapter
from openenv.core.harness.collect import CollectRunner, RolloutSerializer
from openenv.core.harness.rollout import ModelStepResult
from openenv.core.llm_client import LLMResponse, ToolCall
from serving import Served, call, serve

import sqlbench as sb
from sqlbench import analysis, plots
from sqlbench.doors.collect import SQLSessionFactory
from sqlbench.exceptions import ConfigError
from sqlbench.reports.claims import check_claims
from sqlbench.reports.export import export
from sqlbench.reports.questions import questions_card, questions_text
from sqlbench.reports.title import title_text
from sqlbench.server import ServerConfig


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """An agents' server whose episodes are kept, and the folder."""
    folder = tmp_path_factory.mktemp("log") / "episodes"
    with serve("--agent", "--log", str(folder)) as served:
        yield served, folder


@pytest.fixture
def agents(logged) -> Served:
    return logged[0]


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


def test_the_schema_comes_once(agents: Served, suite):
    question = next(iter(suite))
    with agents.connect() as ws:
        start = call(ws, "reset", {"question_id": question.id})["data"]["observation"]
        assert "CREATE TABLE" in start["schema_info"] or "customers" in start["schema_info"]
        assert start["dialect"] == "sqlite" and start["question"] == question.text
        answer = call(ws, "step", {"sql": "SELECT name FROM customers"})
        seen = answer["data"]["observation"]
        assert seen["schema_info"] is None and len(json.dumps(answer)) < 2_000
        assert seen["row_count"] and seen["facts"] == seen["evidence"] == []
        right = call(ws, "step", {"sql": question.gold})["data"]
        assert right["done"] and right["observation"]["success"]
        assert answer["data"]["reward"] + right["reward"] == pytest.approx(0.9)
        over = call(ws, "step", {"sql": question.gold})["data"]
        assert over["done"] and over["reward"] == 0.0 and over["observation"]["success"]
        assert "The episode is over" in over["observation"]["error_message"]


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ({"sql": ""}, "a SELECT statement is expected"),
        ({}, "'sql': field required"),
        ({"sql": 7}, "should be a valid string"),
        ({"sql": None}, "should be a valid string"),
        ({"query": "SELECT 1"}, "'sql': field required"),
        ({"repair_action": "auto"}, "sql"),
        ({"sql": "x" * 100_001}, "at most 100000 characters"),
        ({"sql": "generate"}, "is an action of environments that have a model"),
        ({"sql": "SELEC"}, "syntax error"),
    ],
)
def test_a_bad_action_is_an_observation_and_pays_nothing(agents: Served, action, says):
    with agents.connect() as ws:
        call(ws, "reset", {})
        answer = call(ws, "step", action)
        assert answer["type"] == "observation", answer
        seen = answer["data"]["observation"]
        assert says in seen["error_message"] and seen["attempt_number"] == 1
        assert answer["data"]["reward"] == 0.0 and not answer["data"]["done"]
        assert call(ws, "step", {"sql": "SELECT 1"})["data"]["observation"]["row_count"] == 1


async def test_the_stock_client_plays(agents: Served):
    async with GenericEnvClient(base_url=agents.url) as env:
        await env.reset(split="dev", index=0)
        result = await env.step({"sql": "SELECT count(*) FROM customers"})
        assert result.observation["row_count"] == 1 and result.reward >= 0


class Scripted:
    """A model that calls run_sql with what it was told to."""

    def __init__(self, queries):
        self.queries = iter(queries)

    def __call__(self, messages, tools, sampling):
        sql = next(self.queries, None)
        calls = [ToolCall(id="1", name="run_sql", args={"sql": sql})] if sql else []
        return ModelStepResult(response=LLMResponse(content="", tool_calls=calls))


def test_openenvs_collector_counts_what_is_right_and_nothing_else(agents: Served, suite, tmp_path):
    question = suite.question("join_01")
    gold = question.gold.strip().rstrip(";")
    near = f"SELECT * FROM ({gold}) UNION ALL SELECT * FROM (SELECT * FROM ({gold}) LIMIT 1)"
    scripts = [["SELECT 1"] * 5, [near], [near] * 5, [near, gold], [gold], ["SELEC", near]]
    rates = []
    for i, queries in enumerate(scripts):
        runner = CollectRunner(
            session_factory=SQLSessionFactory(agents.url),
            harness_adapter=MCPHarnessAdapter(),
            serializer=RolloutSerializer(tmp_path / str(i)),
            tasks=[{"question_id": question.id}],
            limits=HarnessRunLimits(max_turns=8),
        )
        result = runner.run(model_step=Scripted(queries), num_episodes=1)
        assert (result.num_collected, result.num_failed) == (1, 0)
        record = json.loads((tmp_path / str(i) / "results.jsonl").read_text())
        assert record["verify_metrics"]["success"] == bool(result.success_rate)
        rates.append(result.success_rate)
    assert rates == [0, 0, 0, 1, 1, 0]


def test_openenv_validates_the_running_server_without_a_warning(agents: Served):
    command = [sys.executable, "-m", "openenv.cli", "validate", "--url", agents.url]
    out = subprocess.run([*command, "--timeout", "60"], capture_output=True, text=True)
    assert out.returncode == 0 and "Verdict: PASS" in out.stdout, out.stdout + out.stderr
    assert "warn" not in out.stdout.lower(), out.stdout


def test_a_stream_needs_sql(agents: Served):
    status, text = agents.request("/stream", {})
    assert status == 400 and "has no model" in text
    events = agents.stream({"question_id": "simple_01", "actions": [{"custom_sql": "SELECT 1"}]})
    assert events[-1]["type"] == "observation" and events[-1]["row_count"] == 1
    info = json.loads(agents.request("/info")[1])
    assert (info["agent"], info["model"], info["simulated"]) == (True, None, False)


@pytest.fixture(scope="module")
def played(logged) -> sb.Run:
    """What all tests before have played, and two episodes more; the server is stopped."""
    served, folder = logged
    with served.connect() as ws:
        for question in ("simple_01", "simple_02"):
            call(ws, "reset", {"question_id": question})
            for _ in range(5):
                call(ws, "step", {"sql": "SELECT 1"})
    served.process.terminate()
    served.process.wait(timeout=30)
    return sb.Run.open(folder)


# What asks for `played` comes last in this file: it stops the server.


def test_what_agents_played_is_an_ordinary_run(played):
    run = played
    assert run.finished and run.config.model == "agent" and run.config.episodes == len(run.log)
    assert [e.index for e in run.log] == list(range(len(run.log)))
    last = run.log[-1]
    assert last.question_id == "simple_02" and [s.sql for s in last.steps] == ["SELECT 1"] * 5
    assert len(run.episodes) == len(run.log) and not run.simulated
    shown = [sys.executable, "-m", "sqlbench", "show", str(run.folder), str(last.index)]
    out = subprocess.run(shown, capture_output=True, text=True)
    assert out.returncode == 0 and "SELECT 1" in out.stdout, out.stdout + out.stderr


def test_what_agents_played_is_read_question_by_question(played, suite):
    frame = played.questions.set_index("question_id")
    assert len(frame) == len(suite) and frame["asked"].sum() == len(played.log)
    row = frame.loc["simple_02"]
    mine = [e for e in played.log if e.question_id == "simple_02"]
    assert row["asked"] == len(mine) and row["solved"] == sum(e.success for e in mine)
    assert (row["last_sql"], row["reason"]) == ("SELECT 1", mine[-1].steps[-1].reason)
    assert row["gold"] == suite.question("simple_02").gold
    text = questions_text(played)
    assert "(simulated model)" not in text
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    named = {cells[0]: cells[1:-1] for cells in rows}
    reason = mine[-1].steps[-1].reason
    assert named["simple_02"] == ["easy", str(len(mine)), "0", "0", row["classes"], reason]
    assert named["complex_20"] == ["hard", "0", "0", "0", "—", "—"], "nobody asked it"


def test_what_agents_played_has_what_a_report_needs(played):
    """All but the notebook itself: every claim, table and figure of it."""
    title = title_text(played)
    assert "agent" in title and "marketplace" in title and "simulated" not in title
    assert check_claims(played)
    found = analysis.rates(played)
    solved = sum(e.success for e in played.log)
    assert (found["any"].count, found["any"].n) == (solved, len(played.log))
    assert str(found["any"]) in analysis.run_table(played)
    assert questions_card(played).plain() and len(analysis.learning_curve(played))
    figures = (plots.rates, plots.learning_curve, plots.reward_breakdown, plots.arm_selection)
    for draw in (*figures, plots.error_arm_heatmap):
        ax = draw(played)
        FigureCanvasAgg(ax.figure).draw()
        assert "simulated" not in ax.get_title(loc="left")


def test_what_agents_played_is_exported(played, tmp_path):
    written = export(played.folder, "csv", tmp_path)
    questions, episodes, steps = (pd.read_csv(path) for path in written)
    assert len(episodes) == len(played.log) and set(episodes["model"]) == {"agent"}
    assert not episodes["simulated"].any() and questions["asked"].sum() == len(episodes)
    logged = [s.sql for e in played.log for s in e.steps]
    assert steps["sql"].fillna("").tolist() == logged


def test_an_agent_has_no_repair_model(monkeypatch):
    with pytest.raises(ConfigError, match="give no repair_model"):
        ServerConfig(agent=True, repair_model="simulated")
    monkeypatch.setenv("SQLBENCH_AGENT", "1")
    assert ServerConfig.from_environment().agent
    monkeypatch.setenv("SQLBENCH_AGENT", "perhaps")
    with pytest.raises(ConfigError, match="1 or 0, not 'perhaps'"):
        ServerConfig.from_environment()
