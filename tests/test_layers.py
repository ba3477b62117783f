"""The wings import downwards only, and a linter notices where one does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from folders import ROOT

LINT = str(Path(sys.executable).parent / "lint-imports")


@pytest.fixture
def copy(tmp_path):
    """A copy of the package that may be spoilt."""
    shutil.copytree(
        ROOT / "sqlbench", tmp_path / "sqlbench", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    # The folder's own package comes before the one that is installed.
    command = [LINT, "--no-cache"]
    env = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


@pytest.mark.parametrize(
    "file, line, contract",
    [
        ("episodes/reward.py", "from sqlbench.runs import config", "Wings import downwards"),
        ("grading/score.py", "from sqlbench.models import base", "Wings import downwards"),
        ("client.py", "from sqlbench.server import gate", "The client never imports the server"),
        ("runs/files.py", "from sqlbench.runs import writer", "No circle of files"),
    ],
)
def test_an_import_that_goes_up_or_round_breaks_its_contract(copy, file, line, contract):
    changed = copy / "sqlbench" / file
    changed.write_text(changed.read_text("utf-8") + f"\n{line}\n", "utf-8")
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in done.stdout


def test_the_package_as_it_is_keeps_its_contracts(copy):
    done = lint(copy)
    assert done.returncode == 0, done.stdout + done.stderr
