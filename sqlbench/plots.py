"""Figures: one a function, each takes an Axes (or makes one) and returns it.

What is drawn is computed in `sqlbench.analysis`. The colours are Okabe and Ito's, which the
colour-blind can tell apart; an arm has the same colour in every figure. A figure that a simulated
model feeds, or questions without gold queries, says so in its title.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import resources
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from sqlbench import analysis
from sqlbench.errors import ErrorClass
from sqlbench.repair import ARMS

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.runs import Run

STYLE = str(resources.files("sqlbench") / "sqlbench.mplstyle")
ARM_COLOURS = dict(
    zip(
        [str(a) for a in ARMS],
        ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#7F7F7F", "#F0E442"],
        strict=True,
    )
)
COMPONENT_COLOURS = dict(
    zip(analysis.COMPONENTS, ["#0072B2", "#D55E00", "#009E73", "#E69F00"], strict=True)
)
_INK = "#333333"

P = ParamSpec("P")
R = TypeVar("R")


def _styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw in the project's look, whatever the caller's is."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.style.context(STYLE):
            return draw(*args, **kwargs)

    return styled


@_styled
def rates(run: Run, ax: Axes | None = None) -> Axes:
    """Draw the run's rates as points with their 95% intervals."""
    ax = _axes(ax, (8, 2.8))
    found = {k: r for k, r in analysis.rates(run).items() if r.rate is not None}
    for i, r in enumerate(reversed(found.values())):
        assert r.rate is not None and r.low is not None and r.high is not None
        ax.plot([r.low, r.high], [i, i], color="#0072B2", lw=3, alpha=0.35, solid_capstyle="butt")
        ax.plot(r.rate, i, "o", color="#0072B2", ms=7)
        ax.annotate(
            f"{r.rate:.1%}  ({r.count} of {r.n})",
            (r.rate, i),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=_INK,
        )
    ax.set_yticks(range(len(found)), list(reversed(found)))
    ax.set_ylim(-0.5, len(found) - 0.3)
    ax.set_xlim(0, 1.04)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("share of episodes, with 95% interval clustered by question")
    return _titled(ax, "How many episodes end right", run)


@_styled
def learning_curve(run: Run, ax: Axes | None = None, window: int = 100) -> Axes:
    """Draw the share of failures that were repaired, over a moving window of failures."""
    ax = _axes(ax)
    curve = analysis.learning_curve(run, window)
    ax.plot(curve["episode"], curve["rate"], color="#0072B2")
    ax.fill_between(
        curve["episode"], curve["low"], curve["high"], color="#0072B2", alpha=0.18, lw=0
    )
    ax.set_ylim(0, 1.02)
    ax.set_xlim(0, run.config.episodes)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("episode")
    ax.set_ylabel("failures repaired")
    return _titled(
        ax, f"Learning curve: share of the last {window} failures repaired, 95% interval", run
    )


@_styled
def reward_breakdown(run: Run, ax: Axes | None = None, bins: int = 15) -> Axes:
    """Draw the four components of the reward as they evolve, stacked, with their sum."""
    ax = _axes(ax)
    means = analysis.reward_curve(run, bins)
    starts = means.index.to_numpy(dtype=float)
    width = _bin_width(starts, run)
    above, below = np.zeros(len(means)), np.zeros(len(means))
    for name in analysis.COMPONENTS:
        values = means[name].to_numpy()
        bottom = np.where(values >= 0, above, below)
        ax.bar(
            starts,
            values,
            width,
            bottom=bottom,
            align="edge",
            color=COMPONENT_COLOURS[name],
            label=name.replace("_", " "),
            lw=0,
        )
        above += np.maximum(values, 0)
        below += np.minimum(values, 0)
    ax.step(
        np.append(starts, starts[-1] + width),
        np.append(means["reward"], means["reward"].iloc[-1]),
        where="post",
        color="black",
        lw=1.6,
        label="reward (sum)",
    )
    ax.axhline(0, color=_INK, lw=0.8)
    ax.set_xlim(0, run.config.episodes)
    ax.set_xlabel("episode")
    ax.set_ylabel("mean reward of an attempt")
    _legend_beside(ax)
    return _titled(ax, "Reward breakdown over episodes", run)


@_styled
def arm_selection(run: Run, ax: Axes | None = None, bins: int = 15) -> Axes:
    """Draw the share of each arm among the repairs, over time."""
    ax = _axes(ax)
    shares = analysis.arm_shares(run, bins)
    starts = shares.index.to_numpy(dtype=float)
    width = _bin_width(starts, run)
    bottom = np.zeros(len(shares))
    for arm in shares.columns:
        values = np.nan_to_num(shares[arm].to_numpy())
        ax.bar(
            starts, values, width, bottom=bottom, align="edge", color=ARM_COLOURS[arm], label=arm
        )
        bottom += values
    ax.set_ylim(0, 1)
    ax.set_xlim(0, run.config.episodes)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("episode")
    ax.set_ylabel("share of repairs")
    _legend_beside(ax)
    return _titled(ax, "Arm selection over episodes", run)


