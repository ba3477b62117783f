"""Figures that set policies (or any variants) side by side; see `sqlbench.grids.compare`.

Each takes a `Comparison` and an Axes, and returns the Axes. What a simulated model feeds says so in
its title.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from sqlbench.grids.compare import Comparison
from sqlbench.plots.look import (
    INK,
    Look,
    band,
    legend_beside,
    line,
    looks,
    new_axes,
    percent,
    styled,
    titled,
)
from sqlbench.stats import Interval, seed_band, share_text


@styled
def learning_curves(
    comparison: Comparison,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
    window: int = 100,
) -> Axes:
    """Draw the share of failures repaired in a moving window: mean and 95% band over seeds.

    In a run of fewer than three windows they are shorter: a third of it.
    """
    ax = new_axes(ax, (8, 4.2))
    window = min(window, max(1, comparison.config.episodes // 3))
    for name in names or comparison.names:
        curves = comparison.curves(name, window)
        _band(ax, curves.index, curves.to_numpy().T, comparison, name, most=1.0)
    percent(ax.yaxis)
    ax.set_ylim(0, 1.02)
    ax.set_xlim(0, comparison.config.episodes)
    ax.set_xlabel("episode")
    ax.set_ylabel(f"failures repaired,\nlast {window} episodes")
    legend_beside(ax)
    return _titled(
        ax, f"Learning curves: mean of {len(comparison.seeds)} seeds, 95% band", comparison
    )


@styled
def regret_curves(
    comparison: Comparison, names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the expected regret up to each episode: mean and 95% band over seeds."""
    ax = new_axes(ax, (8, 4.2))
    for name in names or comparison.names:
        curves = comparison.regret_curves(name).to_numpy().T
        if curves.size and not (curves != curves).any():  # a real model, resample: unknown
            _band(ax, range(curves.shape[1]), curves, comparison, name)
    ax.set_xlim(0, comparison.config.episodes)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("episode")
    ax.set_ylabel("repairs missed in expectation")
    legend_beside(ax)
    return _titled(ax, "Regret so far: the best arm's chance less the chosen arm's", comparison)


@styled
def final_rates(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Draw every variant's first rate with its interval, best on top."""
    rows = comparison.summary.iloc[::-1]
    ax = new_axes(ax, (8, 0.9 + 0.32 * len(rows)))
    rate = comparison.rates[0]
    found = [
        Interval(r[rate], r[f"{rate}_low"], r[f"{rate}_high"], 0, 0)
        for r in rows.to_dict("records")
    ]
    _forest(ax, comparison, rows["policy"].tolist(), found)
    ax.set_xlabel(f"{rate.replace('_', ' ')}, with 95% interval clustered by question")
    return _titled(ax, f"{rate.replace('_', ' ').capitalize()} over all episodes", comparison)


@styled
def paired_differences(
    comparison: Comparison,
    baseline: str,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
    episodes: range | None = None,
) -> Axes:
    """Draw each variant's first rate less a baseline's, on the same episodes, largest on top."""
    chosen = [n for n in names or comparison.names if n != baseline]
    found = {n: comparison.difference(n, baseline, episodes=episodes) for n in chosen}
    order = sorted(found, key=lambda n: found[n].estimate)
    ax = new_axes(ax, (8, 1.0 + 0.32 * len(order)))
    _forest(ax, comparison, order, [found[n] for n in order], signed=True)
    ax.axvline(0, color=INK, lw=1)
    where = f", episodes {episodes.start + 1} to {episodes.stop}" if episodes else ""
    rate = comparison.rates[0].replace("_", " ")
    ax.set_xlabel(f"difference of the {rate} (points), with 95% interval clustered by question")
    return _titled(ax, f"Paired differences from {baseline}{where}", comparison)


@styled
def cost(
    comparison: Comparison, names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw what a variant solves (any) against the model calls an episode, with 95% intervals."""
    ax = new_axes(ax, (8, 4.2))
    for row in comparison.summary.to_dict("records"):
        name = str(row["policy"])
        if names is not None and name not in names:
            continue
        look, label = _looks(comparison)[name], comparison.label(name)
        x, y = row["model_calls"], row["any"]
        across, up = ([row[f"{key}_low"], row[f"{key}_high"]] for key in ("model_calls", "any"))
        for xs, ys in ((across, [y, y]), ([x, x], up)):
            ax.plot(xs, ys, color=look.colour, lw=2, alpha=0.35, solid_capstyle="butt")
        ax.plot(x, y, look.marker, color=look.colour, ms=8, label=label)
    percent(ax.yaxis)
    ax.margins(0.1)
    legend_beside(ax)
    ax.set_xlabel("model calls an episode")
    ax.set_ylabel("episodes solved within their attempts")
    return _titled(ax, "What it solves, and what it costs, with 95% intervals", comparison)


def _band(
    ax: Axes, x: Any, curves: Any, comparison: Comparison, name: str, most: float | None = None
) -> None:
    """Draw a mean over seeds with its band, cut off where no value can be."""
    mean, low, high = seed_band(curves)
    look = _looks(comparison)[name]
    line(ax, x, mean, look, comparison.label(name))
    band(ax, x, np.clip(low, 0, most), np.clip(high, 0, most), look)


def _forest(
    ax: Axes,
    comparison: Comparison,
    names: Sequence[str],
    intervals: Sequence[Interval],
    signed: bool = False,
) -> None:
    for i, (name, found) in enumerate(zip(names, intervals, strict=True)):
        look = _looks(comparison)[name]
        ax.plot([found.low, found.high], [i, i], color=look.colour, lw=3, alpha=0.4)
        ax.plot(found.estimate, i, look.marker, color=look.colour, ms=6)
        text = share_text(*(100 * found.estimate, "+.1f") if signed else (found.estimate,))
        place = ("axes fraction", "data")
        text = text.replace("-", "−")  # as on the axis
        ax.annotate(text, (1.01, i), xycoords=place, va="center", fontsize=9, color=INK)
    ax.set_yticks(range(len(names)), [comparison.label(n) for n in names])
    ax.set_ylim(-0.6, len(names) - 0.4)
    percent(ax.xaxis, "" if signed else "%")


def _looks(comparison: Comparison) -> dict[str, Look]:
    return looks(comparison.names)


def _titled(ax: Axes, title: str, comparison: Comparison) -> Axes:
    return titled(ax, title, "simulated model" if comparison.simulated else "")
