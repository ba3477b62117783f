"""The widgets, driven by their controls as a browser would, without one."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import tempfile
import time

import pytest
from answering import answering, never_streams
from failing import Failing
from folders import DATA

import sqlbench as sb
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.models import Completion, Usage
from sqlbench.models.base import Restart
from sqlbench.models.simulated.simulated import SimulatedModel
from sqlbench.widgets import attempts


def text(widget):
    """What a reader sees of a piece of HTML."""
    return re.sub(r"<[^>]+>", "", widget.value)


async def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def _monitors_leave_nothing_behind(tmp_path, monkeypatch):
    """Without ``out`` a monitor keeps its run in the temporary folder, for its user to read."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


@pytest.fixture(scope="module")
def run(suite):
    return asyncio.run(
        sb.run_experiment(suite, "simulated", "linucb", episodes=150, progress=False)
    )


def test_what_is_neither_run_nor_environment_is_refused_in_one_sentence():
    with pytest.raises(ConfigError, match=r"run is a Run, .*, not 5\."):
        sb.widgets.explore(5)
    with pytest.raises(ConfigError, match=r"env is an SQLAgentEnv, not 5\."):
        sb.widgets.play(5)


# --- explore


def test_filters_show_exactly_the_episodes_that_fit(run):
    explorer = sb.widgets.explore(run)
    assert explorer.count.value == "1–100 of 150 episodes"
    explorer.outcome.value = "repaired"
    wanted = {e.index for e in run.log if e.success and not e.first}
    assert {line.episode.index for line in explorer.found} == wanted and wanted
    explorer.error.value = "no_such_column"
    explorer.arm.value = "fix_column"
    for line in explorer.found:
        assert any(s.error_class == "no_such_column" for s in line.episode.steps)
        assert any(s.action == "fix_column" for s in line.episode.steps)
    assert explorer.found
    explorer.outcome.value, explorer.error.value, explorer.arm.value = "all", "all", "all"
    explorer.task.value = "join_queries"
    assert len(explorer.found) == sum(e.task_id == "join_queries" for e in run.log)


def found_in(explorer):
    return {line.episode.index for line in explorer.found}


def test_a_word_is_looked_for_in_the_questions_text_and_the_sql(run, suite):
    explorer = sb.widgets.explore(run, suite)
    texts = {q.id: q.text.lower() for q in suite}
    word = "return their names"
    by_text = {e.index for e in run.log if word in texts[e.question_id]}
    assert by_text and not any(word in s.sql.lower() for e in run.log for s in e.steps)
    explorer.question.value = f" {word.upper()} "
    assert found_in(explorer) == by_text
    explorer.question.value = "left join"
    assert found_in(explorer) == {
        e.index
        for e in run.log
        if "left join" in texts[e.question_id] or any("left join" in s.sql.lower() for s in e.steps)
    }
    explorer.question.value = run.log[0].question_id
    assert found_in(explorer) == {
        e.index for e in run.log if e.question_id == run.log[0].question_id
    }
    explorer.question.value = "no such words anywhere"
    assert not explorer.found and explorer.count.value == "0 episodes"
    explorer.question.value = ""
    assert len(explorer.found) == len(run.log)


def test_difficulties_and_databases_are_filters():
    """On a suite of two databases; the marketplace has one."""
    suite = sb.load_suite(f"spider:{DATA / 'small_spider'}")
    run = asyncio.run(sb.run_experiment(suite, policy="random", episodes=40, progress=False))
    explorer = sb.widgets.explore(run, suite)
    difficulty = {t.id: t.difficulty for t in suite.tasks.values()}
    databases = sorted({e.db_id for e in run.log})
    assert len(databases) > 1 and list(explorer.database.options) == ["all", *databases]
    hard = {difficulty[e.task_id] for e in run.log}
    assert len(hard) > 1 and set(explorer.difficulty.options) == {"all", *hard}
    for value in sorted(hard):
        explorer.difficulty.value = value
        wanted = {e.index for e in run.log if difficulty[e.task_id] == value}
        assert found_in(explorer) == wanted and wanted
        explorer.database.value = databases[0]
        assert found_in(explorer) == {
            e.index for e in run.log if e.index in wanted and e.db_id == databases[0]
        }
        explorer.database.value = "all"
    explorer.difficulty.value = "all"
    explorer.database.value = databases[1]
    assert found_in(explorer) == {e.index for e in run.log if e.db_id == databases[1]}


