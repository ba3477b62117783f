"""The environment's contract: OpenEnv's shape, the events, the errors, and no leak of the gold."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from sandboxed import COUNT

import sqlbench as sb
import sqlbench.suites.base
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS
from sqlbench.exceptions import ConfigError
from sqlbench.models.base import Completion, ModelError, Usage


class ScriptedModel:
    """Answers with the given texts, one after another; an exception is raised."""

    spec, simulated, fingerprint = "scripted", True, ""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    async def complete(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer, Usage(10, 5))

    async def stream(self, request):
        completion = await self.complete(request)
        for piece in re.findall(r"\S+\s*", completion.text):
            yield piece
        yield completion

    async def aclose(self):
        pass


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


def env_with(suite, *answers, **options):
    return sb.SQLAgentEnv(suite, ScriptedModel(*answers), "rules", **options)


def gold_of(suite, task="simple_queries"):
    return suite.task(task).questions[0].gold


async def test_step_before_reset_and_after_the_end_say_what_to_call(suite):
    env = env_with(suite, gold_of(suite))
    assert env.state() == {"active": False}
    with pytest.raises(RuntimeError, match="reset"):
        await env.step()
    env.reset()
    await env.step()
    with pytest.raises(RuntimeError, match="reset"):
        await env.step()


async def test_unknown_names_are_value_errors_that_list_the_valid_ones(suite):
    env = env_with(suite)
    with pytest.raises(ValueError, match=r"'hard_ones'.*join_queries"):
        env.reset("hard_ones")
    with pytest.raises(ValueError, match=r"'nope'.*simple_01"):
        env.reset_with_question("simple_queries", "nope")
    with pytest.raises(ValueError, match=r"'join_01'"):
        env.reset_with_question("simple_queries", "join_01")
    env.reset()
    with pytest.raises(ValueError, match=r"'fix_it'.*rewrite_full"):
        await env.step("fix_it")
    with pytest.raises(ValueError, match="Attempt 1"):
        await env.step("fix_column")


async def test_reset_takes_the_first_question_or_one_drawn_by_the_seed(suite):
    env = env_with(suite)
    first = suite.task("join_queries").questions[0]
    assert env.reset("join_queries").question == first.text
    drawn = {env.reset("join_queries", seed=s).question for s in range(12)}
    assert len(drawn) > 3
    assert env.reset("join_queries", seed=7) == env.reset("join_queries", seed=7)


async def test_success_ends_the_episode(suite):
    env = env_with(suite, f"```sql\n{gold_of(suite)}\n```")
    env.reset()
    observation, reward = await env.step("generate")
    assert reward.success and reward.done
    assert reward.value == 0.95
    assert observation.error_class is None and observation.error_message is None
    assert set(reward.info) == {
        "task_score", "reward", "breakdown", "attempt", "rows", "row_count", "sql", "columns",
        "elapsed",
    }  # fmt: skip
    assert len(reward.info["rows"]) <= 5
    state = env.state()
    assert state["done"] and state["success"] and not state["active"]
    assert state["step_rewards"] == [0.95] and state["total_reward"] == 0.95


async def test_the_streamed_events_come_in_order(suite):
    env = env_with(suite, "SELECT nope FROM customers", gold_of(suite))
    env.reset()
    events = [e async for e in env.step_streaming()]
    kinds = [e["type"] for e in events]
    assert [k for k in kinds if k != "sql_chunk"] == [
        "attempt_start", "sql_complete", "executing", "rl_action", "error", "rl_reward",
    ]  # fmt: skip
    assert "".join(e["chunk"] for e in events if e["type"] == "sql_chunk").startswith("SELECT")
    action = next(e for e in events if e["type"] == "rl_action")
    assert action["action"] == "generate"
    assert action["suggested"] == "fix_column"
    assert set(action["ucb_scores"]) == set(ARMS)
    error = next(e for e in events if e["type"] == "error")
    assert error["error_class"] == "no_such_column"
    assert error["offending_token"] == "nope"
    reward = next(e for e in events if e["type"] == "rl_reward")
    assert set(reward["breakdown"]) == {
        "base", "attempt_penalty", "severity_bonus", "change_bonus",
    }  # fmt: skip
    kinds = [e["type"] async for e in env.step_streaming("fix_column")]
    assert [k for k in kinds if k != "sql_chunk"] == [
        "attempt_start", "sql_complete", "executing", "rl_reward", "success", "rl_episode_end",
    ]  # fmt: skip
    json.dumps(events)


async def test_after_the_last_attempt_nothing_is_suggested(suite):
    env = env_with(suite, *["SELECT nope"] * 2, max_attempts=2)
    env.reset()
    await env.step()
    events = {e["type"]: e async for e in env.step_streaming()}
    assert events["rl_action"]["suggested"] is None
    assert events["rl_episode_end"]["success"] is False


async def test_a_stream_closed_before_executing_leaves_the_attempt_uncounted(suite):
    env = env_with(suite, "SELECT 1 AS x", gold_of(suite))
    env.reset()
    events = env.step_streaming()
    async for event in events:
        if event["type"] == "sql_complete":
            break
    await events.aclose()
    assert env.state()["attempt_number"] == 0
    _, reward = await env.step()
    assert reward.success and reward.info["attempt"] == 1


async def test_a_stream_closed_at_executing_counts(suite):
    env = env_with(suite, "SELECT nope", gold_of(suite))
    env.reset()
    events = env.step_streaming()
    async for event in events:
        if event["type"] == "executing":
            break
    await events.aclose()
    assert env.state()["attempt_number"] == 1
    assert env.state()["error_class"] == "no_such_column"


async def test_streamed_and_plain_steps_are_the_same(suite):
    streamed, plain = (
        sb.SQLAgentEnv(suite, "simulated", "linucb", seed=3, learn=True) for _ in range(2)
    )
    for question in suite.task("complex_queries").questions[:8]:
        for env in (streamed, plain):
            env.reset_with_question("complex_queries", question.id)
        while not plain.episode.done:
            await plain.step()
            async for _ in streamed.step_streaming():
                pass
        assert streamed.episode == plain.episode
    assert (streamed.policy.arms.theta == plain.policy.arms.theta).all()


async def test_a_reset_in_mid_episode_closes_it_as_a_failure(suite):
    env = sb.SQLAgentEnv(suite, ScriptedModel("SELECT nope", "SELECT nope"), "linucb", learn=True)
    env.reset()
    await env.step()
    await env.step()
    abandoned = env.episode
    env.reset()
    assert abandoned.done and not abandoned.success
    assert env.policy.arms.b.any(), "what was tried is learned from"


async def test_a_model_failure_is_not_counted_as_wrong_sql(suite):
    env = env_with(suite, ModelError("busy", "rate_limit"), gold_of(suite))
    env.reset()
    with pytest.raises(ModelError):
        await env.step()
    assert env.state()["attempt_number"] == 0
    _, reward = await env.step()
    assert reward.success


async def test_custom_sql_is_graded_and_never_learned_from(suite):
    env = sb.SQLAgentEnv(suite, ScriptedModel("SELECT nope"), "linucb", learn=True)
    env.reset()
    await env.step()
    _, reward = await env.step(sb.Action(custom_sql=gold_of(suite)))
    assert reward.success and reward.done
    assert env.episode.steps[-1].action == "custom"
    assert not env.policy.arms.b.any()


async def test_resampling_asks_anew_without_the_error(suite):
    env = env_with(suite, "SELECT nope", gold_of(suite))
    env.reset()
    await env.step()
    await env.step("generate")
    first, second = env.model.requests
    assert first.messages == second.messages
    assert first.seed != second.seed
    assert env.episode.steps[1].context is None


async def test_repairs_are_told_the_error_and_from_attempt_3_the_history(suite):
    env = env_with(suite, "SELECT nope", "SELECT nada", "SELECT nil")
    env.reset()
    for _ in range(3):
        await env.step()
    _, second, third = (r.messages[-1]["content"] for r in env.model.requests)
    assert "no such column: nope" in second and "complains of: nope" in second
    assert "Earlier attempts" not in second
    assert "Earlier attempts" in third and "SELECT nope" in third
    assert "SQLite" in env.model.requests[0].messages[0]["content"]


@pytest.mark.parametrize("feedback", ["oracle", "execution", "always"])
async def test_nothing_of_the_gold_reaches_a_prompt_or_an_observation(suite, feedback):
    wrong = "SELECT 'unrelated' AS x"
    for question in suite.questions():
        model = ScriptedModel(*[wrong] * 5)
        env = sb.SQLAgentEnv(suite, model, "rules", feedback=feedback)
        seen = [env.reset_with_question(question.task_id, question.id).model_dump_json()]
        while not env.episode.done:
            observation, reward = await env.step()
            seen += [observation.model_dump_json(), reward.model_dump_json()]
        seen += [m["content"] for r in model.requests for m in r.messages]
        gold = " ".join(question.gold.split())
        assert not any(gold in " ".join(text.split()) for text in seen)


async def test_execution_feedback_stops_at_the_first_rows_and_never_shows_wrong_result(suite):
    env = env_with(suite, "SELECT nope", "SELECT 1 WHERE 0", "SELECT 'wrong'", feedback="execution")
    env.reset()
    for _ in range(3):
        observation, reward = await env.step()
    assert reward.done and not reward.success
    assert observation.error_class is None, "nobody tells the agent that its rows are wrong"
    logged = [s.error_class for s in env.episode.steps]
    assert logged == [
        ErrorClass.NO_SUCH_COLUMN, ErrorClass.EMPTY_RESULT, ErrorClass.WRONG_RESULT,
    ]  # fmt: skip
    assert all(s.context.error_class != "wrong_result" for s in env.episode.steps[1:])


async def test_always_feedback_makes_exactly_one_repair_even_of_a_right_answer(suite):
    env = env_with(suite, gold_of(suite), "SELECT 'broken'", feedback="always")
    env.reset()
    observation, reward = await env.step()
    assert reward.success and not reward.done
    assert observation.error_class is None
    assert "Nobody has said" in observation.error_message
    _, reward = await env.step()
    assert reward.done and not reward.success
    step = env.episode.steps[1]
    assert step.context.error_class is None, "right and wrong rows look the same to the policy"
    assert step.breakdown.severity_bonus == -0.1 and step.breakdown.change_bonus == 0.0


async def test_the_field_rate_is_where_an_agent_without_an_oracle_stops(suite):
    async def field(*answers):
        env = env_with(suite, *answers)
        env.reset()
        while not env.episode.done:
            await env.step()
        return env.episode.field, env.episode.any

    gold = gold_of(suite)
    assert await field("SELECT nope", gold) == (True, True)
    assert await field("SELECT 'wrong'", gold) == (False, True)
    assert await field("SELECT 1 WHERE 0", gold) == (True, True)
    assert await field(*["SELECT nope"] * 5) == (False, False)


async def test_a_query_that_the_clock_stopped_is_logged_as_not_reproducible(suite, tmp_path):
    from sqlbench.databases.sqlite import Limits, SQLiteDatabase

    path = suite.databases["marketplace"].path
    limits = Limits(vm_steps=10**12, wall_clock=0.05)
    hurried = sb.suites.base.Suite(
        "hurried", suite.tasks, {"marketplace": SQLiteDatabase(path, limits=limits)}, {}
    )
    env = env_with(hurried, COUNT, gold_of(suite))
    env.reset()
    await env.step()
    step = env.episode.steps[0]
    assert (step.error_class, step.reason, step.reproducible) == ("timeout", "timeout", False)
    await env.step()
    assert env.episode.steps[1].reproducible


@pytest.mark.parametrize(
    "setting",
    [
        {"seed": -1},
        {"seed": True},
        {"max_attempts": 1.5},
        {"max_attempts": 6},
        {"temperature": float("nan")},
        {"model": 5},
        {"policy": None},
    ],
)
def test_settings_that_will_not_do_are_refused_before_the_first_question(suite, setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        sb.SQLAgentEnv(suite, **setting)
    with pytest.raises(ConfigError, match="suite is a spec like 'marketplace', or a Suite, not 5"):
        sb.SQLAgentEnv(5)


@pytest.mark.parametrize("seed", [-1, 1.5, "7", True])
def test_a_seed_that_will_not_do_leaves_the_open_episode_alone(suite, seed):
    env = sb.SQLAgentEnv(suite)
    env.reset("join_queries", seed=np.int64(7))
    before = env.state()
    with pytest.raises(ConfigError, match=f"seed is a whole number of at least 0, not {seed!r}"):
        env.reset("simple_queries", seed=seed)
    assert env.state() == before
