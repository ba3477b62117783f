"""Repair tables are collected once, gone on with, and never mixed up."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest
from scripted import Scripted
from served import answers_for, serve

from sqlbench.episodes.repair import ARMS
from sqlbench.evidence.collect import collect
from sqlbench.evidence.collect_files import CALLS, FAILURES, REQUESTS
from sqlbench.evidence.repair_table import RESAMPLE, TableError
from sqlbench.evidence.replay import replay
from sqlbench.evidence.table_files import load_table
from sqlbench.exceptions import BudgetReachedError, ConfigError, ModelSetupError
from sqlbench.models import Calling, ModelError
from sqlbench.models.calling.cache import ResponseStore
from sqlbench.models.endpoint.openai import OpenAIModel
from sqlbench.models.simulated.simulated import SimulatedModel
from sqlbench.runs.experiment import run_experiment
from sqlbench.suites import Question, Suite, Task, load_suite

TASK = "simple_queries"


def gather(folder, **options):
    options = {"task": TASK, "progress": False, "samples": 2, **options}
    model = options.pop("model", "simulated")
    return asyncio.run(collect("marketplace", model, folder, **options))


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collect") / "table"
    said: list[str] = []
    table = gather(folder, say=said.append)
    return folder, table, said


def calls(folder):
    return [json.loads(line) for line in (folder / CALLS).read_text().splitlines()]


def test_every_failing_first_answer_gets_every_repair_and_a_new_answer(collected):
    folder, table, _ = collected
    firsts = [c for c in calls(folder) if c["arm"] == "generate"]
    assert len(firsts) == len(load_suite("marketplace").task(TASK).questions)
    assert len(table) == sum(not c["success"] for c in firsts)
    assert table.arms == (*map(str, ARMS), RESAMPLE)
    assert table.successes.shape == (len(table), 9, 2)
    assert table.simulated and table.notes == ()
    assert len(calls(folder)) == len(firsts) + len(table) * 9 * 2


def test_the_cost_is_said_before_it_starts_and_at_the_end(collected):
    folder, table, said = collected
    assert "at most" in said[0] and "tokens" in said[0]
    assert f"{len(table) * 18:,} of them still to be called" in said[1]
    assert f"Called now: {len(calls(folder)):,} calls" in said[2]


def test_a_finished_collection_calls_nothing_again(collected):
    folder, table, _ = collected
    before = (folder / CALLS).read_bytes()

    class Never(SimulatedModel):
        async def complete(self, request):
            raise AssertionError("called again")

    suite = load_suite("marketplace")
    again = asyncio.run(collect(suite, Never(suite), folder, task=TASK, samples=2, progress=False))
    assert (folder / CALLS).read_bytes() == before
    assert (again.successes == table.successes).all()


def test_a_killed_collection_goes_on_to_the_same_bytes(collected, tmp_path):
    folder, _, _ = collected
    whole = (folder / CALLS).read_bytes()
    other = tmp_path / "table"
    gather(other)
    lines = whole.splitlines(keepends=True)
    (other / CALLS).write_bytes(b"".join(lines[: len(lines) // 2]) + lines[-1][:25])
    gather(other, concurrency=4)
    assert (other / CALLS).read_bytes() == whole


def test_the_first_sample_is_what_an_ordinary_run_would_get(collected):
    folder, _, _ = collected
    run = asyncio.run(
        run_experiment(
            task=TASK,
            policy="fixed:fix_column",
            episodes=len(load_suite("marketplace").task(TASK).questions),
            max_attempts=2,
            progress=False,
        )
    )
    stored = {
        c["question_id"]: c for c in calls(folder) if c["arm"] == "fix_column" and not c["sample"]
    }
    repaired = {e.question_id: e.steps[1] for e in run.log if len(e.steps) > 1}
    assert stored.keys() == repaired.keys()
    for question_id, step in repaired.items():
        call = stored[question_id]
        assert (call["sql"], call["success"], call["reward"]) == (
            step.sql, step.success, step.reward
        )  # fmt: skip


def test_its_signals_are_those_that_an_ordinary_run_sees(collected):
    folder, table, _ = collected
    assert table.signals is None, "they are read where they are asked for"
    run = asyncio.run(
        run_experiment(
            task=TASK,
            policy="linucb?features=class,signals",
            episodes=len(load_suite("marketplace").task(TASK).questions),
            progress=False,
        )
    )
    seen = {e.question_id: e.steps[1].context for e in run.log if len(e.steps) > 1}
    read = load_table(folder, signals=True)
    assert read.question_ids == table.question_ids and (read.rewards == table.rewards).all()
    assert set(seen) == set(read.question_ids)
    for question_id, row in zip(read.question_ids, read.signals, strict=True):
        assert seen[question_id].signals == tuple(row)
    policies = ["linucb", "linucb?features=class,signals"]
    chosen = replay(read, policies, [0, 1]).chosen
    assert (chosen[policies[0]] != chosen[policies[1]]).any()


def test_signals_of_a_suite_that_has_changed_are_refused(collected, tmp_path):
    folder, _, _ = collected
    other = tmp_path / "table"
    shutil.copytree(folder, other)
    meta = json.loads((other / "table.json").read_text())
    (other / "table.json").write_text(json.dumps({**meta, "suite_hash": "another"}))
    assert len(load_table(other)) == len(load_table(folder))
    with pytest.raises(TableError, match="has changed since"):
        load_table(other, signals=True)


def test_the_gold_is_prepared_as_the_metric_wants_it(tmp_path):
    """The metric `spider` strips DISTINCT from both: from one alone, a right answer fails."""
    suite = load_suite("marketplace")
    gold = "SELECT DISTINCT category_id FROM products"
    question = Question("own-1", "Which categories?", gold, "marketplace", "own")
    own = Suite("own", {"own": Task("own", "easy", (question,))}, suite.databases, {})
    with pytest.raises(TableError, match="of its 1 first answers 0 fail"):
        asyncio.run(collect(own, Scripted(gold), tmp_path / "t", metric="spider", progress=False))


def test_another_configuration_is_refused_by_what_differs(collected):
    folder, _, _ = collected
    with pytest.raises(TableError, match="samples was 2, now 3"):
        gather(folder, samples=3)


def test_a_table_of_another_suite_is_refused(collected, tmp_path):
    folder, _, _ = collected
    meta = json.loads((folder / "table.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    (other / "table.json").write_text(json.dumps(meta | {"suite_hash": "0" * 64}))
    with pytest.raises(TableError, match="another suite hash"):
        gather(other)


def test_a_table_of_a_profile_that_has_changed_since_is_refused(tmp_path):
    """Half of its calls, or all of them, would be another model's."""
    profile = tmp_path / "own.toml"
    profile.write_text('base = "default"\n')
    gather(tmp_path / "table", model=f"simulated:{profile}", samples=1)
    profile.write_text('base = "measured"\n')
    with pytest.raises(TableError, match="another model fingerprint"):
        gather(tmp_path / "table", model=f"simulated:{profile}", samples=1)
    older = json.loads((tmp_path / "table" / "table.json").read_text())
    del older["model_fingerprint"]
    (tmp_path / "table" / "table.json").write_text(json.dumps(older))
    gather(tmp_path / "table", model=f"simulated:{profile}", samples=1)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TableError, match=r"folder '.*' cannot be written: Not a directory\."):
        gather(tmp_path / "file" / "table")