def test_an_episode_is_opened_by_its_number_whatever_the_filters_say(run):
    explorer = sb.widgets.explore(run)
    explorer.outcome.value = "failed"
    right = next(e.index for e in run.log if e.index and e.success)
    explorer.number.value = right
    assert f"Episode {right}," in text(explorer.transcript) and explorer.list.value is None
    explorer.outcome.value = "all"
    explorer.number.value = 5
    assert explorer.list.value == 5
    explorer.list.value = 7
    assert explorer.number.value == 7 and "Episode 7," in text(explorer.transcript)
    explorer.sent.value = True
    assert "Database schema" in text(explorer.transcript)
    explorer.number.value = 10**6
    assert explorer.number.value == explorer.number.max == 149


def test_a_number_that_the_log_has_not_is_told(suite):
    run = asyncio.run(sb.run_experiment(suite, episodes=4, progress=False))
    del run.log[2]
    explorer = sb.widgets.explore(run)
    explorer.number.value = 2
    assert "2" in text(explorer.transcript) and "sqlbench-problem" in explorer.transcript.value
    explorer.list.value = 3
    assert "Episode 3," in text(explorer.transcript)


def test_pages_and_sorting(run):
    explorer = sb.widgets.explore(run)
    explorer.later.click()
    assert explorer.count.value == "101–150 of 150 episodes" and explorer.later.disabled
    explorer.sort.value = "total reward"
    explorer.descending.value = True
    rewards = [line.reward for line in explorer.found]
    assert rewards == sorted(rewards, reverse=True)
    assert explorer.count.value.startswith("1–100")


def test_a_chosen_episode_opens_as_a_transcript(run, suite):
    explorer = sb.widgets.explore(run, suite)
    explorer.outcome.value = "repaired"
    explorer.list.value = explorer.list.options[0][1]
    episode = explorer.found[0].episode
    page = text(explorer.transcript)
    assert f"Episode {episode.index}" in page
    assert "Attempt 2" in page and "total reward" in page and "CREATE TABLE" not in page
    explorer.sent.value = True
    assert "CREATE TABLE" in text(explorer.transcript)
    with pytest.raises(UnknownNameError, match="150"):
        explorer.show(150)


def test_a_run_whose_suite_is_gone_can_still_be_read(run, monkeypatch):
    monkeypatch.setattr(run, "config", run.config.model_copy(update={"suite": "gone.yaml"}))
    monkeypatch.setattr(run, "_suite", None)
    explorer = sb.widgets.explore(run)
    explorer.show(3)
    assert "Attempt 1" in text(explorer.transcript) and "gone.yaml" in text(explorer.transcript)


# --- play


def failing_question(suite, seed=0):
    """An environment, and a question whose first answer of the simulated model fails."""
    env = sb.SQLAgentEnv(suite, "simulated", "linucb", seed=seed)
    for question in suite.task("join_queries").questions:
        env.reset_with_question("join_queries", question.id, repeat=0)
        asyncio.run(env.step())
        if env.episode.steps[0].row_count is None and env.episode.steps[0].offending_token:
            return sb.SQLAgentEnv(suite, "simulated", "linucb", seed=seed), question
    raise AssertionError("no first answer fails")


async def test_an_episode_is_played_by_clicks(suite, monkeypatch):
    monkeypatch.setattr("sqlbench.widgets.player.DOUBLE_CLICK", 0.0)  # faster than a hand
    env, question = await asyncio.to_thread(failing_question, suite)
    player = sb.widgets.play(env)
    player.task.value = "join_queries"
    player.question.value = question.id
    assert question.text in text(player.about) and "CREATE TABLE" not in text(player.about)
    assert "simulated model" in text(player.about)
    assert [v for _, v in player.action.options] == ["generate", "own SQL"]
    player.step_button.click()
    await player.settled()
    assert "<mark" in player.history.value, "the offending token is marked"
    assert "width" in text(player.outlook) and "rewrite_cte" in text(player.outlook)
    assert "Gold" not in text(player.outlook)
    player.action.value = "fix_table"
    player.step_button.click()
    await player.settled()
    assert env.episode.steps[1].action == "fix_table"
    assert "Changed since" in text(player.history) or "same SQL" in text(player.history)
    while not env.episode.done:
        player.action.value = "auto"
        player.step_button.click()
        await player.settled()
    assert player.step_button.disabled and "Gold rows" in text(player.outlook)


