"""Splits share no question and no database where that can be, and are the same on every machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from folders import ROOT

import sqlbench as sb
from sqlbench.suites import Question, Suite, Task
from sqlbench.suites.splits import splits

SMALL = ROOT / "tests" / "data" / "small_spider"


def suite_of(questions: list[tuple[str, str, str, str]]) -> Suite:
    made = [Question(i, text, gold, db, "simple_queries") for i, text, gold, db in questions]
    return Suite(
        "own.yaml", {"simple_queries": Task("simple_queries", "easy", tuple(made))}, {}, {}
    )


def test_one_database_is_split_by_question_in_every_task():
    suite = sb.load_suite("marketplace")
    found = splits(suite)
    assert {s: len(qs) for s, qs in found.items()} == {"train": 36, "dev": 12, "test": 12}
    ids = [q.id for qs in found.values() for q in qs]
    assert sorted(ids) == sorted(q.id for q in suite) and len(set(ids)) == 60
    for questions in found.values():
        assert {q.task_id for q in questions} == set(suite.tasks)
    assert found == splits(sb.load_suite("marketplace")) != splits(suite, seed=1)
    assert [q.id for q in found["dev"]][:2] == ["simple_15", "simple_17"]  # whatever the machine


def test_several_databases_are_not_shared():
    suite = suite_of([(f"q{i}", f"t{i}", f"SELECT {i}", f"db{i % 7}") for i in range(50)])
    for seed in range(5):
        found = splits(suite, seed)
        held = [{q.db_id for q in qs} for qs in found.values()]
        assert len(held) == 3 and sum(map(len, held)) == len(set.union(*held)) == 7


def test_questions_that_ask_the_same_stay_together():
    asked = [(f"q{i}", f"text {i // 2}", f"SELECT {(i + 1) // 2}", "one") for i in range(12)]
    others = [(f"r{i}", f"other {i}", f"SELECT {100 + i}", "one") for i in range(12)]
    for seed in range(10):
        found = splits(suite_of(asked + others), seed)
        assert sum(any(q.id[0] == "q" for q in qs) for qs in found.values()) == 1
    # The case of letters, a semicolon and spaces make no other question.
    spelt = [("a", "How many?", "SELECT 1;", "one"), ("b", "how  MANY?", "SELECT 2", "one")]
    found = splits(suite_of(spelt + others))
    assert sum(any(q.id in "ab" for q in qs) for qs in found.values()) == 1


def test_spiders_own_splits_are_its_own(tmp_path: Path):
    shutil.copytree(SMALL, tmp_path, dirs_exist_ok=True)
    records = json.loads((tmp_path / "dev.json").read_text())
    (tmp_path / "dev.json").write_text(json.dumps(records[:4]))
    (tmp_path / "train_spider.json").write_text(json.dumps(records[4:]))
    assert set(splits(sb.load_suite(f"spider:{tmp_path}"))) == {"dev"}
    suite = sb.load_suite(f"spider:{tmp_path}?split=all")
    found = splits(suite)
    assert {s: len(qs) for s, qs in found.items()} == {"train": len(records) - 4, "dev": 4}
    assert found == splits(suite, seed=9)
    assert all(q.id.startswith("train_spider_") for q in found["train"])
    assert [e.position for e in suite.entries] == list(range(len(records)))
    env = sb.SQLAgentEnv(suite, None)
    question = found["train"][-1]
    assert question.text in env.reset_with_question(question.task_id, question.id).question


@pytest.mark.shared
def test_spiders_dev_set_is_for_dev(spider_dir: Path):
    assert {s: len(qs) for s, qs in splits(sb.load_suite(f"spider:{spider_dir}")).items()} == {
        "dev": 972
    }
