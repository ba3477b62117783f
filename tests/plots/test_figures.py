"""Figures: a policy looks the same in each, nothing is covered, a dark style changes nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from concurrent.futures import ThreadPoolExecutor

import matplotlib.style
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

import sqlbench as sb
from sqlbench import analysis, plots
from sqlbench.exceptions import ConfigError
from sqlbench.grids.compare import compare
from sqlbench.plots import compare as plots_compare
from sqlbench.plots import evidence as plots_evidence
from sqlbench.plots import grading as plots_grading
from sqlbench.plots.look import looks, new_axes, percent, policy_look
from sqlbench.plots.named_runs import NamedRuns
from sqlbench.policies.registry import POLICY_NAMES
from sqlbench.runs.config import RunConfig

VARIANTS = [f"linucb, γ = {i}" for i in range(6)]
OF_RUNS = (plots.rates, plots.learning_curve, plots.reward_breakdown, plots.arm_selection)
OF_COMPARISONS = (
    plots_compare.learning_curves,
    plots_compare.regret_curves,
    plots_compare.final_rates,
    plots_compare.cost,
)


def run_of(suite, policy, **options):
    options = {"episodes": 40, "progress": False} | options
    return asyncio.run(sb.run_experiment(suite, "simulated", policy, **options))


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


@pytest.fixture(scope="module")
def runs(suite):
    return {p: run_of(suite, p) for p in ("linucb", "random", "rules")}


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return compare(
        {p: RunConfig(policy=p, episodes=40) for p in ("random", "rules", "linucb")},
        [0, 1],
        tmp_path_factory.mktemp("grid"),
        workers=lambda: ThreadPoolExecutor(2),
        progress=False,
    )


def draw_fully(figure):
    """Draw a figure, which its own canvas, of no backend, would not; return its pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def colour_of(ax, label):
    """The colour under which the legend, or the axis, names a policy."""
    for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
        if name == label:
            return to_hex(handle.get_color())
    place = [t.get_text() for t in ax.get_yticklabels()].index(label)
    return next(to_hex(li.get_color()) for li in ax.lines if list(li.get_ydata()) == [place])


def test_a_policy_has_one_colour_in_every_figure_whatever_is_drawn(runs, comparison):
    found = {
        policy: {colour_of(draw(comparison), policy) for draw in OF_COMPARISONS}
        | {colour_of(draw(list(runs.values())), policy) for draw in OF_RUNS[:2]}
        | {colour_of(plots_compare.learning_curves(comparison, [policy]), policy)}
        | {to_hex(plots.learning_curve(runs[policy]).lines[0].get_color())}
        for policy in runs
    }
    assert all(len(colours) == 1 for colours in found.values()), found
    assert len(set.union(*found.values())) == len(found)


def test_no_two_policies_look_alike():
    names = [
        *POLICY_NAMES,
        "linucb?alpha=0.5",
        "linucb?alpha=1",
        "linucb?gamma=0.99",
        "hindsight 0",
    ]
    drawn = looks(names)
    assert list(drawn) == [n for n in names if n != "hindsight 0"] + ["hindsight 0"]
    lines = {(colour.lower(), dash) for colour, dash, _ in drawn.values()}
    assert len(lines) == len(names)
    for name in names[:-1]:
        assert looks([name])[name] == policy_look(name), "in company as alone"


def test_variants_keep_their_policys_colour_and_strangers_take_what_is_free():
    drawn = looks(["linucb", "random", *VARIANTS, "no decay", "other"])
    blue = drawn["linucb"].colour
    shades = {c for name, (c, _, _) in drawn.items() if name.startswith("linucb,")}
    assert len(shades) == 3 and blue in shades, "itself, a darker one and a lighter one"
    three = looks(["linucb, γ = 0.995", "linucb, γ = 0.99", "linucb"])
    assert len({colour for colour, _, _ in three.values()}) == 3 and list(three)[2] == "linucb"
    assert three["linucb"] == drawn["linucb"], "in whatever order they come"
    assert len({(c, d) for c, d, _ in drawn.values()}) == len(drawn)
    strangers = {drawn[n].colour for n in ("no decay", "other")}
    assert len(strangers) == 2 and not strangers & {blue, drawn["random"].colour}
    assert policy_look("randomly") is None and policy_look("fixed:keep") is None


