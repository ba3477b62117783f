"""Runs of a folder: listed, tagged, and two set side by side."""

from __future__ import annotations

import asyncio

import pytest

from sqlbench.exceptions import ConfigError
from sqlbench.models import load_model
from sqlbench.reports.run_list import diff_text, find_runs, pick_run, read_tags, runs_text, tag_run
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.run import Run
from sqlbench.suites import load_suite


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    suite = load_suite("marketplace")
    model = load_model("simulated", suite)
    for name, options in {"a": {}, "deep/b": {"policy": "random"}, "c": {"seed": 1}}.items():
        asyncio.run(
            run_experiment(suite, model, **options, episodes=30, out=root / name, progress=False)
        )
    (root / "broken").mkdir()
    (root / "broken" / "run.json").write_text("{")
    return root


def test_every_run_is_listed_with_its_rates_and_tags(folder):
    assert [p.relative_to(folder).as_posix() for p in find_runs(folder)] == [
        "a", "broken", "c", "deep/b",
    ]  # fmt: skip
    tag_run(folder / "a", ["baseline", "kept"])
    assert tag_run(folder / "a", ["-kept", "paper"]) == ["baseline", "paper"]
    text = runs_text(folder)
    assert "baseline, paper" in text and "cannot be read" in text and "(simulated model)" in text
    assert read_tags(folder / "c") == []
    assert Run.open(folder / "a").finished, "a tag does not touch the run"


def test_two_runs_side_by_side_show_what_differs_and_pair_up(folder):
    a, b, c = (Run.open(folder / n) for n in ("a", "deep/b", "c"))
    text = diff_text(a, b)
    what, results = text.split("Results:")
    assert "policy" in what and "random" in what and "seed" not in what
    difference = 100 * (b.episodes["any"].mean() - a.episodes["any"].mean())
    assert f"{difference:+.1f} [" in results and "Only a gets" in results
    assert "no pairs" in diff_text(a, c)
    assert "the same configuration" in diff_text(a, a)


def test_a_run_is_found_by_name_or_path(folder):
    assert pick_run(folder, "deep/b") == folder / "deep" / "b"
    assert pick_run(folder, str(folder / "c")) == folder / "c"
    with pytest.raises(ConfigError, match="no run in"):
        pick_run(folder, "nope")
