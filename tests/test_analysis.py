"""Rates and figures, also of runs in which little happened."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy.stats import binomtest

import sqlbench as sb
from sqlbench import analysis, plots, stats
from sqlbench.exceptions import ConfigError
from sqlbench.reports.claims import check_claims
from sqlbench.runs.experiment import run_experiment

FIGURES = (
    plots.rates,
    plots.learning_curve,
    plots.reward_breakdown,
    plots.arm_selection,
    plots.error_arm_heatmap,
)


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


def run_of(suite, **options):
    return asyncio.run(run_experiment(suite, progress=False, **options))


@pytest.mark.parametrize(
    "options",
    [
        {"episodes": 1},
        {"episodes": 7, "policy": "random"},
        {"episodes": 30, "max_attempts": 1},
        {"episodes": 30, "feedback": "always"},
        {"episodes": 30, "feedback": "execution", "policy": "rules"},
    ],
)
def test_every_figure_can_be_drawn_and_says_simulated(suite, options):
    run = run_of(suite, **options)
    for figure in FIGURES:
        ax = figure(run)
        assert "simulated" in ax.get_title(loc="left")
        assert ax.get_xlabel() or ax.texts, "an axis, or why there is none"
        FigureCanvasAgg(ax.figure).draw()  # its own canvas has no backend and draws nothing
    if run.config.policy == "linucb":
        FigureCanvasAgg(plots.arm_estimates(run)).draw()
    assert "(simulated model)" in analysis.run_table(run)


def test_a_figure_goes_onto_the_axes_that_it_is_given(suite):
    from matplotlib.figure import Figure

    run = run_of(suite, episodes=20)
    ax = Figure().add_subplot()
    assert all(figure(run, ax) is ax for figure in FIGURES[:4])


def test_only_linucb_has_estimates(suite):
    with pytest.raises(ConfigError, match="rules"):
        analysis.arm_estimates(run_of(suite, episodes=3, policy="rules"))


def test_rates_count_what_the_log_says(suite):
    run = run_of(suite, episodes=90)
    found = analysis.rates(run)
    frame = run.episodes
    assert found["first"].count == sum(e.steps[0].success for e in run.log)
    assert found["any"].count == found["first"].count + found["repaired"].count
    assert found["repaired"].n == int((~frame["first"]).sum())
    for rate in found.values():
        assert rate.low <= rate.rate <= rate.high


def test_always_feedback_tells_fixed_from_broken(suite):
    found = analysis.rates(run_of(suite, episodes=60, feedback="always"))
    assert found["fixed"].n + found["broken"].n == 60
    assert "repaired" not in found


def test_with_one_attempt_nothing_is_said_to_be_repaired(suite):
    for options in ({}, {"samples": 2}):
        run = run_of(suite, episodes=30, max_attempts=1, **options)
        assert not run.episodes["first"].all()
        assert str(analysis.rates(run)["repaired"]) == "—"
        assert "| repaired " in analysis.run_table(run)
        assert run.summary["rates"]["repaired"]["rate"] is None
        assert "With one attempt nothing is repaired." in check_claims(run)[-1]


def test_clustered_intervals_are_wider_than_independent_ones_for_clustered_data():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(40), 25)
    hits = np.repeat(rng.random(40) < 0.5, 25)
    found = stats.rate(hits, clusters.tolist())
    naive = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    assert found.high - found.low > 3 * (naive.high - naive.low)


def test_learning_curve_and_shares_add_up(suite):
    run = run_of(suite, episodes=100)
    curve = analysis.learning_curve(run, window=10)
    assert len(curve) == analysis.rates(run)["repaired"].n
    assert curve["rate"].iloc[-1] == curve["repaired"].tail(10).mean()
    shares = analysis.arm_shares(run).dropna()
    assert np.allclose(shares.sum(axis=1), 1)
    table = analysis.repair_table(run)
    assert table["chosen"].sum() == run.steps["context_error_class"].notna().sum()


def test_a_table_over_few_questions_says_that_its_intervals_are_rough(suite):
    many = run_of(suite, episodes=40)
    assert "Rough:" not in analysis.run_table(many)
    few = run_of(suite, episodes=4)
    said = analysis.run_table(few)
    assert "Note: Rough: with fewer than 5 questions, here " in said
    assert few.summary["rates"]["any"]["clusters"] == 4
    wrong = analysis.rates(run_of(suite, episodes=7, seed=2))
    assert wrong["any"].clusters == 7 and 0 < wrong["repaired"].clusters < 5
    assert "(repaired)" in analysis.run_table(run_of(suite, episodes=7, seed=2))


@pytest.mark.parametrize("options", [{}, {"feedback": "always"}, {"samples": 2}])
def test_every_rate_of_a_table_is_explained(suite, options):
    for shown in (run_of(suite, episodes=4, **options), run_of(suite, episodes=4, signals=True)):
        said = analysis.rate_meanings(shown)
        assert all(f"**{name}**: " in said for name in analysis.rates(shown))
        assert ("pass@k" in said) == (shown.config.samples > 1)


def test_the_halves_of_a_run_count_their_failures(suite):
    shown = run_of(suite, episodes=40)
    halves = analysis.halves(shown)
    failed = [e for e in shown.log if not e.first]
    late = [e for e in failed if e.index >= 20]
    assert (halves.early_failures, halves.late_failures) == (len(failed) - len(late), len(late))
    assert halves.late == pytest.approx(sum(e.success for e in late) / len(late))
    said = check_claims(shown)[-1]
    assert f"of {halves.early_failures} failures in the first half, " in said


@pytest.mark.parametrize("feedback", ["always", "signals"])
def test_a_repaired_episode_began_wrong_also_where_right_answers_are_repaired(suite, feedback):
    run = run_of(suite, episodes=60, feedback=feedback)
    spared = [e for e in run.log if e.first and e.success and len(e.steps) > 1]
    assert spared, "a right first answer was repaired, or this shows nothing"
    found = analysis.repaired_episodes(run, 60)
    assert found and not any(e.first for e in found) and all(e.success for e in found)
    for episode in found:
        before, after = episode.mended
        assert not before.success and after.success and after.attempt == before.attempt + 1
    classes = [str(e.mended[0].error_class) for e in found]
    assert "None" not in classes and len({*classes}) == len(classes)
