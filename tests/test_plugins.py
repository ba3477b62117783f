"""Policies, models and metrics by import path or declared name, in workers, too."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from folders import HELPERS, ROOT

import sqlbench as sb
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.grading import find_metric, metrics
from sqlbench.grids.compare import compare
from sqlbench.grids.grid import processes
from sqlbench.policies import make_policy, registry

PAGE = (ROOT / "docs" / "own-parts.md").read_text(encoding="utf-8")
CELL = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL).group(1)


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


def test_a_policy_is_found_by_its_import_path():
    policy = make_policy("own_policy:Restless?shy=2&epsilon=0.1")
    assert policy.spec == "own_policy:Restless?shy=2&epsilon=0.1" and policy.shy == 2
    with pytest.raises(UnknownNameError, match="Did you mean 'shy'"):
        make_policy("own_policy:Restless?shi=2")
    with pytest.raises(ConfigError, match=r"cannot be imported: ModuleNotFoundError"):
        make_policy("no_such_module:Restless")
    with pytest.raises(ConfigError, match="has no 'Restles'"):
        make_policy("own_policy:Restles")
    with pytest.raises(ConfigError, match="lacks select"):
        make_policy("builtins:object")


def test_a_run_is_made_with_a_model_and_a_metric_of_ones_own(suite, tmp_path):
    options = {"episodes": 4, "max_attempts": 1, "progress": False, "policy": "random"}
    spec = "own_parts:Parrot?number=7&word=yes"
    run = asyncio.run(
        sb.run_experiment(suite, spec, metric="own_parts:lenient", out=tmp_path / "run", **options)
    )
    assert all(e.success and e.steps[0].sql == "SELECT 7, 'yes'" for e in run.log)
    opened = sb.Run.open(tmp_path / "run")
    assert opened.config.model == spec and opened.config.metric == "own_parts:lenient"
    strict = asyncio.run(sb.run_experiment(suite, spec, metric="own_parts:strict", **options))
    assert {s.reason for e in strict.log for s in e.steps} == {"values"}


def test_what_cannot_be_one_is_refused(suite):
    with pytest.raises(ConfigError, match="a Metric or a function"):
        find_metric("own_parts:NOT_CALLABLE")
    with pytest.raises(ConfigError, match="lacks complete"):
        sb.load_model("builtins:object", suite)
    with pytest.raises(ConfigError, match="cannot be made"):
        sb.load_model("own_parts:Parrot?nmber=7", suite)
    with pytest.raises(UnknownNameError, match="Unknown metric 'exakt'"):
        find_metric("exakt")


def test_a_package_can_declare_names(suite, monkeypatch):
    points = {
        "sqlbench.policies": [("restless", "own_policy:Restless")],
        "sqlbench.models": [("parrot", "own_parts:Parrot")],
        "sqlbench.metrics": [("lenient", "own_parts:lenient")],
    }

    def entry_points(group):
        return [importlib.metadata.EntryPoint(n, v, group) for n, v in points.get(group, [])]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    assert make_policy("restless?shy=3").shy == 3
    assert sb.load_model("parrot?number=2", suite).spec == "parrot?number=2"
    assert find_metric("lenient").reason(None, type("R", (), {"rows": [(1,)]})) == "match"
    with pytest.raises(UnknownNameError, match="Did you mean 'restless'"):
        make_policy("restles")


@pytest.mark.slow
def test_worker_processes_import_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{HELPERS}{os.pathsep}{ROOT}")
    specs = {"a": "own_policy:Restless?shy=2", "b": "random"}
    configs = {n: sb.RunConfig(policy=s, episodes=5) for n, s in specs.items()}
    found = compare(configs, [0, 1], tmp_path, workers=processes(1), progress=False)
    assert len(found.episodes) == 20


def test_what_only_this_process_knows_runs_in_threads_and_says_so(tmp_path, monkeypatch):
    from own_policy import Restless

    monkeypatch.setattr(registry, "_OWN", {})
    local = type("Local", (Restless,), {"__module__": "__main__"})
    sb.register_policy("local", local)
    configs = {n: sb.RunConfig(policy=n, episodes=4) for n in ("local", "random")}
    with pytest.warns(UserWarning, match="in threads .* 'local'"):
        found = compare(configs, [0, 1], tmp_path, progress=False)
    assert found.names == ["local", "random"] and len(found.episodes) == 16


@pytest.mark.slow
def test_the_documented_cell_gives_its_table_as_a_script_without_a_guard(tmp_path):
    (tmp_path / "cell.py").write_text(CELL)
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "cell.py"], cwd=tmp_path, env=environ, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| restless" in done.stdout and "in threads" in done.stderr


@pytest.mark.slow
def test_the_documented_cell_gives_its_table_in_a_notebook(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    said = "".join(o.get("text", "") for o in notebook.cells[0].outputs)
    assert "| restless" in said and "in threads" in said


@pytest.mark.parametrize("said", [0.3, [True], None, [], "", 1], ids=repr)
def test_a_metric_of_ones_own_that_gives_no_truth_and_no_reason_is_told(monkeypatch, said):
    monkeypatch.setitem(sys.modules, "theirs", SimpleNamespace(agrees=lambda gold, pred: said))
    metric = metrics._own_metric.__wrapped__("theirs:agrees")
    with pytest.raises(ConfigError, match=r"'theirs:agrees' gave .*: expected True or False"):
        metric.reason(None, None)


@pytest.mark.parametrize(
    ("said", "reason"), [(True, "match"), (np.False_, "values"), ("too_wide", "too_wide")]
)
def test_a_metric_of_ones_own_gives_a_truth_or_a_reason(monkeypatch, said, reason):
    monkeypatch.setitem(sys.modules, "theirs", SimpleNamespace(agrees=lambda gold, pred: said))
    metric = metrics._own_metric.__wrapped__("theirs:agrees")
    assert metric.reason(None, None) == reason