def test_folders_that_hold_no_table_are_refused(tmp_path):
    with pytest.raises(TableError, match=r"table\.json is missing"):
        load_table(tmp_path)
    (tmp_path / "something").write_text("else")
    with pytest.raises(TableError, match="holds files and no repair table"):
        gather(tmp_path)
    bad = {"samples": 0, "answers": 10**14, "seed": -1, "temperature": float("nan")}
    for name, value in bad.items():
        with pytest.raises(ConfigError, match=name):
            gather(tmp_path / "new", **{name: value})
    assert not (tmp_path / "new").exists()


def test_a_table_without_a_row_or_with_a_damaged_call_is_refused(collected, tmp_path):
    folder, _, _ = collected
    other = shutil.copytree(folder, tmp_path / "other")
    firsts = [c for c in calls(folder) if c["arm"] == "generate"]
    (other / CALLS).write_text("".join(json.dumps(c) + "\n" for c in firsts[:-1]))
    with pytest.raises(TableError, match=r"has no row: .*1 first answer owed"):
        load_table(other)
    (other / CALLS).write_text("{}\n")
    with pytest.raises(TableError, match="damaged: KeyError, 'question_id'"):
        load_table(other)


def test_a_call_that_its_model_failed_is_owed_and_its_row_named(tmp_path):
    suite = load_suite("marketplace")
    folder = tmp_path / "table"

    class Flaky(SimulatedModel):
        async def complete(self, request):
            if request.action == "fix_table" and request.question_id.endswith("02"):
                raise ModelError("The endpoint is busy.", kind="rate_limit")
            return await super().complete(request)

    options = {"task": TASK, "samples": 1, "progress": False}
    table = asyncio.run(collect(suite, Flaky(suite), folder, **options))
    failures = (folder / FAILURES).read_text().splitlines()
    if not failures:
        pytest.fail("question 02 must fail for this test to say anything")
    assert "lack repairs and are left out" in table.notes[0]
    complete = asyncio.run(collect(suite, SimulatedModel(suite), folder, **options))
    assert len(complete) == len(table) + 1 and complete.notes == ()


