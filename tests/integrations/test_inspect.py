"""Inspect's own command on sqlbench's task, and its own reader of the log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sqlbench as sb

READ = """
import json, sys
from inspect_ai.log import list_eval_logs, read_eval_log
(info,) = list_eval_logs("logs")
log = read_eval_log(info)
print(json.dumps({"status": log.status, "samples": [
    {"id": s.id, "success": s.scores["success"].value, "value": s.scores["value"].value,
     "roles": [m.role for m in s.messages], "target": s.target} for s in log.samples]}))
assert "openenv" not in sys.modules
"""


def test_the_task_is_run_by_name_and_its_log_is_read(run_in, fake, tmp_path: Path):
    run_in(
        "inspect", "inspect", "eval", "sqlbench/text_to_sql", "-T", "split=test", "-T",
        "log=episodes", "--limit", "4", "--model", "openai-api/fake/m", "--display", "plain",
        "--log-dir", "logs", FAKE_API_KEY="none", FAKE_BASE_URL=fake,
    )  # fmt: skip
    read = json.loads(run_in("inspect", "python", "-c", READ).stdout)
    run = sb.Run.open(tmp_path / "episodes")
    assert read["status"] == "success" and len(read["samples"]) == len(run.log) == 4
    played = {e.question_id: e for e in run.log}
    for sample in read["samples"]:
        episode = played[sample["id"]]
        assert sample["success"] == episode.success and not sample["target"]
        assert sample["roles"][:3] == ["system", "user", "assistant"]
        assert sample["roles"].count("assistant") == len(episode.steps)
        if episode.success:
            assert sample["value"] == pytest.approx(1.1 - 0.1 * len(episode.steps))
