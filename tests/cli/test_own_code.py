"""A part of the user's own that raises is told with its place; a fault of ours stays one."""

from __future__ import annotations

import sys
import uuid

import pytest

from sqlbench.cli import main
from sqlbench.cli.own_code import own_failure
from sqlbench.stats import share

PARTS = """
from sqlbench.policies import ScoredPolicy

def metric(gold, pred):
    return {}["rows"]

class Policy(ScoredPolicy):
    def scores(self, context):
        return self.weights(context)

    def weights(self, context):
        raise ArithmeticError("no weights")

class Silent(ScoredPolicy):
    def scores(self, context):
        raise TimeoutError("no answer")

class Narrow(ScoredPolicy):
    def scores(self):
        return [0.0] * 8

class Two(Exception):
    def __init__(self, what, why):
        super().__init__(f"{what}: {why}")

class Stuck(Policy):
    def weights(self, context):
        raise Two("no weights", "two")
"""


@pytest.fixture
def parts(tmp_path, monkeypatch) -> str:
    """Return the name of a module with parts that raise."""
    name = f"parts_{uuid.uuid4().hex}"
    (tmp_path / f"{name}.py").write_text(PARTS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # worker processes import it, too
    return name


def _told(monkeypatch, capsys, *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["sqlbench", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "part", "said", "inner"),
    [
        ("--metric", "metric", "KeyError: 'rows' was raised by metric()", 5),
        ("--policy", "Policy", "ArithmeticError: no weights was raised by scores()", 12),
        ("--policy", "Silent", "TimeoutError: no answer was raised by scores()", 16),
    ],
)
def test_a_run_says_where_it_raised(
    monkeypatch, capsys, tmp_path, parts, option, part, said, inner
):
    out = tmp_path / "run"
    err = _told(
        monkeypatch, capsys, "run", option, f"{parts}:{part}", "--episodes", 30, "--out", out
    )
    assert said in err and f"{parts}.py" in err and "not sqlbench's code" in err
    assert f"line {inner}, in " in err, "its own frames, down to the innermost"
    assert "sqlbench/" not in err.replace("sqlbench: ", ""), "and none of ours"
    assert (out / "run.json").exists()


def test_an_installed_package_is_the_users_own_where_it_was_named(
    monkeypatch, capsys, tmp_path, parts
):
    monkeypatch.setattr("sqlbench.cli.own_code._INSTALLED", [tmp_path])
    err = _told(
        monkeypatch, capsys, "run", "--policy", f"{parts}:Policy", "--episodes", 30, "--out",
        tmp_path / "run",
    )  # fmt: skip
    assert "no weights was raised by scores()" in err


def test_a_part_of_another_shape_is_told_with_the_way_to_it(monkeypatch, capsys, tmp_path, parts):
    err = _told(
        monkeypatch, capsys, "run", "--policy", f"{parts}:Narrow", "--episodes", 30, "--out",
        tmp_path / "run",
    )  # fmt: skip
    last = err.splitlines()[-1]
    assert "scores() takes 1 positional argument" in last and f"{parts}:Narrow" in last
    assert "docs/own-parts.md" in last and 'policies/base.py", line' in err


def test_a_file_that_cannot_be_used_is_no_fault_of_a_part(monkeypatch, capsys, parts):
    err = _told(
        monkeypatch, capsys, "run", "--policy", f"{parts}:Policy", "--episodes", 30, "--out",
        "/dev/null/run",
    )  # fmt: skip
    assert err.count("\n") == 1 and "/dev/null" in err and "parts of your own" not in err


@pytest.mark.parametrize(
    ("policy", "said", "inner"),
    [("Policy", "ArithmeticError: no weights", 12), ("Stuck", "Two: no weights: two", 28)],
    ids=["any exception", "one that cannot be unpickled"],
)
def test_so_does_a_worker_process(monkeypatch, capsys, tmp_path, parts, policy, said, inner):
    err = _told(
        monkeypatch, capsys, "compare", "--policies", f"{parts}:{policy},rules", "--seeds", "0-1",
        "--episodes", 30, "--out", tmp_path / "compare",
    )  # fmt: skip
    assert f"{said} was raised by scores()" in err and f"line {inner}, in weights" in err
    assert "concurrent" not in err and "ForeignError" not in err


def test_a_fault_of_sqlbench_is_not_disguised(monkeypatch):
    """Nor one that a library raises beneath it: the frame of the test above counts for nothing."""
    monkeypatch.setattr("sqlbench.cli.own_code.taken", dict)
    with pytest.raises(Exception) as caught:
        share(object(), ["q"])  # type: ignore[arg-type]
    assert own_failure(caught.value) is None
