"""Figures of short runs: no curve of two points, no interval wider than what it is drawn on."""

from __future__ import annotations

import asyncio
import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import sqlbench as sb
from sqlbench import analysis, plots
from sqlbench.analysis import FEW_FAILURES, FEW_QUESTIONS, SHORT_WINDOW
from sqlbench.grids.compare import compare
from sqlbench.plots import compare as plots_compare
from sqlbench.runs.config import RunConfig


@pytest.fixture(scope="module")
def run():
    return asyncio.run(
        sb.run_experiment("marketplace", "simulated", "linucb", episodes=160, progress=False)
    )


def cut(run, episodes: int):
    """The run as it would be had it been so short."""
    short = copy.copy(run)
    short._log = [e for e in run.log if e.index < episodes]
    short.config = run.config.model_copy(update={"episodes": episodes})
    return short


def with_failures(run, n: int):
    """The run up to its n-th failed first answer."""
    failed = sorted(e.index for e in run.log if not e.first)
    return cut(run, failed[n - 1] + 1), failed[:n]


@pytest.mark.parametrize("n", [SHORT_WINDOW, 23, FEW_FAILURES - 1])
def test_a_curve_of_few_failures_begins_at_its_first_full_window(run, n):
    short, failed = with_failures(run, n)
    curve = analysis.learning_curve(short)
    assert curve["episode"].tolist() == failed
    values = curve[["rate", "low", "high"]].to_numpy()
    assert np.isnan(values[: SHORT_WINDOW - 1]).all()
    assert not np.isnan(values[SHORT_WINDOW - 1 :]).any()
    hits = [e.success for e in short.log if not e.first]
    assert curve["rate"].iloc[SHORT_WINDOW - 1] == np.mean(hits[:SHORT_WINDOW])
    assert curve["rate"].iloc[-1] == np.mean(hits[-SHORT_WINDOW:])
    ax = plots.learning_curve(short)
    x, y = (np.asarray(data, dtype=float) for data in ax.lines[0].get_data())
    assert x[~np.isnan(y)][0] == failed[SHORT_WINDOW - 1]
    assert f"the last {SHORT_WINDOW} failures" in ax.get_title(loc="left")


def test_a_curve_of_enough_failures_begins_with_the_first(run):
    long, failed = with_failures(run, FEW_FAILURES)
    curve = analysis.learning_curve(long)
    assert not curve[["rate", "low", "high"]].isna().any(axis=None)
    assert curve["episode"].iloc[0] == failed[0]
    assert "the last 100 failures" in plots.learning_curve(long).get_title(loc="left")


def test_fewer_failures_than_a_window_have_words_and_no_curve(run):
    short, _ = with_failures(run, SHORT_WINDOW - 1)
    ax = plots.learning_curve(short)
    assert not ax.lines and not ax.collections
    assert [t.get_text() for t in ax.texts] == [f"{SHORT_WINDOW - 1} failures: too few for a curve"]


@pytest.mark.parametrize("episodes", [1, 4, 12, 40, 75, 90, 160])
def test_no_interval_of_a_reward_is_wider_than_the_axis_of_the_bars(run, episodes):
    short = cut(run, episodes)
    ax = plots.reward_breakdown(short)
    FigureCanvasAgg(ax.figure).draw()
    rewards = short.steps["reward"]
    low, high = ax.get_ylim()
    asked = short.steps["episode"] // analysis.bin_size(short, 15)
    ids = short.steps["episode"].map({e.index: e.question_id for e in short.log})
    segments = [np.reshape(s, (-1, 2))[:, 1] for c in ax.collections for s in c.get_segments()]
    drawn = [s for s in segments if len(s) == 2 and np.isfinite(s).all()]
    reach = rewards.max() - rewards.min()
    assert len(drawn) <= (ids.groupby(asked).nunique() >= FEW_QUESTIONS).sum()
    assert bool(drawn) == (episodes >= 75), "few questions a bin: no interval says anything"
    assert ("95% interval" in ax.get_title(loc="left")) == bool(drawn)
    for interval in drawn:
        assert low <= interval.min() and interval.max() <= high
        assert np.ptp(interval) < reach
    assert high - low < 2.2 * max(reach, np.abs(rewards).max()), "the bars can be seen"


def bands(ax):
    """The y values of what is filled in a figure, and of its lines."""
    filled = [path.vertices[:, 1] for c in ax.collections for path in c.get_paths()]
    lines = [np.asarray(line.get_ydata(), dtype=float) for line in ax.lines]
    return np.concatenate([*filled, *lines])


@pytest.mark.parametrize("episodes", [25, 60, 160])
def test_bands_of_shares_stay_within_0_and_100_per_cent(run, episodes):
    short = cut(run, episodes)
    found = bands(plots.learning_curve(short))
    found = found[np.isfinite(found)]
    assert len(found) and found.min() >= 0 and found.max() <= 1
    ends = np.concatenate([np.asarray(li.get_xdata(), float) for li in plots.rates(short).lines])
    assert ends.min() >= 0 and ends.max() <= 1


