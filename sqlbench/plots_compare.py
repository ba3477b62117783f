"""Figures that set policies (or any variants) side by side; see `sqlbench.compare`.

Each takes a `Comparison` and an Axes, and returns the Axes. A variant has the same colour in every
figure of one comparison. What a simulated model feeds says so in its title.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from sqlbench.compare import Comparison
from sqlbench.plots import STYLE
from sqlbench.stats import Interval, seed_band

# Okabe and Ito's colours, then the same ones dashed: sixteen that the colour-blind can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#7F7F7F", "#000000")
_DASHES = ("-", "--")


def learning_curves(
    comparison: Comparison,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
    window: int = 100,
) -> Axes:
    """Draw the share of failures repaired in a moving window: mean and 95% band over seeds."""
    ax = _axes(ax, (8, 4.2))
    for name in names or comparison.names:
        curves = comparison.curves(name, window)
        _band(ax, curves.index, curves.to_numpy().T, comparison, name)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlim(0, comparison.config.episodes)
    ax.set_xlabel("episode")
    ax.set_ylabel(f"failures repaired,\nlast {window} episodes")
    _legend_beside(ax)
    return _titled(
        ax, f"Learning curves: mean of {len(comparison.seeds)} seeds, 95% band", comparison
    )


def regret_curves(
    comparison: Comparison, names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the expected regret up to each episode: mean and 95% band over seeds."""
    ax = _axes(ax, (8, 4.2))
    for name in names or comparison.names:
        curves = comparison.regret_curves(name).to_numpy().T
        if curves.size and not (curves != curves).any():  # a real model, resample: unknown
            _band(ax, range(curves.shape[1]), curves, comparison, name)
    ax.set_xlim(0, comparison.config.episodes)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("episode")
    ax.set_ylabel("repairs missed in expectation")
    _legend_beside(ax)
    return _titled(ax, "Regret so far: the best arm's chance less the chosen arm's", comparison)


def final_rates(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Draw every variant's first rate with its interval, best on top."""
    rows = comparison.summary.iloc[::-1]
    ax = _axes(ax, (8, 0.9 + 0.32 * len(rows)))
    rate = comparison.rates[0]
    found = [
        Interval(r[rate], r[f"{rate}_low"], r[f"{rate}_high"], 0, 0)
        for r in rows.to_dict("records")
    ]
    _forest(ax, comparison, rows["policy"].tolist(), found)
    ax.set_xlabel(f"{rate.replace('_', ' ')}, with 95% interval clustered by question")
    return _titled(ax, f"{rate.replace('_', ' ').capitalize()} over all episodes", comparison)


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
    ax = _axes(ax, (8, 1.0 + 0.32 * len(order)))
    _forest(ax, comparison, order, [found[n] for n in order], signed=True)
    ax.axvline(0, color="#333333", lw=1)
    where = f", episodes {episodes.start + 1} to {episodes.stop}" if episodes else ""
    rate = comparison.rates[0].replace("_", " ")
    ax.set_xlabel(f"difference of the {rate} (points), with 95% interval clustered by question")
    return _titled(ax, f"Paired differences from {baseline}{where}", comparison)


def cost(
    comparison: Comparison, names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw what a variant solves (any) against the model calls that it takes an episode."""
    ax = _axes(ax, (8, 4.2))
    for row in comparison.summary.to_dict("records"):
        name = str(row["policy"])
        if names is not None and name not in names:
            continue
        colour, dash = _colour(comparison, name)
        marker = "o" if dash == _DASHES[0] else "D"
        label = comparison.label(name)
        ax.plot(row["model_calls"], row["any"], marker, color=colour, ms=8, label=label)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.margins(0.1)
    _legend_beside(ax)
    ax.set_xlabel("model calls an episode")
    ax.set_ylabel("episodes solved within their attempts")
    return _titled(ax, "What it solves, and what it costs", comparison)


def _band(ax: Axes, x: object, curves: object, comparison: Comparison, name: str) -> None:
    mean, low, high = seed_band(curves)  # type: ignore[arg-type]
    colour, dash = _colour(comparison, name)
    ax.plot(x, mean, dash, color=colour, label=comparison.label(name))  # type: ignore[arg-type]
    ax.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)  # type: ignore[arg-type]


def _forest(
    ax: Axes,
    comparison: Comparison,
    names: Sequence[str],
    intervals: Sequence[Interval],
    signed: bool = False,
) -> None:
    for i, (name, found) in enumerate(zip(names, intervals, strict=True)):
        colour = _colour(comparison, name)[0]
        ax.plot([found.low, found.high], [i, i], color=colour, lw=3, alpha=0.4)
        ax.plot(found.estimate, i, "o", color=colour, ms=6)
        text = f"{100 * found.estimate:+.1f}" if signed else f"{found.estimate:.1%}"
        ax.annotate(
            text,
            (1.01, i),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
        )
    ax.set_yticks(range(len(names)), [comparison.label(n) for n in names])
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, symbol="" if signed else "%"))


def _colour(comparison: Comparison, name: str) -> tuple[str, str]:
    place = comparison.names.index(name)
    return _COLOURS[place % len(_COLOURS)], _DASHES[place // len(_COLOURS) % len(_DASHES)]


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    if ax is not None:
        return ax
    with plt.style.context(STYLE):
        return plt.subplots(figsize=size, layout="constrained")[1]


def _legend_beside(ax: Axes) -> None:
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)


def _titled(ax: Axes, title: str, comparison: Comparison) -> Axes:
    ax.set_title(f"{title}\n(simulated model)" if comparison.simulated else title)
    return ax
