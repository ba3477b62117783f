"""The response store: what was paid for is kept, and a copy of it reproduces the run."""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import sqlite3
from dataclasses import replace

import pytest
from scripted import Scripted, request
from served import answers_for, run_on, serve

import sqlbench as sb
from sqlbench.exceptions import ConfigError, StoreError, UnseenRequestError
from sqlbench.models import Calling, Completion, ModelError, Usage
from sqlbench.models.calling.cache import CachedModel, ResponseStore
from sqlbench.models.calling.keys import request_key
from sqlbench.models.endpoint.openai import OpenAIModel
from sqlbench.runs.experiment import run_experiment

FILES = ("episodes.jsonl", "policy.npz", "summary.json", "run.json")


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


def test_a_second_run_from_the_store_makes_no_call_and_gives_the_same_bytes(suite, tmp_path):
    store = tmp_path / "store.sqlite"
    with serve(tmp_path, answers_for(suite)) as server:
        run_on(server, suite, tmp_path / "a", cache=store)
        calls = server.stats["requests"]
        run_on(server, suite, tmp_path / "b", cache=store)
        assert server.stats["requests"] == calls
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    # A colleague has the one file, no server and no key.
    copy = tmp_path / "colleague" / "copy.sqlite"
    copy.parent.mkdir()
    shutil.copy(store, copy)
    assert {p.name for p in tmp_path.glob("store*")} == {"store.sqlite"}
    copy.chmod(0o444)
    options = Calling(cache=copy, cache_mode="replay")
    model = OpenAIModel("m", {"OPENAI_BASE_URL": server.url}, options)

    async def go():
        return await run_experiment(
            suite, model, "linucb", episodes=40, lag=31, concurrency=8, out=tmp_path / "c",
            progress=False, calling=options,
        )  # fmt: skip

    asyncio.run(go())
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "c" / name).read_bytes()


def test_a_replay_needs_no_key_and_names_what_it_lacks(suite, tmp_path):
    store = tmp_path / "store.sqlite"
    with serve(tmp_path, answers_for(suite)) as server:
        run_on(server, suite, tmp_path / "a", episodes=5, cache=store)
    options = Calling(cache=store, cache_mode="replay")
    model = OpenAIModel("m", {"OPENAI_BASE_URL": "https://elsewhere.example/v1"}, options)
    run = run_experiment(suite, model, episodes=5, progress=False, calling=options)
    question = sb.Run.open(tmp_path / "a").log[0].question_id
    with pytest.raises(UnseenRequestError) as caught:
        asyncio.run(run)
    message = str(caught.value)
    assert f"attempt 1 (generate) at question '{question}', by openai:m at" in message
    assert "elsewhere.example" in message and server.url in message


def test_an_interrupted_run_is_not_paid_for_twice(suite, tmp_path):
    """Calls of episodes that never finished are in the run's own store."""
    with serve(tmp_path, answers_for(suite)) as server:
        with pytest.raises(Exception, match="max-calls"):
            run_on(server, suite, tmp_path / "a", max_calls=30)
        finished = run_on(server, suite, tmp_path / "a")
        calls = server.stats["requests"]
    assert calls == sum(e.model_calls for e in finished.log) == len(list(finished.calls()))


def test_record_calls_again_and_off_stores_nothing(suite, tmp_path):
    store = tmp_path / "store.sqlite"
    with serve(tmp_path, answers_for(suite)) as server:
        run_on(server, suite, tmp_path / "a", episodes=8, cache=store)
        calls = server.stats["requests"]
        run_on(server, suite, tmp_path / "b", episodes=8, cache=store, cache_mode="record")
        assert server.stats["requests"] == 2 * calls
        run_on(server, suite, tmp_path / "c", episodes=8, cache_mode="off")
        assert server.stats["requests"] == 3 * calls
    assert not (tmp_path / "c" / "responses.sqlite").exists()
    with sqlite3.connect(store) as db:
        assert db.execute("SELECT count(*) FROM completions").fetchone() == (calls,)


def test_a_store_that_would_not_be_used_is_refused():
    with pytest.raises(ConfigError, match=r"the store 'a\.sqlite' would not be used"):
        Calling(cache="a.sqlite", cache_mode="off")


def test_the_key_covers_all_that_an_answer_depends_on():
    model = OpenAIModel("m", {"OPENAI_BASE_URL": "http://localhost:1/v1"})
    base = request()
    changed = [
        (model, base),
        (model, replace(base, seed=8)),
        (model, replace(base, temperature=0.7)),
        (model, replace(base, repeat=1)),
        (model, replace(base, messages=({"role": "user", "content": "other"},))),
        (OpenAIModel("n", {"OPENAI_BASE_URL": "http://localhost:1/v1"}), base),
        (OpenAIModel("m", {"OPENAI_BASE_URL": "http://localhost:2/v1"}), base),
    ]
    assert len({request_key(m, r) for m, r in changed}) == len(changed)
    # How far the experiment is, is nothing that an endpoint is told; a simulator may use it.
    assert request_key(model, replace(base, progress=0.5)) == request_key(model, base)
    scripted = Scripted("SELECT 1")
    assert request_key(scripted, replace(base, progress=0.5)) != request_key(scripted, base)


