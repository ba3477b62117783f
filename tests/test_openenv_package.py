"""The folder from which the environment is validated and published."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from openenv.cli._cli_utils import validate_env_structure
from openenv.cli._validation import validate_multi_mode_deployment
from serving import ROOT

import sqlbench as sb

PACKAGE = ROOT / "envs" / "sqlbench_env"


def test_openenv_validates_the_folder():
    openenv = str(Path(sys.executable).parent / "openenv")
    command = [openenv, "validate", str(PACKAGE), "--level", "static"]
    out = subprocess.run(command, capture_output=True, text=True)
    assert out.returncode == 0 and "Verdict: PASS" in out.stdout, out.stdout + out.stderr


def test_the_folder_holds_what_publishing_needs():
    assert validate_multi_mode_deployment(PACKAGE) == (True, [])
    validate_env_structure(PACKAGE)  # what `openenv push` asks for; raises if it is not there


def test_the_manifest_counts_the_questions_that_are_served():
    manifest = yaml.safe_load((PACKAGE / "openenv.yaml").read_text())
    suite = sb.load_suite("marketplace")
    counts = {f"marketplace/{t.id}": len(t.questions) for t in suite.tasks.values()}
    declared = manifest["validation"]["capabilities"]["declared_task_count"]
    assert declared == {"marketplace": len(suite), **counts}
    assert manifest["version"] == sb.__version__


def test_the_lock_holds_every_package_that_sqlbench_needs():
    """An image installs what is locked, and sqlbench without its dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["openenv"]]
    lock = tomllib.loads((PACKAGE / "uv.lock").read_text())
    locked = {package["name"] for package in lock["package"]}
    names = {re.split(r"[\[<>=!~; ]", need)[0].lower().replace("_", "-") for need in needed}
    assert names <= locked, "run: cd envs/sqlbench_env && uv lock"


def test_the_script_serves_with_the_environments_settings(monkeypatch):
    monkeypatch.setenv("SQLBENCH_SUITE", "no_such_suite")
    command = [sys.executable, str(PACKAGE / "server" / "app.py"), "--port", "0"]
    out = subprocess.run(command, capture_output=True, text=True)
    assert out.returncode == 2 and "Unknown suite 'no_such_suite'" in out.stderr
