"""Figures of runs: one a function, each takes an Axes (or makes one) and returns it.

What is drawn is computed in `sqlbench.analysis`. A figure takes a run, or several (a list, or a
dict of them by name); an arm and a policy have the same colour in every figure (`look`). A figure
that a simulated model feeds, or questions without gold queries, says so in its title.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sqlbench import analysis
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS
from sqlbench.plots.look import (
    ARM_COLOURS,
    BLUE,
    GREEN,
    INK,
    ORANGE,
    RED,
    band,
    ink_on_cividis,
    legend_beside,
    line,
    new_axes,
    percent,
    styled,
    titled,
)
from sqlbench.plots.named_runs import NamedRuns, Runs
from sqlbench.words import counted

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.runs.run import Run

LINE = 1.3  # inches: the height of a figure that only says why it is empty
COMPONENT_COLOURS = dict(zip(analysis.COMPONENTS, (BLUE, RED, GREEN, ORANGE), strict=True))


@styled
def rates(runs: Runs, ax: Axes | None = None) -> Axes:
    """Draw the rates of a run, or of several, as points with their 95% intervals."""
    named = NamedRuns(runs)
    found = {
        name: {k: r for k, r in analysis.rates(run).items() if r.rate is not None}
        for name, run in named.items()
    }
    kinds = list(dict.fromkeys(kind for one in found.values() for kind in one))[::-1]
    if not kinds:
        ax = new_axes(ax, (8, 1.6))
        _say(ax, "no episode has finished")
        return titled(ax, "How many episodes end right", named.caveat)
    ax = new_axes(ax, (8, 1.2 + 0.4 * len(kinds) * max(1.0, 0.55 * len(named))))
    step = 0.72 / len(named)
    for place, (name, look) in enumerate(named.looks.items()):
        colour, _, marker = look
        label: str | None = named.labels[name]
        for kind, r in found[name].items():
            assert r.rate is not None and r.low is not None and r.high is not None
            y = kinds.index(kind) + ((len(named) - 1) / 2 - place) * step
            ax.plot([r.low, r.high], [y, y], lw=3, color=colour, alpha=0.35, solid_capstyle="butt")
            ax.plot(r.rate, y, marker, ms=7, color=colour, label=label)
            label = None
            above = len(named) == 1
            ax.annotate(
                f"{r.rate:.1%}  ({r.count} of {r.n})" if above else f"{r.rate:.1%}",
                # Above its point, and inside the axis.
                (min(max(r.rate, 0.1), 0.94) if above else r.high, y),
                xytext=(0, 8) if above else (5, 0),
                textcoords="offset points",
                ha="center" if above else "left",
                va="baseline" if above else "center",
                fontsize=9,
                color=INK,
            )
    ax.set_yticks(range(len(kinds)), kinds)
    ax.set_ylim(-0.5, len(kinds) - 0.3)
    ax.set_xlim(0, 1.04)
    percent(ax.xaxis)
    ax.set_xlabel("share of episodes, with 95% interval clustered by question")
    if len(named) > 1:
        legend_beside(ax)
    return titled(ax, "How many episodes end right", named.caveat)


@styled
def learning_curve(
    runs: Runs, ax: Axes | None = None, window: int = 100, *, planned: bool = False
) -> Axes:
    """Draw the share of failures that were repaired, over a moving window of failures.

    Parameters
    ----------
    runs : Run, sequence of Run, or mapping of str to Run
        What to draw.
    ax : Axes or None
        Where to draw.
    window : int
        How many failures a point looks back on.
    planned : bool
        Whether the axis covers all episodes that were asked for, and not only those that there are.
    """
    named = NamedRuns(runs)
    ax = new_axes(ax)
    curves = {name: analysis.learning_curve(run, window) for name, run in named.items()}
    most = max(len(curve) for curve in curves.values())
    window = min(window, analysis.SHORT_WINDOW) if most < analysis.FEW_FAILURES else window
    title = f"Learning curve: share of the last {window} failures repaired, 95% interval"
    if reason := _no_curve(named, curves.values(), most):
        _say(ax, reason)
        return titled(ax, title.partition(":")[0], named.caveat)
    for name, curve in curves.items():
        look, x = named.looks[name], curve["episode"]
        line(ax, x, curve["rate"], look, named.labels[name], marked=len(named) > 1)
        band(ax, x, curve["low"], curve["high"], look)
    ax.set_ylim(0, 1.02)
    percent(ax.yaxis)
    _count_episodes(ax, named, planned=planned)
    ax.set_ylabel("failures repaired")
    if len(named) > 1:
        legend_beside(ax)
    return titled(ax, title, named.caveat)


def _no_curve(named: NamedRuns, curves: Iterable[pd.DataFrame], most: int) -> str:
    """Say why there is no learning curve to draw; empty if there is one."""
    if not most:
        return "no failure to repair"
    if all(run.config.max_attempts == 1 for run in named.values()):
        return "with one attempt an episode nothing is repaired"
    if not any(curve["rate"].notna().any() for curve in curves):
        return f"{counted(most, 'failure')}: too few for a curve"
    return ""


@styled
def reward_breakdown(
    runs: Runs, ax: Axes | None = None, bins: int = 15, *, planned: bool = False
) -> Axes:
    """Draw the four components of the reward as they evolve, stacked, with their sum.

    The sum has its 95% interval, clustered by question, where that says anything (see
    `sqlbench.analysis.reward_curve`). Several runs have a strip each. ``planned`` is that of
    `learning_curve`.
    """
    named = NamedRuns(runs)
    ax = new_axes(ax, _strip_size(named))
    if not any(run.log for run in named.values()):
        _say(ax, "no episode has finished")
        return titled(ax, "Reward breakdown over episodes", named.caveat)
    known = np.array([], dtype=bool)
    for strip, run in _strips(ax, named, planned=planned):
        known = np.append(known, _draw_rewards(strip, run, bins, planned=planned))
        strip.set_ylabel("mean reward of an attempt" if len(named) == 1 else "mean reward")
    title = "Reward breakdown over episodes"
    if known.any():
        title += ", sum with 95% interval"
        title += "" if known.all() else " where known"
    return titled(ax, title, named.caveat)


def _draw_rewards(ax: Axes, run: Run, bins: int, *, planned: bool) -> NDArray[np.bool_]:
    """Draw a run's rewards; return of each bin whether its interval is known."""
    means = analysis.reward_curve(run, bins, planned=planned)
    edges = _edges(means, run, bins, planned=planned)
    means = means.reindex(edges[:-1])
    above, below = np.zeros(len(means)), np.zeros(len(means))
    for name, colour in COMPONENT_COLOURS.items():
        values = means[name].to_numpy()
        bottom = np.where(values >= 0, above, below)
        label = name.replace("_", " ")
        ax.stairs(bottom + values, edges, baseline=bottom, fill=True, color=colour, label=label)
        above += np.maximum(np.nan_to_num(values), 0)
        below += np.minimum(np.nan_to_num(values), 0)
    ax.stairs(means["reward"], edges, baseline=None, color="black", lw=1.6, label="reward (sum)")
    ax.vlines((edges[:-1] + edges[1:]) / 2, means["low"], means["high"], color="black", lw=1)
    ax.axhline(0, color=INK, lw=0.8)
    return means.loc[means["reward"].notna(), "low"].notna().to_numpy(dtype=bool)


