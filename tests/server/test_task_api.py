"""OpenEnv's Task API: the suite, its tasks and the splits for training."""

from __future__ import annotations

import json

from serving import Served, call

import sqlbench as sb


def test_the_task_api_serves_the_suite_as_splits_and_questions_as_tasks(server: Served):
    suite = sb.load_suite("marketplace")

    def post(path: str, body: dict) -> dict:
        status, text = server.request(f"/sqlbench/{path}", body)
        assert status == 200, text
        return json.loads(text)

    assert json.loads(server.request("/list_environments")[1]) == ["sqlbench"]
    splits = [s["name"] for s in json.loads(server.request("/sqlbench/splits")[1])]
    tiers = [f"marketplace/{t}" for t in suite.tasks]
    assert splits == ["marketplace", *tiers, "train", "dev", "test"]
    kinds = [s["type"] for s in json.loads(server.request("/sqlbench/splits")[1])]
    assert kinds == ["validation"] * 4 + ["train", "validation", "test"]
    held = [{t["id"] for t in post("tasks", {"split": s})["tasks"]} for s in splits[-3:]]
    assert sum(map(len, held)) == len(set.union(*held)) == 60
    assert post("num_tasks", {"split": "marketplace"})["num_tasks"] == len(suite) == 60
    tasks = post("tasks", {"split": "marketplace/join_queries"})["tasks"]
    assert [t["question_id"] for t in tasks] == [q.id for q in suite.task("join_queries").questions]
    assert post("task", {"split": "marketplace/join_queries", "index": 3})["task"] == tasks[3]
    part = post("task_range", {"split": "marketplace/join_queries", "start": 2, "stop": 4})
    assert part["tasks"] == tasks[2:4]
    status, text = server.request("/sqlbench/task", {"split": "marketplace", "index": 60})
    assert status == 400 and "0 to 59" in text
    status, text = server.request("/sqlbench/tasks", {"split": "validation"})
    assert status == 400 and "Unknown split 'validation'" in text
    with server.connect() as ws:
        answer = call(ws, "reset", {"split": "marketplace/join_queries", "index": 3})
        assert answer["data"]["observation"]["question_id"] == tasks[3]["question_id"]
