"""Figures of doubts show what was computed, in the project's look."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from sqlbench.evidence.doubt_figures import Judged, by_database, calibration
from sqlbench.plots import signals as plots


@pytest.fixture(scope="module")
def judged():
    rng = np.random.default_rng(0)
    doubt = rng.uniform(0.001, 0.999, 600)
    return Judged(
        doubt,
        (rng.uniform(size=600) < doubt).astype(float),
        rng.integers(1, 5, 600).astype(float),
        np.ones(600, bool),
        np.array([f"db{i % 6}" for i in range(600)]),
        np.arange(600) // 3,
    )


@pytest.fixture
def chains():
    names = ("chain", "questions", "first", "last", "gated", "audited")
    return pd.DataFrame([("good", 20, 10, 15, 13, 14), ("bad", 20, 12, 9, 11, 12)], columns=names)


def drawn(ax):
    FigureCanvasAgg(ax.figure).draw()
    return ax


def test_a_roc_curve_goes_from_corner_to_corner_and_says_its_area(judged):
    ax = drawn(plots.roc({"doubt": judged}))
    line = ax.lines[0]
    assert (line.get_xdata()[[0, -1]] == [0, 1]).all()
    assert (np.diff(line.get_ydata()) >= 0).all()
    (label,) = ax.get_legend_handles_labels()[1]
    assert label.startswith("doubt: 0.8")


def test_each_database_has_its_place_and_the_median_its_line(judged):
    table = by_database(judged)
    ax = drawn(plots.by_database(table))
    assert [t.get_text() for t in ax.get_yticklabels()] == [f"{n} (100)" for n in table["database"]]
    assert list(table["auc"]) == sorted(table["auc"])
    assert f"{table['auc'].median():.2f}" in ax.get_title(loc="left")


def test_doubts_that_are_probabilities_lie_on_the_diagonal(judged):
    table = calibration(judged)
    assert len(table) == 10
    assert ((table["low"] <= table["doubt"]) & (table["doubt"] <= table["high"])).mean() >= 0.8
    drawn(plots.calibration(table))


def test_every_way_to_end_a_chain_is_drawn_once_in_the_legend(chains):
    ax = drawn(plots.chains(chains))
    assert len(ax.get_legend_handles_labels()[1]) == 4
    assert [t.get_text() for t in ax.get_yticklabels()] == ["bad", "good"]


def test_the_other_figures_take_their_tables():
    adds = pd.DataFrame(
        [(k, a, 0.7, 0.01, -0.01, 0.02) for k in ("data", "joins") for a in ("all", "with rows")],
        columns=("kind", "answers", "auc", "lost", "low", "high"),
    )
    assert len(drawn(plots.what_each_adds(adds)).get_yticklabels()) == 2
    curve = pd.DataFrame({"max_doubt": [0, 1], "right": [0.8, 0.7], "repairs": [1.0, 0.0]})
    assert len(drawn(plots.gate(curve)).get_legend_handles_labels()[1]) == 2


def test_every_figure_is_drawn_in_the_style():
    for name, function in inspect.getmembers(plots, inspect.isfunction):
        if function.__module__ == plots.__name__ and not name.startswith("_"):
            assert hasattr(function, "__wrapped__"), name
