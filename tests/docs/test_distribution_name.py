"""The public index knows another project as `sqlbench`: no instruction may bring that one."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from folders import ROOT

from sqlbench.exceptions import MissingExtraError

NAME = "sqlbench-repair"
# An extra of that name, an installation of it, a package of a project or lock file, its wheel.
OLD = re.compile(
    r"(?<![\w./-])sqlbench\[[a-z]"
    r"|pip (?:install|download)\b[^\n|&;`]*(?<![\w/.-])['\"]?sqlbench(?![\w/-]|_repair)"
    r"|^name = ['\"]sqlbench['\"]"
    r"|(?:version|distribution|requires|metadata)\(['\"]sqlbench['\"]\)"
    r"|--no-install-package sqlbench(?!-)"
    r"|wheels/sqlbench-"
    r"|sqlbench-\d[\d.]*-py3",
    re.MULTILINE,
)
KINDS = {".py", ".md", ".toml", ".lock", ".ipynb", ".yaml", ".yml", ".txt", ".cfg", ".html", ""}


@pytest.mark.parametrize(
    "text",
    [
        "pip install 'sqlbench[postgres]'",
        "run  pip install sqlbench",
        'pip install -U "sqlbench"',
        '    "sqlbench[openenv]",',
        'name = "sqlbench"\n',
        'importlib.metadata.version("sqlbench")',
        "uv pip install wheels/sqlbench-*.whl",
        "--no-install-package sqlbench\n",
    ],
)
def test_the_old_form_is_found(text):
    assert OLD.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "pip install -e '.[postgres]'",
        '"sqlbench-repair[postgres]"',
        "pip install sqlbench_repair-0.1.0-py3-none-any.whl",
        "pip install -e . && sqlbench run",
        "tests/sqlbench[a]",
        '{ name = "sqlbench-repair", extra = ["openenv"] }',
    ],
)
def test_the_new_form_is_not(text):
    assert not OLD.search(text)


def test_no_file_names_the_strangers_distribution():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    names = listed.stdout.splitlines() or [
        str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if ".venv" not in p.parts
    ]
    files = [ROOT / n for n in names if Path(n).suffix in KINDS and n != _this()]
    assert {"README.md", "Makefile", "pyproject.toml"} <= {f.name for f in files}
    found = [
        f"{file.relative_to(ROOT)}: {match.group()}"
        for file in files
        if file.is_file()
        for match in OLD.finditer(file.read_text(encoding="utf-8"))
    ]
    assert not found


def test_the_project_has_the_name():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == NAME
    assert project["scripts"] == {"sqlbench": "sqlbench.__main__:main"}


def test_a_missing_extra_names_a_command_that_this_checkout_understands():
    told = str(MissingExtraError("PostgreSQL", "postgres"))
    command = f"{sys.executable} -m pip install -e '{ROOT}[postgres]'"
    assert told == f"PostgreSQL needs an extra: run  {command}"


def test_every_extra_that_the_code_asks_for_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    code = "\n".join(f.read_text() for f in (ROOT / "sqlbench").rglob("*.py"))
    asked = set(re.findall(r'MissingExtraError\(\s*"[^"]*",\s*"(\w+)"', code))
    assert asked and asked <= set(project["optional-dependencies"])


def _this() -> str:
    return str(Path(__file__).relative_to(ROOT))
