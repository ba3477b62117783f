"""The list of commands is written down; each command is imported when it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from folders import ROOT
from typer.testing import CliRunner

from sqlbench.cli import app
from sqlbench.cli.commands import COMMANDS, load
from sqlbench.databases import memo
from sqlbench.databases.memo import SWITCH


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_is_listed_is_there_and_helps(name):
    assert load(name).help
    done = CliRunner().invoke(app, [name, "--help"])
    assert done.exit_code == 0 and "Usage" in done.output


def test_every_public_command_module_is_listed():
    """A module whose function has its own name is a command."""
    folder = ROOT / "sqlbench" / "cli"
    found = {p.stem for p in folder.glob("*.py") if f"\ndef {p.stem}(" in p.read_text("utf-8")}
    assert found <= {*COMMANDS}


def test_the_help_lists_all_and_imports_nothing_heavy():
    code = (
        "import sys; from typer.testing import CliRunner; from sqlbench.cli import app; "
        "out = CliRunner().invoke(app, ['--help']).output; "
        "heavy = {'numpy', 'pandas', 'scipy', 'matplotlib', 'sqlglot', 'jinja2', 'pydantic'}; "
        "print(out); print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


def test_an_unknown_command_is_named():
    done = CliRunner().invoke(app, ["runn"])
    assert done.exit_code == 2 and "runn" in done.output


def test_without_memo_a_command_runs_every_statement_and_gives_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv(SWITCH, "on")
    monkeypatch.setattr(memo, "_off", False)
    command = ["run", "--episodes", "20", "--out"]
    assert CliRunner().invoke(app, [*command, str(tmp_path / "with")]).exit_code == 0
    assert os.environ[SWITCH] == "on"
    done = CliRunner().invoke(app, [*command, str(tmp_path / "without"), "--no-memo"])
    assert done.exit_code == 0 and os.environ[SWITCH] == "off"
    logs = [(tmp_path / name / "episodes.jsonl").read_bytes() for name in ("with", "without")]
    assert logs[0] == logs[1]