def test_the_simulated_model_can_be_stored_too(suite, tmp_path):
    options = {"progress": False, "calling": Calling(cache=tmp_path / "store.sqlite")}
    for name in ("a", "b"):
        run = run_experiment(suite, "simulated:drift", episodes=30, out=tmp_path / name, **options)
        asyncio.run(run)
    assert len(list(sb.Run.open(tmp_path / "b").calls())) == 0
    assert (tmp_path / "a" / FILES[0]).read_bytes() == (tmp_path / "b" / FILES[0]).read_bytes()


async def test_failures_are_not_stored(tmp_path):
    store = ResponseStore(tmp_path / "store.sqlite")
    model = Scripted(ModelError("no", "refused"), "SELECT 1")
    cached = CachedModel(model, model, store)
    with pytest.raises(ModelError):
        await cached.complete(request())
    assert len(store) == 0
    assert (await cached.complete(request())).text == "SELECT 1"
    assert len(store) == 1
    await cached.aclose()


async def test_two_who_ask_the_same_at_once_share_a_call(tmp_path):
    model = Scripted("SELECT 1")
    cached = CachedModel(model, model, ResponseStore(tmp_path / "store.sqlite"))
    await asyncio.gather(*(cached.complete(request()) for _ in range(20)))
    assert len(model.calls) == 1
    await cached.aclose()


class Slow(Scripted):
    async def complete(self, request):
        self.calls.append(0.0)
        await asyncio.sleep(0.1)
        return Completion("SELECT 1", Usage(1, 1))


async def test_a_call_whose_caller_was_cancelled_is_stored_all_the_same(tmp_path):
    model = Slow()
    cached = CachedModel(model, model, ResponseStore(tmp_path / "store.sqlite"))
    task = asyncio.create_task(cached.complete(request()))
    await asyncio.sleep(0.03)
    task.cancel()
    await cached.aclose()
    store = ResponseStore(tmp_path / "store.sqlite", readonly=True)
    assert len(store) == 1
    store.close()


async def test_a_stored_answer_streams(tmp_path):
    model = Scripted("SELECT 1")
    cached = CachedModel(model, model, ResponseStore(tmp_path / "store.sqlite"))
    live = [p async for p in cached.stream(request())]
    again = [p async for p in cached.stream(request())]
    assert live[-1].text == again[-1].text == again[0] == "SELECT 1"
    assert len(model.calls) == 1
    await cached.aclose()


def _fill(path, start):
    store = ResponseStore(path)
    model = Scripted("")

    async def go():
        kept = []
        for i in range(60):
            asked = request(seed=i)
            answer = Completion(f"SELECT {start}", Usage(1, 1))
            kept.append((await store.put(request_key(model, asked), model, asked, answer)).text)
        return kept

    kept = asyncio.run(go())
    store.close()
    return kept


def test_processes_share_a_store_and_the_first_answer_is_everyones(tmp_path):
    path = tmp_path / "store.sqlite"
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        kept = pool.starmap(_fill, [(path, i) for i in range(3)])
    assert kept[0] == kept[1] == kept[2]
    store = ResponseStore(path, readonly=True)
    assert len(store) == 60
    store.close()


def test_stores_are_merged(tmp_path):
    _fill(tmp_path / "a.sqlite", 1)
    store = ResponseStore(tmp_path / "b.sqlite")
    assert store.merge(tmp_path / "a.sqlite") == 60
    assert store.merge(tmp_path / "a.sqlite") == 0
    assert len(store) == 60
    store.close()


def test_a_file_that_is_no_store_is_refused(tmp_path):
    (tmp_path / "text.txt").write_text("years of work" * 100)
    with sqlite3.connect(tmp_path / "other.sqlite") as db:
        db.execute("CREATE TABLE thesis (x)")
    for name, match in [("text.txt", "cannot be used"), ("other.sqlite", "is no response store")]:
        before = (tmp_path / name).read_bytes()
        with pytest.raises(StoreError, match=match):
            ResponseStore(tmp_path / name)
        if name == "text.txt":
            assert (tmp_path / name).read_bytes() == before
    with pytest.raises(StoreError, match="There is no response store"):
        ResponseStore(tmp_path / "none.sqlite", readonly=True)