def test_a_model_that_cannot_be_used_stops_the_collection(tmp_path):
    suite = load_suite("marketplace")

    class Down(SimulatedModel):
        async def complete(self, request):
            raise ModelError("No route to the endpoint.", kind="connection")

    with pytest.raises(ModelSetupError, match="No route"):
        asyncio.run(collect(suite, Down(suite), tmp_path / "t", task=TASK, progress=False))


def test_a_collected_table_replays_resample_and_the_oracle(collected):
    _, table, _ = collected
    found = replay(table, ["resample", "oracle", "linucb", "rules"], range(3), 200)
    assert (found.chosen["resample"] == 8).all()
    assert (found.chosen["linucb"] < 8).all(), "a bandit does not choose a new answer"


def test_questions_without_a_gold_query_are_refused(tmp_path):
    suite = load_suite("marketplace")
    question = Question("own-1", "How many?", None, "marketplace", "own")
    own = Suite("own", {"own": Task("own", "easy", (question,))}, suite.databases, {})
    with pytest.raises(ConfigError, match="'own-1' of 'own' has no gold query"):
        asyncio.run(collect(own, SimulatedModel(suite), tmp_path / "t", progress=False))


PRICES = """
[m]
prompt = 1.0
cached = 0.5
completion = 4.0
"""


def test_a_collection_keeps_its_budget_retries_and_pays_for_nothing_twice(tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    suite = load_suite("marketplace")
    with serve(tmp_path, answers_for(suite), faults={"error": 0.1, "rate_limit": 0.1}) as server:
        model = OpenAIModel("m", server.environ)
        options = {"model": model, "samples": 1, "concurrency": 8}
        with pytest.raises(BudgetReachedError, match="larger --budget"):
            gather(tmp_path / "t", **options, calling=Calling(budget=0.05, prices=prices))
        sent = [json.loads(line) for line in (tmp_path / "t" / REQUESTS).read_text().splitlines()]
        assert 0.02 < sum(s["cost"] for s in sent) <= 0.05
        with pytest.raises(BudgetReachedError, match="calls are made"):
            gather(tmp_path / "t", **options, calling=Calling(max_calls=len(sent) + 7))
        assert server.stats["requests"] == len(sent) + 7
        table = gather(tmp_path / "t", **options)
        stats = server.stats
    assert not (tmp_path / "t" / FAILURES).exists(), "what failed in passing is repeated"
    assert len(calls(tmp_path / "t")) == stats["finished"] == 20 + 9 * len(table)
    store = ResponseStore(tmp_path / "t" / "responses.sqlite", readonly=True)
    assert len(store) == stats["finished"]
    store.close()
