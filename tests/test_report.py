"""A run's report: executed by papermill, complete without a network."""

from __future__ import annotations

import asyncio
import re

import nbformat
import pytest

from sqlbench.experiment import run_experiment
from sqlbench.report import find_notebook, write_report

FIGURES = 6


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "run"
    # Values that are no parameter of the notebook: the report opens the run all the same.
    asyncio.run(
        run_experiment(
            episodes=60, out=folder, progress=False, feedback="execution", max_attempts=3,
            hindsight=0.1,
        )
    )  # fmt: skip
    return write_report(folder)


def test_every_figure_is_in_the_html(report):
    html = report.read_text(encoding="utf-8")
    images = re.findall(r"<img[^>]+src=\"([^\"]{0,30})", html)
    assert len(images) == FIGURES
    assert all(source.startswith("data:image/png;base64") for source in images)


def test_the_html_asks_nothing_of_a_network(report):
    html = report.read_text(encoding="utf-8")
    asked = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"([^\"]*)\"", html)
    assert [url for url in asked if url and not url.startswith(("data:", "#"))] == []
    assert not re.findall(r"@import|url\(['\"]?https?:", html)
    assert "unpkg.com" not in html


def test_the_report_opens_the_run_and_does_not_run_it_again(report):
    log = (report.parent / "episodes.jsonl").read_bytes()
    write_report(report.parent)
    assert (report.parent / "episodes.jsonl").read_bytes() == log


def test_the_report_says_that_it_is_simulated(report):
    html = report.read_text(encoding="utf-8")
    assert "(simulated model)" in html


def test_the_notebook_has_exactly_one_parameters_cell():
    notebook = nbformat.read(find_notebook(), as_version=4)
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert any(c.get("outputs") for c in notebook.cells), "the committed copy carries its outputs"
