"""Verifiers' own evaluation command on sqlbench's task set, against a fake endpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sqlbench as sb

LOOK = """
import sys, sqlbench_verifiers
env = sqlbench_verifiers.load_environment(split="train")
task = next(iter(env.taskset))
assert task.data.name == "simple_01" and "Database schema" in task.data.system_prompt
gold = task.data.model_dump_json()
assert "openenv" not in sys.modules
import sqlbench
from sqlbench.doors.desk import desk
question = desk("marketplace").suite.question("simple_01")
assert question.gold not in gold
print("ok", len(list(env.taskset)))
"""


def test_the_evaluation_command_plays_episodes_and_keeps_them(run_in, fake, tmp_path: Path):
    run_in(
        "verifiers", "vf-eval", "sqlbench-verifiers", "--env.taskset.split", "test",
        "--select.limit", "4", "-m", "fake", "--client.base-url", fake,
        "--client.api-key-var", "FAKE_KEY", "--no-push", "--env.log", "episodes", "-o", "out",
        FAKE_KEY="none",
    )  # fmt: skip
    (file,) = (tmp_path / "out").rglob("traces.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    run = sb.Run.open(tmp_path / "episodes")
    assert len(rows) == len(run.log) == run.config.episodes == 4
    played = {e.question_id: e for e in run.log}
    for row in rows:
        trace = row["traces"][0] if row.get("traces") else row
        episode = played[trace["task"]["data"]["question_id"]]
        assert trace["metrics"]["success"] == episode.success
        assert trace["metrics"]["attempts"] == len(episode.steps)
        value = trace["rewards"]["value"]["score"]
        if episode.success:
            assert value == pytest.approx(1.1 - 0.1 * len(episode.steps))
        else:
            assert value <= 0.5
        assert not row["errors"]


def test_the_task_set_is_loaded_without_openenv_and_holds_no_gold(run_in):
    assert run_in("verifiers", "python", "-c", LOOK).stdout.startswith("ok 36")