@pytest.mark.parametrize("draw", OF_RUNS)
def test_figures_take_several_runs(runs, draw):
    ax = draw(list(runs.values()))
    draw_fully(ax.figure)
    strips = [strip.get_title(loc="left") for strip in ax.child_axes]
    named = strips or ax.get_legend_handles_labels()[1]
    assert named == list(runs)
    assert "(simulated model)" in ax.get_title(loc="left")
    if strips:
        assert len({strip.get_ylim() for strip in ax.child_axes}) == 1, "they can be compared"
        assert ax.child_axes[-1].get_xlabel() == "episode"


def test_a_strip_shows_what_the_run_alone_shows(runs):
    alone = plots.arm_selection(runs["rules"])
    strip = plots.arm_selection(list(runs.values())).child_axes[2]
    assert len(strip.patches) == 8
    for one, other in zip(strip.patches, alone.patches, strict=True):
        assert all(
            np.array_equal(a, b) for a, b in zip(one.get_data(), other.get_data(), strict=True)
        )


def test_runs_of_one_policy_are_called_by_what_differs(suite, runs):
    two = [run_of(suite, "linucb", seed=s, episodes=5) for s in (0, 1)]
    ax = plots.rates(two)
    assert ax.get_legend_handles_labels()[1] == ["linucb, seed 0", "linucb, seed 1"]
    assert len({(colour, dash) for colour, dash, _ in NamedRuns(two).looks.values()}) == 2
    same = plots.learning_curve([runs["random"], runs["random"]])
    assert same.get_legend_handles_labels()[1] == ["random (1)", "random (2)"]


def test_runs_can_be_given_names_and_keep_their_policys_colour(runs):
    ax = plots.learning_curve({"mine": runs["linucb"], "theirs": runs["random"]})
    assert ax.get_legend_handles_labels()[1] == ["mine", "theirs"]
    assert to_hex(ax.lines[0].get_color()) == policy_look("linucb").colour.lower()


def test_only_what_a_simulated_model_feeds_is_called_simulated(suite, runs):
    real = run_of(suite, "table", episodes=5)
    real.meta = real.meta | {"simulated": False}
    ax = plots.rates([real, runs["linucb"]])
    assert "simulated" not in ax.get_title(loc="left")
    assert ax.get_legend_handles_labels()[1] == ["table", "linucb (simulated model)"]


@pytest.mark.parametrize("wrong", [[], {}, [3], 3, "results/mine"])
def test_what_is_no_run_is_refused_in_one_sentence(wrong):
    with pytest.raises(ConfigError, match="run"):
        plots.learning_curve(wrong)


def test_no_legend_covers_data(runs, comparison):
    axes = [draw(list(runs.values())) for draw in OF_RUNS]
    axes += [draw(runs["linucb"]) for draw in OF_RUNS]
    axes += [draw(comparison) for draw in OF_COMPARISONS]
    seen = 0
    for ax in axes:
        draw_fully(ax.figure)
        for inner in (ax, *ax.child_axes):
            legend = inner.get_legend()
            if legend is not None:
                seen += 1
                assert not legend.get_window_extent().overlaps(inner.get_window_extent())
    assert seen >= 8


def test_a_short_run_has_a_curve_and_not_a_point(comparison):
    ax = plots_compare.learning_curves(comparison)
    assert "last 13 episodes" in ax.get_ylabel()
    assert all(len(line.get_xdata()) == 40 - 13 + 1 for line in ax.lines)