@_styled
def error_arm_heatmap(run: Run, ax: Axes | None = None) -> Axes:
    """Draw how often each arm repaired each error class (colour), and how often it was chosen."""
    ax = _axes(ax, (8, 4.6))
    table = analysis.repair_table(run)
    classes = [str(c) for c in ErrorClass if str(c) in set(table["error_class"])]
    arms = [str(a) for a in ARMS]
    if not classes:
        ax.text(0.5, 0.5, "no repair was made", ha="center", transform=ax.transAxes, color=_INK)
        ax.set_xlabel("repair action")
        return _titled(ax, "What repairs what", run)
    rate, chosen = (
        table.pivot(index="error_class", columns="action", values=v)
        .reindex(index=classes, columns=arms)
        .to_numpy(dtype=float)
        for v in ("rate", "chosen")
    )
    image = ax.imshow(
        np.ma.masked_invalid(rate), cmap="cividis", vmin=0, vmax=1,
        aspect="auto",
    )  # fmt: skip
    for i in range(len(classes)):
        for j in range(len(arms)):
            n, share = chosen[i, j], rate[i, j]
            if np.isnan(n):
                continue
            ax.text(
                j,
                i,
                f"{share:.0%}\n{int(n)}×",
                ha="center",
                va="center",
                fontsize=7.5,
                color="white" if share < 0.55 else "black",
            )
    ax.set_xticks(range(len(arms)), arms, rotation=30, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(classes)), classes)
    ax.grid(False)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.03, pad=0.02)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    bar.set_label("repaired at once")
    ax.set_xlabel("repair action (below the share: how often it was chosen)")
    ax.set_ylabel("error before the repair")
    return _titled(ax, "What repairs what", run)


@_styled
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
    ax = _axes(ax, (3, 2.4))
    mine = estimates[estimates["action"] == arm]
    x, mean, width = (mine[c].to_numpy(dtype=float) for c in ("episode", "mean", "width"))
    ax.fill_between(x, mean - width, mean + width, color=ARM_COLOURS[arm], alpha=0.3, lw=0)
    ax.plot(x, mean, color=_INK, lw=1.4)
    ax.axhline(0, color="#999999", lw=0.8)
    ax.set_title(arm, fontsize=10, pad=4)
    return ax


@_styled
def arm_estimates(run: Run, bins: int = 15) -> Figure:
    """Draw LinUCB's mean and width for each arm over time, a panel an arm.

    Raises
    ------
    ConfigError
        If the run's policy is no LinUCB.
    """
    estimates = analysis.arm_estimates(run, bins)
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    axes = figure.subplots(2, 4, sharex=True, sharey=True)
    for arm, ax in zip(ARMS, axes.flat, strict=True):
        arm_estimate(estimates, str(arm), ax)
    figure.supxlabel("episode", fontsize=10)
    figure.supylabel("estimated reward", fontsize=10)
    title = "LinUCB's estimate of each arm where it chose it: mean, and ± α × width"
    figure.suptitle(_marked(title, run), x=0.01, ha="left", fontsize=12)
    return figure


@_styled
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
        figure.text(0.5, 0.5, note, ha="center", va="center", fontsize=14, color=_INK)
        return figure
    top = (0.055, 0.56, 0.42, 0.32), (0.57, 0.56, 0.3, 0.32)
    bottom = (0.055, 0.13, 0.3, 0.32), (0.63, 0.13, 0.3, 0.32)
    axes = np.array([[figure.add_axes(place) for place in row] for row in (top, bottom)])
    learning_curve(run, axes[0, 0])
    arm_selection(run, axes[0, 1])
    reward_breakdown(run, axes[1, 0])
    error_arm_heatmap(run, axes[1, 1])
    # The caveat once, for all four.
    for ax in axes.flat:
        ax.set_title(ax.get_title(loc="left").partition("\n")[0], fontsize=11)
    title = f"{run.label}, {len(run.log):,} of {run.config.episodes:,} episodes{run.mark}"
    figure.suptitle(title, x=0.01, y=0.98, ha="left", fontsize=11)
    return figure


def _axes(ax: Axes | None, size: tuple[float, float] = (8, 4)) -> Axes:
    if ax is not None:
        return ax
    # Not by pyplot, which would keep every figure alive and draw it a second time in a notebook.
    return Figure(figsize=size, layout="constrained").add_subplot()


def _bin_width(starts: Any, run: Run) -> float:
    return float(starts[1] - starts[0]) if len(starts) > 1 else float(run.config.episodes)


def _legend_beside(ax: Axes) -> None:
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)


def _marked(title: str, run: Run) -> str:
    return f"{title}\n({run.caveat})" if run.caveat else title


def _titled(ax: Axes, title: str, run: Run) -> Axes:
    ax.set_title(_marked(title, run))
    return ax
