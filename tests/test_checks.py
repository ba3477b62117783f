"""A truth value is no number, wherever one is given; what is no path is no folder."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

import sqlbench as sb
from sqlbench.checks import as_path, check_number
from sqlbench.exceptions import ConfigError, SQLBenchError
from sqlbench.grading.grade import grade
from sqlbench.grids.compare import compare
from sqlbench.grids.sweep import make_grid
from sqlbench.models import Calling
from sqlbench.runs.config import RunConfig, make_config


@pytest.mark.parametrize(
    "name", ["episodes", "seed", "lag", "max_attempts", "samples", "temperature", "hindsight"]
)
def test_no_field_of_a_run_takes_a_truth_value(name):
    for make in (make_config, lambda **v: make_grid({n: [x] for n, x in v.items()})):
        with pytest.raises(ConfigError, match=rf"{name}=True will not do"):
            make(**{name: True})


@pytest.mark.parametrize("value", [True, "0.1", None, float("nan"), -1.0, [0.1]])
def test_an_environment_takes_numbers_alone(value):
    with pytest.raises(ConfigError, match="temperature is a number of at least 0, not"):
        sb.SQLAgentEnv(temperature=value)
    with pytest.raises(ConfigError):
        check_number("x", value)


def test_neither_do_seeds_of_comparisons_and_of_grading(tmp_path):
    with pytest.raises(ConfigError, match="seed is a whole number of at least 0, not True"):
        compare({"a": RunConfig()}, [True, 2], tmp_path)
    with pytest.raises(ConfigError, match="seed is a whole number of at least 0, not True"):
        grade("marketplace", tmp_path / "x", seed=True)
    with pytest.raises(ConfigError, match="retries is a number, not True"):
        Calling(retries=True)
    with pytest.raises(ConfigError, match="budget is a number, not '3'"):
        Calling(budget="3")


def test_neither_does_a_server():
    from sqlbench.environment.wire import SQLAction
    from sqlbench.server import ServerConfig
    from sqlbench.server.sessions import _Reset
    from sqlbench.server.streaming import StreamRequest

    for kind, name in ((_Reset, "seed"), (_Reset, "index"), (StreamRequest, "seed")):
        assert getattr(kind(**{name: 3}), name) == 3
        with pytest.raises(ValidationError, match="valid integer"):
            kind(**{name: True})
    assert SQLAction(timeout_s=2).timeout_s == 2.0
    with pytest.raises(ValidationError, match="valid number"):
        SQLAction(timeout_s=True)
    for name in ("max_sessions", "session_timeout"):
        with pytest.raises(ConfigError, match=f"{name} is .*, not True"):
            ServerConfig(**{name: True})


@pytest.mark.parametrize(
    ("value", "path"), [(None, None), ("a/b", "a/b"), (Path("a"), "a"), (20261128, "20261128")]
)
def test_a_path_may_be_a_whole_number(value, path):
    assert as_path("out", value) == (None if path is None else Path(path))


WRONG = [1.5, True, {}]


@pytest.mark.parametrize(
    "name",
    ["out", "prompts", "start_from", "policy", "model", "repair_model", "suite", "task", "database",
     "metric", "feedback", "learner", "episodes", "seed", "lag", "concurrency", "max_attempts",
     "temperature", "hindsight", "samples", "calling", "progress"],
)  # fmt: skip
@pytest.mark.parametrize("value", [*WRONG, ""], ids=lambda v: type(v).__name__)
def test_an_argument_of_the_wrong_kind_ends_in_one_sentence(name, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fine = (name, value) in [("progress", True), ("temperature", 1.5), ("hindsight", 1.5)]
    fine = fine or (name in ("task", "repair_model") and value is None)
    given = {"episodes": 1, "progress": False} | {name: value}
    if fine:
        asyncio.run(sb.run_experiment(**given))
        return
    with pytest.raises(SQLBenchError) as raised:
        asyncio.run(sb.run_experiment(**given))
    assert "\n" not in str(raised.value)
