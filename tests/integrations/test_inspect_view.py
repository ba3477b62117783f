"""Inspect's viewer lists an exported run, with its samples."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from folders import ROOT

import sqlbench as sb

READ = """
import json
from inspect_ai.log import list_eval_logs, read_eval_log
(info,) = list_eval_logs("logs")
log = read_eval_log(info)
print(json.dumps({"samples": [s.id for s in log.samples],
                  "tokens": sum(u.total_tokens for u in log.stats.model_usage.values()),
                  "scores": {s.name: s.metrics["accuracy"].value for s in log.results.scores}}))
"""


def test_inspect_view_lists_an_exported_run(run_in, tmp_path: Path):
    run = asyncio.run(
        sb.run_experiment(policy="random", episodes=12, out=tmp_path / "run", progress=False)
    )
    run_in("inspect", "python", "-m", "sqlbench", "export", str(tmp_path / "run"),
           "--format", "inspect", "--out", str(tmp_path / "logs"))  # fmt: skip
    (path,) = (tmp_path / "logs").glob("*.eval")
    read = json.loads(run_in("inspect", "python", "-c", READ).stdout)
    assert sorted(read["samples"]) == sorted(e.question_id for e in run.log)
    assert read["tokens"] == sum(e.tokens("prompt") + e.tokens("completion") for e in run.log) > 0
    assert abs(read["scores"]["any"] - run.summary["rates"]["any"]["rate"]) < 1e-9
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = Path(os.environ.get("SQLBENCH_INTEGRATIONS", ROOT / ".venv")) / "inspect" / "bin"
    command = [str(place / "inspect"), "view", "start", "--port", str(port)]
    viewer = subprocess.Popen(
        [*command, "--log-dir", str(tmp_path / "logs")], cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        listed = _asked(f"http://127.0.0.1:{port}/api/logs")
    finally:
        viewer.terminate()
        viewer.wait(timeout=60)
    assert [Path(f["name"]).name for f in listed["files"]] == [path.name]


def _asked(url: str) -> dict:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline, "the viewer did not start"
            time.sleep(0.2)