@pytest.mark.parametrize("refuses", [False, True], ids=["one piece", "refuses to stream"])
async def test_an_episode_is_played_with_a_server_that_does_not_stream(suite, monkeypatch, refuses):
    question = suite.task("simple_queries").questions[0]
    reply = never_streams(f"```sql\n{question.gold.strip()}\n```", refuses=refuses)
    with answering(reply) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        env = sb.SQLAgentEnv(suite, "openai:m", "rules")
        player = sb.widgets.play(env)
        player.task.value, player.question.value = "simple_queries", question.id
        await player.step()
        await env.model.aclose()
    assert env.episode.success and player.step_button.disabled
    assert "SELECT" in text(player.history) and "Gold rows" in text(player.outlook)


async def test_gold_rows_are_shown_early_only_on_demand(suite):
    env, question = await asyncio.to_thread(failing_question, suite)
    player = sb.widgets.play(env)
    player.task.value, player.question.value = "join_queries", question.id
    await player.step()
    assert "Gold rows" not in text(player.outlook)
    player.gold.value = True
    assert "Gold rows" in text(player.outlook)


async def test_own_sql_is_run_and_hostile_rows_stay_text(suite):
    player = sb.widgets.play(sb.SQLAgentEnv(suite, "simulated", "random"))
    player.action.value = "own SQL"
    player.sql.value = "SELECT '<script>alert(1)</script>' AS \"<img src=x>\""
    player.gold.value = True
    await player.step()
    pages = player.history.value + player.outlook.value
    assert "<script>" not in pages and "<img" not in pages
    assert "&lt;img src=x&gt;" in player.outlook.value


class Slow(SimulatedModel):
    """Streams its answer in pieces, and waits between them until it is let go on."""

    def __init__(self, suite):
        super().__init__(suite)
        self.go = asyncio.Event()

    async def stream(self, request):
        yield "SELECT half_"
        await self.go.wait()
        yield "written"
        yield Completion("SELECT half_written", Usage())


async def test_sql_streams_in_and_a_second_click_changes_nothing(suite):
    model = Slow(suite)
    env = sb.SQLAgentEnv(suite, model, "random")
    player = sb.widgets.play(env)
    player.step_button.click()
    await until(lambda: "half_" in text(player.live))
    assert player.step_button.disabled and "being written" in text(player.live)
    await player.step()
    model.go.set()
    await player.settled()
    assert len(env.episode.steps) == 1 and player.live.value == ""
    assert not player.step_button.disabled


class Restarting(Slow):
    """Begins an answer, begins it again, and waits."""

    async def stream(self, request):
        yield "SELECT gone"
        yield Restart()
        async for piece in super().stream(request):
            yield piece


async def test_an_answer_that_begins_again_is_shown_from_its_new_beginning(suite):
    model = Restarting(suite)
    player = sb.widgets.play(sb.SQLAgentEnv(suite, model, "random"))
    shown = []
    player.live.observe(lambda change: shown.append(change["new"]), "value")
    player.step_button.click()
    await until(lambda: "half_" in text(player.live))
    assert any("gone" in page for page in shown) and "gone" not in text(player.live)
    model.go.set()
    await player.settled()


async def test_a_model_that_fails_is_told_and_the_episode_goes_on(suite, monkeypatch):
    monkeypatch.setattr("sqlbench.widgets.player.DOUBLE_CLICK", 0.0)  # faster than a hand
    env = sb.SQLAgentEnv(suite, Failing(suite), "random")
    player = sb.widgets.play(env)
    player.step_button.click()
    await player.settled()
    assert "took&lt;/b&gt; too long" in player.message.value
    assert env.episode.steps == [] and not player.step_button.disabled
    env.model.left = 1
    player.step_button.click()
    await player.settled()
    assert len(env.episode.steps) == 1 and player.message.value == ""


def test_an_answer_without_sql_is_shown_as_what_was_said(run):
    step = dataclasses.replace(run.log[0].steps[0], sql="", answer="<b>Which</b> orders?")
    shown = attempts.attempt(step)
    assert "No SQL in the answer" in shown and "&lt;b&gt;Which&lt;/b&gt; orders?" in shown
    assert "(no SQL in the answer)" in attempts.attempt(dataclasses.replace(step, answer=None))


def test_importing_sqlbench_does_not_import_the_widgets():
    import subprocess
    import sys

    code = "import sqlbench, sys; assert 'ipywidgets' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
