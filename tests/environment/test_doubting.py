"""The signals in an episode: grounded prompts, the gate, and what a policy sees of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from scripted import Scripted

import sqlbench as sb
from sqlbench.environment.doubting import know
from sqlbench.episodes.context import SIGNAL_FEATURES
from sqlbench.episodes.repair import Prompts
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.signals.registry import SIGNALS


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


def play(env, *attempts, task="simple_queries"):
    """Make attempts with SQL of one's own; return the episode."""

    async def go():
        env.reset(task)
        for sql in attempts:
            if env.episode.done:
                break
            await env.step(sb.Action(repair_action="auto", custom_sql=sql))

    asyncio.run(go())
    return env.episode


def test_a_simulated_model_is_not_grounded_and_its_attempts_are_not_measured(suite):
    env = sb.SQLAgentEnv(suite)
    assert not env.prompts.grounded
    assert all(s.known is None for s in play(env, "SELECT nope FROM customers").steps)


def test_a_real_models_repair_is_told_the_nearest_names_and_no_gold(suite):
    env = sb.SQLAgentEnv(suite, Scripted("SELECT emial FROM customers"), "fixed:fix_column")
    gold = suite.task("simple_queries").questions[0].gold

    async def go():
        env.reset()
        await env.step()

    asyncio.run(go())
    told = env.messages("fix_column")[1]["content"]
    assert "customers.email" in told and gold not in told
    off = sb.SQLAgentEnv(suite, Scripted("SELECT 1"), "random", ground="off")
    assert off.prompts == Prompts.load()


def test_the_gate_stops_at_little_doubt_and_goes_on_at_much(suite):
    gold = suite.task("simple_queries").questions[0].gold
    odd = "SELECT NULL FROM customers WHERE 1 = 0"
    kinds = {"feedback": "signals", "max_doubt": 0.5}
    episode = play(sb.SQLAgentEnv(suite, **kinds), odd, gold, odd)
    doubts = [s.known.doubt for s in episode.steps]
    assert doubts[0] >= 0.5 > doubts[1] and len(episode.steps) == 2 and episode.done
    assert episode.gated(0.5) is True and episode.gated(0.0) is True
    stubborn = play(sb.SQLAgentEnv(suite, feedback="signals", max_doubt=0.0), *[gold] * 5)
    assert len(stubborn.steps) == 5  # nothing is beyond doubt
    # An error is no answer, however little it is doubted.
    broken = play(sb.SQLAgentEnv(suite, feedback="signals", max_doubt=1.0), "SELECT nope", gold)
    assert [s.row_count is None for s in broken.steps] == [True, False]


def test_every_kind_of_signal_has_a_feature():
    kinds = {definition.reads for definition in SIGNALS}
    assert {f"speaks={kind}" for kind in kinds} <= {*SIGNAL_FEATURES}


def test_an_episode_without_measured_doubts_has_no_gated_rate(suite):
    assert play(sb.SQLAgentEnv(suite), "SELECT 1").gated(0.5) is None


def test_a_policy_that_asks_for_signals_sees_those_of_the_last_attempt(suite):
    env = sb.SQLAgentEnv(suite, policy="linucb?features=class,signals")
    episode = play(env, "SELECT nope FROM customers")
    assert env.context.signals == episode.steps[0].known.features
    assert len(env.context.signals) == len(SIGNAL_FEATURES)
    again = type(episode).from_record(episode.record())
    assert again.steps[0].known == episode.steps[0].known
    plain = sb.SQLAgentEnv(suite, signals=True)
    assert play(plain, "SELECT nope FROM customers").steps[0].known is not None
    assert plain.context.signals is None


def test_what_is_known_of_an_answer_is_known_without_its_gold(suite):
    question = suite.task("join_queries").questions[0]
    database = suite.database(question)
    sql = "SELECT count(*) FROM orders"
    outcome = database.execute(sql)
    with_gold = asyncio.run(know(question, sql, database, outcome))
    hidden = replace(question, gold=None)
    assert asyncio.run(know(hidden, sql, database, outcome)) == with_gold


@pytest.mark.parametrize(
    "given, error, said",
    [
        ({"ground": "yes"}, UnknownNameError, "ground"),
        ({"max_doubt": 1.5}, ConfigError, "max_doubt is a probability"),
        ({"feedback": "signal"}, UnknownNameError, "feedback"),
    ],
)
def test_what_cannot_be_doubted_is_one_sentence(suite, given, error, said):
    with pytest.raises(error, match=said):
        sb.SQLAgentEnv(suite, **given)