@styled
def arm_selection(
    runs: Runs, ax: Axes | None = None, bins: int = 15, *, planned: bool = False
) -> Axes:
    """Draw the share of each arm among the repairs, over time; several runs have a strip each.

    ``planned`` is that of `learning_curve`.
    """
    named = NamedRuns(runs)
    ax = new_axes(ax, _strip_size(named))
    found = {name: analysis.arm_shares(run, bins, planned=planned) for name, run in named.items()}
    if not any(shares.notna().any(axis=None) for shares in found.values()):
        _say(ax, _no_repair(named.values()))
        return titled(ax, "Arm selection over episodes", named.caveat)
    strips = _strips(ax, named, planned=planned)
    for (strip, run), shares in zip(strips, found.values(), strict=True):
        edges, bottom = _edges(shares, run, bins, planned=planned), np.zeros(len(shares))
        for arm, colour in ARM_COLOURS.items():
            top = bottom + np.nan_to_num(shares[arm].to_numpy())
            strip.stairs(top, edges, baseline=bottom, fill=True, color=colour, label=arm)
            bottom = top
        strip.set_ylim(0, 1)
        percent(strip.yaxis)
        strip.set_ylabel("share of repairs")
    return titled(ax, "Arm selection over episodes", named.caveat)


@styled
def error_arm_heatmap(run: Run, ax: Axes | None = None) -> Axes:
    """Draw how often each arm repaired each error class (colour), and how often it was chosen."""
    table = analysis.repair_table(run)
    classes = [str(c) for c in ErrorClass if str(c) in set(table["error_class"])]
    ax = new_axes(ax, (8, min(4.6, 1.9 + 0.45 * len(classes))))
    arms = [str(a) for a in ARMS]
    if not classes:
        _say(ax, _no_repair([run]))
        return titled(ax, "What repairs what", run.caveat)
    rate, chosen = (
        table.pivot(index="error_class", columns="action", values=v)
        .reindex(index=classes, columns=arms)
        .to_numpy(dtype=float)
        for v in ("rate", "chosen")
    )
    image = ax.imshow(np.ma.masked_invalid(rate), cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for i, j in np.argwhere(~np.isnan(chosen)):
        n, share = chosen[i, j], rate[i, j]
        text, colour = f"{share:.0%}\n{int(n)}×", ink_on_cividis(share)
        ax.text(j, i, text, ha="center", va="center", fontsize=7.5, color=colour)
    ax.set_xticks(range(len(arms)), arms, rotation=30, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(classes)), classes)
    ax.grid(False)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.03, pad=0.02)
    percent(bar.ax.yaxis)
    bar.set_label("repaired at once")
    ax.set_xlabel("repair action (below the share: how often it was chosen)")
    ax.set_ylabel("error before the repair")
    return titled(ax, "What repairs what", run.caveat)


