"""Figures of evidence: replays, real repairs, off-policy estimates, the sensitivity sweep.

Each takes an Axes (or makes one) and returns it; what is drawn was computed elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sqlbench.evidence.crossvalidate import OPTIMUM
from sqlbench.evidence.offpolicy import ESTIMATORS
from sqlbench.plots.look import (
    GREY,
    INK,
    Look,
    band,
    ink_on_cividis,
    legend_beside,
    line,
    looks,
    new_axes,
    percent,
    styled,
    titled,
)
from sqlbench.stats import seed_band

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.evidence.crossvalidate import CrossValidation
    from sqlbench.evidence.offpolicy_validation import Validation
    from sqlbench.evidence.repair_table import RepairTable
    from sqlbench.evidence.replay import Replay


@styled
def arms_by_context(table: RepairTable, ax: Axes | None = None, least: int = 5) -> Axes:
    """Draw each arm's mean outcome in each context, with its count; rare contexts together."""
    labels, codes = table.groups
    sizes = np.bincount(codes)
    kept = [i for i in np.argsort(-sizes, kind="stable") if sizes[i] >= least]
    rows = [(f"{labels[i]} ({sizes[i]})", codes == i) for i in kept]
    rare = ~np.isin(codes, kept)
    if rare.any():
        rows.append((f"others ({int(rare.sum())})", rare))
    rows.append((f"all ({len(table)})", np.ones(len(table), dtype=bool)))
    ax = new_axes(ax, (8, 0.36 * len(rows) + 1.5))
    values = np.array([table.means[mine].mean(axis=0) for _, mine in rows])
    top = max(0.6, float(values.max()))
    image = ax.imshow(values, cmap="cividis", vmin=0, vmax=top, aspect="auto")
    for i, j in np.ndindex(*values.shape):
        colour = ink_on_cividis(float(values[i, j]) / top)
        ax.text(j, i, f"{values[i, j]:.1%}", ha="center", va="center", color=colour, fontsize=9)
    ax.set_xticks(range(len(table.arms)), list(table.arms))
    if len(table.arms) > 6:
        for label in ax.get_xticklabels():
            label.set(rotation=30, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(rows)), [name for name, _ in rows])
    ax.grid(False)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.03, pad=0.02)
    percent(bar.ax.yaxis)
    bar.set_label("right after the arm")
    ax.set_xlabel("arm")
    ax.set_ylabel("class seen (first answers)")
    return titled(
        ax, "How often each arm ends right, by what the agent saw", _caveat(table.simulated)
    )


_IN_POINTS = ("difference", "difference_low", "difference_high", "database_low", "database_high")


@styled
def held_out(validation: CrossValidation, ax: Axes | None = None) -> Axes:
    """Draw each policy's difference from the best fixed arm, paired, on held-out databases."""
    frame = validation.summary()
    frame = frame[frame["policy"] != validation.baseline].iloc[::-1]
    ax = new_axes(ax, (8, 0.34 * len(frame) + 1.2))
    y = np.arange(len(frame))
    drawn = looks(p for p in validation.values if p != OPTIMUM)  # which is no policy
    for i, row in enumerate(frame.to_dict("records")):
        colour, _, marker = drawn.get(row["policy"], Look(GREY, "-", "|"))
        middle, low, high, lowest, highest = (100 * row[name] for name in _IN_POINTS)
        ax.plot([lowest, highest], [i, i], color=colour, lw=1, alpha=0.7)
        ax.plot([low, high], [i, i], color=colour, lw=5, alpha=0.35, solid_capstyle="butt")
        ax.plot(middle, i, marker, color=colour, ms=6)
    ax.axvline(0, color=INK, lw=1)
    ax.set_yticks(y, frame["policy"].tolist())
    ax.set_ylim(-0.6, len(frame) - 0.4)
    ax.set_xlabel(
        f"right answers against {validation.baseline} (points); thick: 95% by question, "
        "thin: by database"
    )
    n = len(set(validation.table.db_ids))
    title = f"What policies reach on databases that they never saw ({n} held out in turn)"
    return titled(ax, title, _caveat(_any_simulated(validation)))