def test_bands_over_seeds_stay_within_0_and_100_per_cent(tmp_path):
    """Two seeds say so little that the bands would leave the picture."""
    found = compare(
        {p: RunConfig(policy=p, episodes=30) for p in ("oracle", "resample")},
        [0, 1], tmp_path, workers=lambda: ThreadPoolExecutor(2), progress=False,
    )  # fmt: skip
    values = bands(plots_compare.learning_curves(found))
    values = values[np.isfinite(values)]
    assert values.min() >= 0 and values.max() <= 1
    assert (values == 1).any() or (values == 0).any(), "some band was cut off"
    ends = [np.asarray(li.get_xdata(), float) for li in plots_compare.final_rates(found).lines]
    ends = np.concatenate(ends)
    ends = ends[np.isfinite(ends)]
    assert ends.min() >= 0 and ends.max() <= 1


def stopped(run, episodes: int):
    """The run as it is when it is stopped after so many of a hundred times as many episodes."""
    short = cut(run, episodes)
    short.config = run.config.model_copy(update={"episodes": 100 * episodes})
    return short


def test_a_stopped_run_is_drawn_as_far_as_it_came(run):
    short = stopped(run, 120)
    alike = cut(run, 120)
    for draw in (plots.learning_curve, plots.reward_breakdown, plots.arm_selection):
        assert draw(short).get_xlim() == draw(alike).get_xlim() == (0, 120)
    assert len(analysis.reward_curve(short)) == len(analysis.reward_curve(alike)) == 15
    assert analysis.arm_estimates(short).equals(analysis.arm_estimates(alike))
    assert analysis.halves(short) == analysis.halves(alike)
    both = plots.arm_selection({"long": run, "stopped": short})
    assert {strip.get_xlim() for strip in both.child_axes[:2]} == {(0, 160)}


def test_the_picture_of_a_run_under_way_keeps_room_for_what_is_to_come(run):
    axes = plots.overview(stopped(run, 120)).axes[:3]
    assert [ax.get_xlim() for ax in axes] == [(0, 12_000)] * 3


@pytest.mark.parametrize("episodes", [1, 2, 5, 12])
def test_episodes_are_counted_in_whole_numbers(run, episodes):
    short = cut(run, episodes)
    axes = [plots.reward_breakdown(short), *plots.arm_estimates(short).axes]
    for ax in axes:
        FigureCanvasAgg(ax.figure).draw()
        ticks = ax.get_xticks()
        assert (ticks == np.round(ticks)).all()


def test_what_stands_beside_a_point_stays_inside_the_axis(run):
    for share in (0.0, 1.0):
        one = copy.copy(run)
        one._log = [e for e in run.log if e.first == bool(share)]
        ax = plots.rates(one)
        page = FigureCanvasAgg(ax.figure).get_renderer()
        ax.figure.draw(page)
        frame = ax.get_window_extent(page)
        for text in ax.texts:
            box = text.get_window_extent(page)
            assert frame.x0 <= box.x0 and box.x1 <= ax.figure.bbox.x1, text.get_text()


def test_what_has_nothing_to_draw_is_shown_as_a_sentence(run):
    assert isinstance(plots.shown(plots.arm_selection(run)), Figure)
    assert isinstance(plots.shown(plots.arm_selection({"a": run, "b": run})), Figure)
    for draw in (plots.rates, plots.learning_curve, plots.reward_breakdown, plots.arm_selection):
        said = plots.shown(draw(cut(run, 0))).data
        assert "(simulated model): no " in said and said.endswith(".") and "\n" not in said


def test_where_some_intervals_say_nothing_the_title_says_so(run):
    def title(shown):
        return plots.reward_breakdown(shown).get_title(loc="left")

    assert "95% interval" in title(run) and "known" not in title(run)
    some = copy.copy(run)
    some._log = [e for e in run.log if e.index < 120 or e.first]
    assert "95% interval where known" in title(some)
    alike = analysis.reward_curve(some).iloc[-1]
    assert alike["reward"] == 1 and np.isnan(alike["low"]), "alike by chance is not certain"
    assert "interval" not in title(cut(run, 12))


def test_an_arm_that_was_never_chosen_says_so_and_few_classes_make_a_low_table(run):
    texts = [t.get_text() for ax in plots.arm_estimates(cut(run, 2)).axes for t in ax.texts]
    assert texts and set(texts) == {"never chosen"}
    assert not [t for ax in plots.arm_estimates(run).axes for t in ax.texts]
    heights = [plots.error_arm_heatmap(r).figure.get_figheight() for r in (cut(run, 2), run)]
    assert heights[0] < 3.5 < heights[1]


def test_a_picture_without_repairs_says_why(run):
    def said(**options):
        shown = asyncio.run(sb.run_experiment(episodes=6, progress=False, **options))
        return {t.get_text() for t in plots.error_arm_heatmap(shown).texts}

    assert said(max_attempts=1) == {"with one attempt an episode nothing is repaired"}
    assert said(policy="resample") == {"answers from scratch only: no repair was chosen"}
    nothing = cut(run, 0)
    (notice,) = plots.arm_estimates(nothing).axes
    assert notice.get_title(loc="left") and "no repair was made" in notice.texts[0].get_text()
