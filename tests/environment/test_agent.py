"""Agents that bring their own model: SQL in, observations out, a reward that cannot be farmed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sqlbench as sb
from sqlbench.environment.agent import MAX_SQL_CHARS
from sqlbench.episodes.repair import ARMS
from sqlbench.episodes.returns import REWARDS, paid
from sqlbench.grading import Golds
from sqlbench.models import Completion, Usage
from sqlbench.policies.linucb import LinUCBPolicy


@pytest.fixture(scope="module")
def shared():
    suite = sb.load_suite("marketplace")
    return suite, Golds(suite)


def make(shared, **options) -> sb.SQLAgentEnv:
    suite, golds = shared
    return sb.SQLAgentEnv(suite, None, golds=golds, **options)


def near(question) -> str:
    """The right rows, one of them twice: as near as one comes without being right."""
    gold = question.gold.strip().rstrip(";")
    return f"SELECT * FROM ({gold}) UNION ALL SELECT * FROM (SELECT * FROM ({gold}) LIMIT 1)"


async def play(env, question, queries, reward: str) -> tuple[float, bool]:
    """Run queries until the episode is over, and add the rewards up."""
    env.reset_with_question(question.task_id, question.id)
    total = 0.0
    for sql in queries:
        _, info = await env.step(sql)
        total += paid(env.episode.steps, info.done, reward)
        if info.done:
            break
    return total, env.episode.success


async def returns(shared, reward: str) -> dict[str, float]:
    """The mean return of the agents of the table in docs/training.md."""
    env, (suite, _) = make(shared), shared
    asked = suite.task("join_queries").questions[:10]
    agents = {
        "right at once": lambda q: [q.gold],
        "near misses, then right": lambda q: [near(q)] * 2 + [q.gold],
        "near misses only": lambda q: [near(q)] * 5,
        "SELECT 1": lambda q: ["SELECT 1"] * 5,
    }
    found = {}
    for name, queries in agents.items():
        played = [await play(env, q, queries(q), reward) for q in asked]
        assert [right for _, right in played] == ["right" in name] * len(asked)
        found[name] = sum(total for total, _ in played) / len(played)
    return found


@pytest.mark.parametrize("reward", [r for r in REWARDS if r != "score"])
async def test_the_four_agents_are_in_their_order(shared, reward):
    found = list((await returns(shared, reward)).values())
    assert found[0] > found[1] > found[2] >= found[3]
    if reward in ("gain", "final"):
        assert found[0] == pytest.approx(1) and found[1] == pytest.approx(0.8)
        assert 0 < found[2] <= 0.5 and found[3] < 0.1


async def test_adding_scores_up_pays_the_one_that_never_is_right(shared):
    """Why `score` says of itself that it is not for adding up."""
    found = await returns(shared, "score")
    assert found["near misses only"] > found["near misses, then right"] > found["right at once"]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_real_agents_cannot_farm_it(shared, data):
    """Stalling, near misses, the same again, errors, and then right: as any of them comes."""
    env, (suite, _) = make(shared), shared
    question = data.draw(st.sampled_from(suite.task("join_queries").questions[:6]))
    kinds = {"gold": question.gold, "near": near(question), "stall": "SELECT 1", "broken": "SELEC"}
    other = st.lists(st.sampled_from(["near", "stall", "broken"]), min_size=0, max_size=4)
    never, before = data.draw(other.filter(bool)), data.draw(other)

    async def both() -> tuple[float, float, float]:
        wrong, right_wrong = await play(env, question, [kinds[k] for k in never], "gain")
        right, success = await play(env, question, [kinds[k] for k in [*before, "gold"]], "gain")
        again, _ = await play(env, question, [kinds[k] for k in [*never[:4], never[-1]]], "gain")
        assert success and not right_wrong
        return wrong, right, again

    wrong, right, again = asyncio.run(both())
    assert wrong <= 0.5 < right == pytest.approx(1 - 0.1 * len(before))
    assert again == pytest.approx(wrong)


async def test_right_then_wrong_pays_once(shared):
    env = make(shared, feedback="always")
    question = next(iter(shared[0]))
    total, success = await play(env, question, [question.gold, "SELECT 1"], "gain")
    assert total == 1.0 and not success


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (None, "it is a NoneType"),
        (7, "it is a int"),
        ("", "a SELECT statement is expected"),
        ("auto", "'auto' is an action of environments that have a model"),
        (sb.Action(), "'auto' is an action of environments that have a model"),
        ("x" * (MAX_SQL_CHARS + 1), "at most 100,000 are taken"),
        ("```sql\n```", "a SELECT statement is expected"),
        ("DROP TABLE customers", ""),
        ("nonsense", "syntax error"),
    ],
)
async def test_a_bad_action_is_an_observation(shared, action, says):
    env = make(shared)
    env.reset()
    observation, info = await env.step(action)
    assert observation.attempt_number == 1 and not info.success and not info.done
    assert says in observation.error_message and observation.error_class
    observation, info = await env.step("```sql\nSELECT count(*) FROM customers;\n```")
    assert info.info["row_count"] == 1 and observation.current_sql.endswith("customers")


async def test_the_prompt_is_what_a_model_gets(shared):
    suite, golds = shared
    seen = []

    class Looking:
        spec, simulated, fingerprint = "looking", False, ""

        async def complete(self, request):
            seen.append(request.messages)
            return Completion("SELECT nil FROM customers", Usage())

    other = sb.SQLAgentEnv(suite, Looking(), golds=golds, ground="off")
    env = make(shared)
    for e in (env, other):
        e.reset("join_queries", seed=3)
    for _ in range(3):
        messages = env.prompt()
        await other.step("auto")
        assert messages == seen[-1]
        for e in (env, other):
            e.reset("join_queries", seed=3)
            await e.step(sb.Action(custom_sql="SELECT nil FROM customers"))
        assert env.next_action == other.next_action in ARMS
    assert env.prompt("fix_column") == other.messages("fix_column") != env.prompt("fix_table")
    with pytest.raises(RuntimeError, match="call reset"):
        make(shared).prompt()


async def test_the_policy_is_asked_only_by_who_wants_to_know(shared):
    """Thousands of steps a second have no time for it."""

    class Counting(LinUCBPolicy):
        asked = 0

        def select(self, context, rng):
            self.asked += 1
            return super().select(context, rng)

    policy = Counting()
    env = sb.SQLAgentEnv(shared[0], None, policy, golds=shared[1])
    env.reset()
    await env.step("SELECT 1")
    await env.step("SELECT 2")
    assert policy.asked == 0
    assert env.suggestion is env.suggestion is not None and policy.asked == 1