def test_an_axis_has_no_more_digits_than_it_needs():
    ax = new_axes(None)
    percent(ax.xaxis)
    percent(ax.yaxis, symbol="")
    show, signed = ax.xaxis.get_major_formatter(), ax.yaxis.get_major_formatter()
    assert [show(v, 0) for v in (0.3, 0.025, -1e-17, 1)] == ["30%", "2.5%", "0%", "100%"]
    assert [signed(v, 0) for v in (-0.3, 0.07)] == ["−30", "7"]


def test_every_figure_keeps_its_own_look_in_a_dark_style(runs, comparison):
    with matplotlib.style.context("dark_background"):
        figures = [draw(runs["linucb"]).figure for draw in OF_RUNS]
        figures += [draw(comparison).figure for draw in OF_COMPARISONS]
        figures += [plots.arm_estimates(runs["linucb"]), plots.overview(runs["linucb"])]
        for figure in figures:
            page = draw_fully(figure)  # ticks are made as late as this
            assert (page[0] == 255).all() and (page[:, 0] == 255).all(), "white paper"
            for ax in figure.axes:
                texts = [*ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label]
                assert all(np.mean(matplotlib.colors.to_rgb(t.get_color())) < 0.4 for t in texts)


def test_every_public_figure_function_is_drawn_in_the_style():
    for module in (plots, plots_compare, plots_evidence, plots_grading):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                assert hasattr(function, "__wrapped__"), f"{module.__name__}.{name}"


def test_what_is_written_on_a_heat_map_can_be_read(runs):
    drawn = plots.error_arm_heatmap(runs["linucb"])
    image = drawn.images[0]
    for text in drawn.texts:
        x, y = map(int, text.get_position())
        paper, ink = (
            luminance(c) for c in (image.to_rgba(image.get_array())[y, x], text.get_color())
        )
        high, low = max(paper, ink) + 0.05, min(paper, ink) + 0.05
        assert high / low >= 4.5, "WCAG AA"


def luminance(colour):
    """How light a colour is, as WCAG 2 has it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
              for c in matplotlib.colors.to_rgb(colour)]  # fmt: skip
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_an_arm_chosen_in_one_bin_only_is_seen(runs):
    estimates = analysis.arm_estimates(runs["linucb"], bins=1)
    arm = estimates["action"].iloc[0]
    ax = plots.arm_estimate(estimates, arm)
    row = estimates.iloc[0]
    point = ax.lines[0]
    assert point.get_marker() == "o" and list(point.get_ydata()) == [row["mean"]]
    bars = [path.vertices[:, 1] for c in ax.collections for path in c.get_paths()]
    ends = [row["mean"] - row["width"], row["mean"] + row["width"]]
    assert any(np.allclose(sorted(bar), ends) for bar in bars if len(bar) == 2)


def test_the_mean_rewards_interval_is_that_of_clustered_values(runs):
    run = runs["random"]
    found = analysis.reward_curve(run, bins=1).iloc[0]
    steps = run.steps.assign(
        question=run.steps["episode"].map({e.index: e.question_id for e in run.log})
    )
    sums = (steps["reward"] - found["reward"]).groupby(steps["question"]).sum()
    from scipy.stats import t

    k = len(sums)
    error = np.sqrt((sums**2).sum() * k / (k - 1)) / len(steps)
    assert found["high"] - found["reward"] == pytest.approx(t.ppf(0.975, k - 1) * error)
    assert found["low"] < found["reward"] < found["high"]


def test_a_bin_with_one_question_has_no_interval(suite):
    run = run_of(suite, "linucb", episodes=1)
    assert analysis.reward_curve(run)[["low", "high"]].isna().all(axis=None)
    draw_fully(plots.reward_breakdown(run).figure)


def test_a_run_without_repairs_or_episodes_is_drawn_beside_others(suite, runs):
    empty = run_of(suite, "linucb", episodes=3)
    empty.log.clear()
    quiet = run_of(suite, "ucb1", episodes=5)
    quiet.log[:] = [dataclasses.replace(e, steps=e.steps[:1]) for e in quiet.log]
    for draw in OF_RUNS:
        draw_fully(draw({"none yet": empty, "no repair": quiet, **runs}).figure)
