"""A relative path means the same in a notebook as in a terminal at the project's root."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from folders import NOTEBOOKS, ROOT
from nbclient import NotebookClient

import sqlbench as sb
from sqlbench.episodes.repair import Prompts
from sqlbench.evidence.table_files import load_table
from sqlbench.exceptions import SQLBenchError
from sqlbench.grading.graded import Graded
from sqlbench.grading.predictions import read_predictions
from sqlbench.models.calling.budget import load_prices
from sqlbench.models.calling.cache import ResponseStore
from sqlbench.models.simulated.profile import load_profile
from sqlbench.paths import base_folder, located, shown


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a folder of notebooks, in which a kernel works."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks" / "deeper").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path


def test_a_notebooks_paths_are_taken_from_its_project(project, monkeypatch):
    assert located("results/x") == project / "results" / "x"
    assert located("../shared") == project / ".." / "shared"
    monkeypatch.chdir(project / "notebooks" / "deeper")
    assert located("x") == project / "x"


def test_a_folder_under_git_is_a_project(project):
    (project / "notebooks" / ".git").mkdir()
    assert base_folder() == project / "notebooks"


def test_a_terminals_paths_are_taken_from_where_it_is(project, monkeypatch):
    monkeypatch.delenv("JPY_PARENT_PID")
    assert located("results/x") == Path("results/x")
    assert base_folder() == project / "notebooks"


def test_a_notebook_outside_of_a_project_works_where_it_lies(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".git").mkdir()  # a home under version control makes no project of all below it
    (tmp_path / "own").mkdir()
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    monkeypatch.chdir(tmp_path / "own")
    assert located("x") == Path("x") and base_folder() == tmp_path / "own"


def test_an_absolute_path_and_the_home_stay_what_they_are(project):
    assert located("/data/x") == Path("/data/x")
    assert located("~/x") == project.parent / "x"


@pytest.mark.parametrize(
    "look",
    [
        lambda name: sb.load_suite(f"spider:{name}"),
        lambda name: sb.load_suite(f"bird:{name}"),
        lambda name: sb.load_suite(f"{name}.yaml"),
        lambda name: load_profile(f"{name}.toml"),
        lambda name: read_predictions(name, sb.load_suite("marketplace")),
        Prompts.load,
        sb.Run.open,
        sb.sweep.Sweep.open,
        sb.sweep.load_grid,
        Graded.open,
        load_table,
        lambda name: load_table(f"{name}.jsonl"),
        lambda name: load_prices(["openai:x"], name),
        lambda name: ResponseStore(name, readonly=True),
    ],
)
def test_a_missing_file_is_named_by_its_absolute_path(look, project):
    with pytest.raises(SQLBenchError) as caught:
        look("no/../no_such")
    assert str(project / "no_such") in str(caught.value)


def test_paths_are_shown_absolute_and_without_dots(project):
    assert shown("../x") == repr(str(project.parent / "x"))


@pytest.mark.slow
def test_a_kernel_its_worker_processes_and_its_shell_write_to_the_project(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").touch()
    cells = [
        "import sqlbench as sb",
        "await sb.run_experiment(episodes=2, out='results/run', progress=False)",
        "from sqlbench.grids.compare import compare",
        "configs = {p: sb.RunConfig(policy=p, episodes=2) for p in ('rules', 'random')}",
        "compare(configs, [0, 1], 'results/compare', progress=False)",
        f"!{sys.executable} -m sqlbench run --episodes 2 --out results/shell",
    ]
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    client = NotebookClient(notebook, kernel_name="python3", timeout=120)
    client.resources = {"metadata": {"path": str(tmp_path / "notebooks")}}
    client.execute(env=environment)
    made = {p.name for p in (tmp_path / "results").iterdir()}
    assert made == {"run", "compare", "shell"}
    assert not [*(tmp_path / "notebooks").iterdir()]


# What these are given is no reader's path, or is absolute.
ELSEWHERE = {"paths.py", "ledger.py", "local_server.py", "postgres_embedded.py", "folders.py"}


def test_the_package_takes_no_path_but_by_the_rule():
    named = re.compile(r"\bPath\((?:out|path|folder|file|name|run_dir|named|spec|database)\)")
    taken = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "sqlbench").rglob("*.py")
        if file.name not in ELSEWHERE and named.search(file.read_text(encoding="utf-8"))
    }
    assert not taken, "located(path), of sqlbench.paths"


def test_no_notebook_says_a_path_from_its_own_folder():
    for file in NOTEBOOKS.glob("*.ipynb"):
        parameters = [
            cell.source
            for cell in nbformat.read(file, as_version=4).cells
            if "parameters" in cell.metadata.get("tags", [])
        ]
        assert "../results" not in "".join(parameters) and "../tests" not in "".join(parameters)


def test_git_keeps_nothing_in_the_notebooks_folder_but_notebooks():
    listed = subprocess.run(
        ["git", "ls-files", "notebooks"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    assert all(name.endswith((".ipynb", "README.md")) for name in listed)