@styled
def arm_estimate(estimates: pd.DataFrame, arm: str, ax: Axes | None = None) -> Axes:
    """Draw one arm's mean estimate over time, with its confidence width as a band.

    Parameters
    ----------
    estimates : DataFrame
        What `sqlbench.analysis.arm_estimates` returns.
    arm : str
        A repair action.
    ax : Axes or None
        Where to draw.
    """
    ax = new_axes(ax, (3, 2.4))
    mine = estimates[estimates["action"] == arm]
    x, mean, width = (mine[c].to_numpy(dtype=float) for c in ("episode", "mean", "width"))
    ax.fill_between(x, mean - width, mean + width, color=ARM_COLOURS[arm], alpha=0.3, lw=0)
    ax.plot(x, mean, "o-", color=INK, lw=1.4, ms=2.5)
    if len(x) == 1:  # a band needs two places
        ax.errorbar(x, mean, width, color=ARM_COLOURS[arm], elinewidth=4, alpha=0.5)
    if not len(x):
        ax.text(
            0.5, 0.6, "never chosen", ha="center", transform=ax.transAxes, color=INK, fontsize=9
        )
    ax.axhline(0, color="#999999", lw=0.8)
    ax.set_title(arm, fontsize=10, pad=4)
    return ax


@styled
def arm_estimates(run: Run, bins: int = 15) -> Figure:
    """Draw LinUCB's mean and width for each arm over time, a panel an arm.

    Raises
    ------
    ConfigError
        If the run's policy is no LinUCB.
    """
    estimates = analysis.arm_estimates(run, bins)
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    title = "LinUCB's estimate of each arm where it chose it"
    if not len(estimates):
        ax = figure.subplots()
        _say(ax, f"{_no_repair([run])}: no arm has an estimate")
        titled(ax, title, run.caveat)
        return figure
    axes = figure.subplots(2, 4, sharex=True, sharey=True)
    for arm, ax in zip(ARMS, axes.flat, strict=True):
        arm_estimate(estimates, str(arm), ax)
    length = analysis.span(run)
    axes[0, 0].set_xlim(-0.04 * length, length)  # which all of them share
    axes[0, 0].xaxis.set_major_locator(MaxNLocator(4, integer=True))
    figure.supxlabel("episode", fontsize=10)
    figure.supylabel("estimated reward", fontsize=10)
    title += ": mean, and ± α × width"
    figure.suptitle(
        f"{title}\n({run.caveat})" if run.caveat else title, x=0.01, ha="left", fontsize=12
    )
    return figure