@styled
def replay_curves(
    replay: Replay, policies: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the cumulated regret of policies over decisions, with 95% bands over seeds."""
    ax = new_axes(ax)
    t = np.arange(1, replay.rows.shape[1] + 1)
    shown = np.unique(np.linspace(0, len(t) - 1, 300).astype(int))
    drawn = looks(replay.chosen)
    for policy in policies or list(replay.chosen):
        mean, low, high = seed_band(replay.regret(policy)[:, shown])
        line(ax, t[shown], mean, drawn[policy], policy)
        band(ax, t[shown], low, high, drawn[policy])
    ax.axhline(0, color=INK, lw=0.8)
    ax.set_xlim(0, len(t))
    ax.set_xlabel("first repairs")
    ax.set_ylabel("right answers lost so far")
    legend_beside(ax)
    title = f"Regret against the best policy on the error class ({len(replay.seeds)} seeds)"
    return titled(ax, title, _caveat(_any_simulated(replay)))


@styled
def estimator_errors(validations: Mapping[str, Validation], ax: Axes | None = None) -> Axes:
    """Draw how far the estimators fall from the truth over many logs, with their coverage.

    Parameters
    ----------
    validations : mapping of str to Validation
        By the name of the logging policy.
    ax : Axes or None
        Where to draw.
    """
    ax = new_axes(ax, (8, 3.6))
    step, drawn = 1 / (len(validations) + 1), looks(validations)
    for j, (name, found) in enumerate(validations.items()):
        colour = drawn[name].colour
        errors = [found.estimates[e][:, 0] - found.truth for e in ESTIMATORS]
        places = np.arange(len(ESTIMATORS)) + (j - (len(validations) - 1) / 2) * step
        boxes = ax.boxplot(
            errors, positions=places, widths=0.8 * step, whis=(2.5, 97.5), patch_artist=True,
            showfliers=False, medianprops={"color": "white"}, manage_ticks=False,
        )  # fmt: skip
        for box in boxes["boxes"]:
            box.set(facecolor=colour, edgecolor=colour)
        boxes["boxes"][0].set_label(f"logged by {name}")
        for place, estimator, error in zip(places, ESTIMATORS, errors, strict=True):
            ax.annotate(
                f"{found.coverage(estimator):.1%}",
                (place, float(np.quantile(error, 0.975))),
                xytext=(0, 4), textcoords="offset points", ha="center", fontsize=8, color=INK,
            )  # fmt: skip
    ax.axhline(0, color=INK, lw=1)
    ax.set_xticks(range(len(ESTIMATORS)), [e.upper() for e in ESTIMATORS])
    ax.margins(y=0.12)
    ax.set_ylabel("estimate − exact value")
    legend_beside(ax)
    logs = len(next(iter(next(iter(validations.values())).estimates.values())))
    title = f"Errors over {logs} logs; above each box: coverage of its 95% intervals"
    return titled(ax, title, _caveat(True))


@styled
def sharpness(swept: Mapping[str, pd.DataFrame], against: Sequence[str]) -> Figure:
    """Draw the first policy's lead over others, by sharpness, after so many first repairs.

    Parameters
    ----------
    swept : mapping of str to DataFrame
        What `sensitivity.sweep` returns, by how failures come: a row of panels each.
    against : sequence of str
        The policies that the first one is compared with: a column of panels each.
    """
    figure = Figure(figsize=(9, 3 * len(swept) + 0.4), layout="constrained")
    axes = figure.subplots(len(swept), len(against), sharex=True, squeeze=False)
    for row, (mix, frame) in zip(axes, swept.items(), strict=True):
        first = str(frame["policy"].iloc[0])
        for ax, other in zip(row, against, strict=True):
            mine = frame[frame["policy"] == other]
            parts = list(mine.groupby("decisions"))
            # Of an ordered palette: its colours stand for no policy.
            colours = colormaps["cividis"](np.linspace(0.85, 0.0, len(parts)))
            for (n, part), colour in zip(parts, colours, strict=True):
                x = part["sharpness"].to_numpy(float)
                middle, low, high = (
                    100 * part[c].to_numpy(float) for c in ("difference", "low", "high")
                )
                ax.plot(x, middle, "o-", ms=4, color=colour, label=f"{n:,}")
                ax.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
            ax.axhline(0, color=INK, lw=1)
            ax.set_ylabel(f"{first} − {other} (points)")
            ax.set_title(f"{first} against {other}; failures as {mix}", fontsize=11)
    figure.supxlabel(
        "sharpness of the assumed matrix (0: all arms alike, 1: as `default` has it)", fontsize=10
    )
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, title="first repairs", loc="outside right upper")
    figure.suptitle("How sharp must the matrix be? (simulated model)", x=0.01, ha="left")
    return figure


def _any_simulated(result: Replay | CrossValidation) -> bool:
    """Whether the table, or what was told before, is of a simulated model."""
    tables = (result.table, result.earlier)
    return any(table is not None and table.simulated for table in tables)


def _caveat(simulated: bool) -> str:
    return "simulated model" if simulated else ""
