"""The folder from which the environment is validated and published."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from json_server import serve_json
from openenv.cli._cli_utils import validate_env_structure
from openenv.cli._validation import validate_multi_mode_deployment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from serving import ROOT

import sqlbench as sb
from sqlbench.environment.wire import SQLAgentAction
from sqlbench.suites.splits import splits

PACKAGE = ROOT / "envs" / "sqlbench_env"


def test_openenv_validates_the_folder():
    openenv = str(Path(sys.executable).parent / "openenv")
    command = [openenv, "validate", str(PACKAGE), "--level", "static"]
    out = subprocess.run(command, capture_output=True, text=True)
    assert out.returncode == 0 and "Verdict: PASS" in out.stdout, out.stdout + out.stderr
    assert "warn" not in out.stdout.lower(), out.stdout


def test_an_auditor_finds_the_environment_in_process():
    env = sb.make_environment()
    start = env.reset(question_id="simple_01")
    gold = env.bench.suite.question("simple_01").gold
    assert start.schema_info and env.step(SQLAgentAction(sql="SELECT 1")).reward == 0.0
    seen = env.step(SQLAgentAction(sql=gold))
    assert seen.done and seen.reward == 0.9


def test_the_folder_holds_what_publishing_needs():
    assert validate_multi_mode_deployment(PACKAGE) == (True, [])
    validate_env_structure(PACKAGE)  # what `openenv push` asks for; raises if it is not there


def test_the_manifest_counts_the_questions_that_are_served():
    manifest = yaml.safe_load((PACKAGE / "openenv.yaml").read_text())
    suite = sb.load_suite("marketplace")
    counts = {f"marketplace/{t.id}": len(t.questions) for t in suite.tasks.values()}
    declared = manifest["validation"]["capabilities"]["declared_task_count"]
    counts |= {name: len(questions) for name, questions in splits(suite).items()}
    assert declared == {"marketplace": len(suite), **counts}
    assert manifest["version"] == sb.__version__


def test_the_lock_was_made_for_what_sqlbench_needs_today():
    """An image installs what is locked, and sqlbench without its dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = tomllib.loads((PACKAGE / "uv.lock").read_text())
    (locked,) = (p for p in lock["package"] if p["name"] == "sqlbench-repair")
    needed = {
        (canonicalize_name(r.name), frozenset(r.extras), r.specifier)
        for r in map(Requirement, project["dependencies"])
    }
    known = {
        (r["name"], frozenset(r.get("extras", ())), SpecifierSet(r.get("specifier", "")))
        for r in locked["metadata"]["requires-dist"]
        if "extra ==" not in r.get("marker", "")
    }
    assert known == needed, "run: cd envs/sqlbench_env && uv lock"


def test_the_script_serves_with_the_environments_settings(monkeypatch):
    monkeypatch.setenv("SQLBENCH_SUITE", "no_such_suite")
    command = [sys.executable, str(PACKAGE / "server" / "app.py"), "--port", "0"]
    out = subprocess.run(command, capture_output=True, text=True)
    assert out.returncode == 2 and "Unknown suite 'no_such_suite'" in out.stderr


@pytest.fixture
def hub():
    """Stand in for the hub that `openenv push` sends to; yields its address and what it got."""
    got: list[tuple[str, bytes]] = []

    def answer(path: str, body: bytes) -> object:
        got.append((path, body))
        if "whoami" in path:
            return {"name": "me", "type": "user", "auth": {"type": "access_token"}}
        if path.endswith("/repos/create"):
            return {"url": f"{address}/spaces/me/sqlbench"}
        if "/preupload/" in path:
            kept = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            return {"files": [{"path": f["path"], **kept} for f in json.loads(body)["files"]]}
        if "/commit/" in path:
            commit = f"{address}/spaces/me/sqlbench/commit/{'a' * 40}"
            return {"success": True, "commitOid": "a" * 40, "commitUrl": commit}
        return {}

    with serve_json(answer) as address:
        yield address, got


def test_openenv_pushes_all_that_an_image_is_built_from(hub, tmp_path):
    address, got = hub
    folder = tmp_path / "sqlbench_env"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("wheels", "__pycache__"))
    (folder / "wheels").mkdir()
    wheel = folder / "wheels" / f"sqlbench_repair-{sb.__version__}-py3-none-any.whl"
    wheel.write_bytes(b"what `make space` puts here")
    told = {"HF_ENDPOINT": address, "HF_TOKEN": "hf_none", "HF_HOME": str(tmp_path / "hf")}
    out = subprocess.run(
        [Path(sys.executable).parent / "openenv", "push", folder, "--secret", "SQLBENCH_TOKEN=s3"],
        capture_output=True, text=True, timeout=400, env={**os.environ, **told},
    )  # fmt: skip
    assert out.returncode == 0, out.stdout + out.stderr
    (commit,) = (body for path, body in got if "/commit/" in path)
    sent = {
        line["value"]["path"]: base64.b64decode(line["value"]["content"])
        for line in map(json.loads, commit.splitlines())
        if line["key"] == "file"
    }
    here = {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }
    assert sent == here
    (secret,) = (json.loads(body) for path, body in got if path.endswith("/secrets"))
    assert secret == {"key": "SQLBENCH_TOKEN", "value": "s3"}