@styled
def overview(run: Run | None) -> Figure:
    """Draw what a run has brought so far in four panels: the figure that a monitor keeps drawing.

    Parameters
    ----------
    run : Run or None
        It may be under way, or have no episode yet; None stands for one that has not started.
    """
    # Placed by hand: a layout engine would take longer than all the drawing, time after time.
    figure = Figure(figsize=(13, 8))
    if run is None or not run.log:
        note = "No episode has finished yet."
        figure.text(0.5, 0.5, note, ha="center", va="center", fontsize=14, color=INK)
        return figure
    top = (0.055, 0.56, 0.42, 0.32), (0.57, 0.56, 0.3, 0.32)
    bottom = (0.055, 0.13, 0.3, 0.32), (0.63, 0.13, 0.3, 0.32)
    axes = np.array([[figure.add_axes(place) for place in row] for row in (top, bottom)])
    # It may be under way: what is to come keeps its place.
    learning_curve(run, axes[0, 0], planned=True)
    arm_selection(run, axes[0, 1], planned=True)
    reward_breakdown(run, axes[1, 0], planned=True)
    error_arm_heatmap(run, axes[1, 1])
    # The caveat once, for all four.
    for ax in axes.flat:
        ax.set_title(ax.get_title(loc="left").partition("\n")[0], fontsize=11)
    title = f"{run.label}, {len(run.log):,} of {run.config.episodes:,} episodes{run.mark}"
    figure.suptitle(title, x=0.01, y=0.98, ha="left", fontsize=11)
    return figure


def _say(ax: Axes, text: str) -> None:
    """Write in place of a picture why there is none; a figure of this alone becomes a line."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=INK)
    figure = ax.figure
    if isinstance(figure, Figure) and len(figure.axes) == 1:
        figure.set_size_inches(figure.get_size_inches()[0], LINE)


def _no_repair(runs: Iterable[Run]) -> str:
    """Say why there is no repair prompt to show."""
    if all(run.config.max_attempts == 1 for run in runs):
        return "with one attempt an episode nothing is repaired"
    if any(len(episode.steps) > 1 for run in runs for episode in run.log):
        return "answers from scratch only: no repair was chosen"
    return "no repair was made"


def _edges(binned: pd.DataFrame, run: Run, bins: int, *, planned: bool) -> NDArray[np.float64]:
    """Return where the bins begin, gaps included, and where the last one ends."""
    size = analysis.bin_size(run, bins, planned=planned)
    last = int(binned.index.max()) if len(binned) else 0
    return np.arange(0, last + 2 * size, size, dtype=float)


def _strip_size(named: NamedRuns) -> tuple[float, float]:
    return (8, 4) if len(named) == 1 else (8, 1.3 + 1.7 * len(named))


def _count_episodes(ax: Axes, named: NamedRuns, *, planned: bool) -> None:
    ax.set_xlim(0, max(analysis.span(run, planned=planned) for run in named.values()))
    ax.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
    ax.set_xlabel("episode")


def _strips(ax: Axes, named: NamedRuns, *, planned: bool) -> Iterator[tuple[Axes, Run]]:
    """Yield an Axes for each run, one above the other on the same episodes, with one legend."""
    strips = [ax]
    if len(named) > 1:
        ax.set_axis_off()
        share = 1 / len(named)
        places = [(0, 1 - (i + 0.84) * share, 1, 0.72 * share) for i in range(len(named))]
        strips = [ax.inset_axes(place) for place in places]
        for strip, label in zip(strips, named.labels.values(), strict=True):
            strip.set_title(label, fontsize=10, pad=3)
    for strip, run in zip(strips, named.values(), strict=True):
        yield strip, run
        _count_episodes(strip, named, planned=planned)
        if strip is not strips[-1]:
            strip.tick_params(labelbottom=False)
            strip.set_xlabel("")
    low, high = zip(*(strip.get_ylim() for strip in strips), strict=True)
    for strip in strips:
        strip.set_ylim(min(low), max(high))
    legend_beside(strips[0])
