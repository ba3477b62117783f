"""What keeps the event loop free: many episodes share it, and none may hold it for long."""

from __future__ import annotations

import asyncio
import gc
import threading
import uuid

import pytest
from served import serve

import sqlbench as sb
from sqlbench.environment import judging
from sqlbench.grading import Golds, official
from sqlbench.models import Completion, ModelRequest, Usage, extract
from sqlbench.models.calling.cache import ResponseStore
from sqlbench.models.calling.pacing import Turns
from sqlbench.models.endpoint.openai import OpenAIModel
from sqlbench.runs.collector import CollectorRest
from sqlbench.runs.experiment import run_experiment

REQUEST = ModelRequest(({"role": "user", "content": "?"},), "q", 0, 1, "generate", seed=3)


@pytest.fixture
def threads(monkeypatch):
    """Return which threads judged and read answers, by name."""
    seen = {"judge": [], "extract_sql": []}

    def watch(module, name):
        real = getattr(module, name)

        def watched(*args):
            seen[name].append(threading.current_thread() is threading.main_thread())
            return real(*args)

        monkeypatch.setattr(module, name, watched)

    watch(judging, "judge")
    watch(extract, "extract_sql")
    return seen


async def test_a_few_go_on_in_each_turn_and_all_in_order():
    turns, order, turn = Turns(most=2), [], 0

    async def go(number):
        await turns.take()
        order.append((number, turn))

    tasks = [asyncio.create_task(go(n)) for n in range(9)]
    tasks[4].cancel()
    while not all(task.done() for task in tasks):
        turn += 1
        await asyncio.sleep(0)
    assert [number for number, _ in order] == [0, 1, 2, 3, 5, 6, 7, 8]
    at = [when for _, when in order]
    assert max(at.count(when) for when in at) <= 2
    await asyncio.wait_for(turns.take(), 10)  # later on it lets go again


async def test_a_long_answer_is_read_beside_the_loop(threads):
    name = f"t_{uuid.uuid4().hex}"  # what another test read is not read again
    sql = "SELECT " + "a, " * 10_000 + f"b FROM {name}"
    assert await extract.statement_of(Completion(sql, Usage())) == sql
    short = f"SELECT 1 FROM {name}"
    assert await extract.statement_of(Completion(short, Usage())) == short
    assert await extract.statement_of(Completion("no", Usage(), sql="SELECT 2")) == "SELECT 2"
    assert threads["extract_sql"] == [False, True]


async def test_a_long_statement_is_prepared_beside_the_loop(monkeypatch):
    on_the_loop, real = [], official._strip_distinct

    def watched(sql):
        on_the_loop.append(threading.current_thread() is threading.main_thread())
        return real(sql)

    monkeypatch.setattr(official, "_strip_distinct", watched)
    long = "SELECT DISTINCT " + "1, " * 20_000 + "2"
    assert await judging.prepare_aside(long, "spider") == long.replace("DISTINCT", "")
    assert await judging.prepare_aside("SELECT DISTINCT 1", "spider") == "SELECT  1"
    assert on_the_loop == [False, True]


async def test_what_takes_long_to_judge_is_judged_beside_the_loop(threads):
    suite = sb.load_suite("marketplace")
    question = next(iter(suite))
    gold, database = Golds(suite).get(question), suite.database(question)
    right = await database.run(question.gold)
    many = await database.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
        "SELECT i FROM n"
    )
    for outcome in (right, right, many):
        judged = await judging.judge_aside(gold, outcome, "exact", "oracle")
        assert judged == judging.judge(gold, outcome, "exact", "oracle")
        assert judged.verdict.match == (outcome is right)
    # Every second one is the test's own. The gold query is parsed for its first verdict.
    assert threads["judge"][::2] == [False, True, False]


async def test_a_store_that_cannot_be_read_at_once_is_waited_for(tmp_path):
    store = ResponseStore(tmp_path / "store.sqlite")
    model = sb.load_model("simulated", sb.load_suite("marketplace"))
    await store.put("key", model, REQUEST, Completion("SELECT 1", Usage()))
    assert (await store.get("key")).text == "SELECT 1" and await store.get("other") is None
    store._reader.close()  # as if it were locked: only the thread can answer
    assert (await store.get("key")).text == "SELECT 1"
    store.close()
    with pytest.raises(RuntimeError, match="closed"):
        await store.get("key")


def test_a_clients_connections_end_with_their_loop(tmp_path, caplog):
    with serve(tmp_path) as server:
        model = OpenAIModel("m", server.environ)
        for _ in range(2):  # a second loop needs connections of its own
            assert asyncio.run(model.complete(REQUEST)).text
        del model
        gc.collect()
    assert "Unclosed" not in caplog.text


async def test_the_collector_is_spared_what_a_run_keeps_until_it_ends(monkeypatch):
    frozen = []

    async def look(_):
        frozen.append(gc.get_freeze_count())

    monkeypatch.setattr("sqlbench.runs.driver.CollectorRest", lambda: CollectorRest(every=10))
    assert gc.get_freeze_count() == 0
    await run_experiment(episodes=25, progress=False, on_episode=look)
    assert frozen[0] > 0 and frozen[5] < frozen[10] < frozen[-1]
    assert gc.get_freeze_count() == 0
    gc.freeze()  # somebody else's: it stays
    try:
        others = gc.get_freeze_count()
        await run_experiment(episodes=12, progress=False)
        assert 0 < gc.get_freeze_count() <= others
    finally:
        gc.unfreeze()
