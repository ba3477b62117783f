"""Figures of graded predictions: each takes an Axes (or makes one) and returns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from sqlbench.grading.doubts import risk_coverage as coverage_and_risk
from sqlbench.grading.leaderboard import accuracy, leaderboard, reasons_by_file
from sqlbench.plots.look import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PINK,
    RED,
    SKY,
    YELLOW,
    legend_beside,
    looks,
    new_axes,
    percent,
    styled,
)

if TYPE_CHECKING:
    from sqlbench.grading.graded import Graded

REASON_COLOURS = {
    "row_count": BLUE,
    "values": ORANGE,
    "column_count": GREEN,
    "duplicates": PINK,
    "type": PINK,
    "order": SKY,
    "pred_error": RED,
    "timeout": GREY,
    "truncated": YELLOW,
}


@styled
def scores(graded: Sequence[Graded], ax: Axes | None = None) -> Axes:
    """Draw each file's share of right answers with its Wilson interval, best on top.

    Where files were graded on neighbour databases too, a ring shows the share without what proved
    to be luck.
    """
    table = leaderboard(graded).iloc[::-1]
    ax = new_axes(ax, (8, 1.2 + 0.5 * len(table)))
    for i, (_, row) in enumerate(table.iterrows()):
        ax.plot([row["low"], row["high"]], [i, i], color=BLUE, lw=3, alpha=0.35)
        ax.plot(row["rate"], i, "o", color=BLUE, ms=7, label="right" if i == 0 else None)
        if row["tested"]:
            sound = (row["correct"] - row["lucky"]) / row["n"]
            label = "without lucky matches" if i == 0 else None
            ax.plot(sound, i, "o", color=RED, ms=9, mfc="none", mew=1.5, label=label)
        ax.annotate(
            f"{row['rate']:.1%}",
            (row["rate"], i),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=INK,
        )
    ax.set_yticks(range(len(table)), [str(name) for name in table.index])
    ax.set_ylim(-0.5, len(table) - 0.3)
    ax.set_xlim(0, 1.02)
    percent(ax.xaxis)
    ax.set_xlabel(f"share right by {graded[0].metric}, with 95% interval (Wilson)")
    if len(ax.get_legend_handles_labels()[0]) > 1:
        legend_beside(ax)
    ax.set_title("Who is right how often")
    return ax


@styled
def reasons(graded: Sequence[Graded], ax: Axes | None = None) -> Axes:
    """Draw why each file's wrong answers are wrong, as shares of all its answers."""
    table = reasons_by_file(graded).iloc[::-1]
    ax = new_axes(ax, (8, 1.4 + 0.45 * len(table)))
    left = [0.0] * len(table)
    for reason, colour in REASON_COLOURS.items():
        if reason in table:
            widths = table[reason].tolist()
            ax.barh(range(len(table)), widths, left=left, color=colour, label=reason, height=0.6)
            left = [a + b for a, b in zip(left, widths, strict=True)]
    ax.set_yticks(range(len(table)), [str(name) for name in table.index])
    percent(ax.xaxis)
    ax.set_xlabel("share of all answers")
    legend_beside(ax)
    ax.set_title("Why wrong answers are wrong")
    return ax


@styled
def by_hardness(graded: Sequence[Graded], ax: Axes | None = None) -> Axes:
    """Draw each file's share of right answers in each tier, with Wilson intervals."""
    ax = new_axes(ax, (8, 4))
    step = min(0.25, 0.8 / max(len(graded), 1))
    drawn = looks(one.name for one in graded)
    tiers: list[str] = []
    for i, one in enumerate(graded):
        table = accuracy(one, "hardness").drop(index="all")
        tiers = [str(t) for t in table.index]
        x = [j + (i - (len(graded) - 1) / 2) * step for j in range(len(tiers))]
        low, high = table["rate"] - table["low"], table["high"] - table["rate"]
        colour, _, marker = drawn[one.name]
        ax.errorbar(x, table["rate"], yerr=[low, high], fmt=marker, color=colour, label=one.name)
    sizes = accuracy(graded[0], "hardness")["n"]
    ax.set_xticks(range(len(tiers)), [f"{t}\n(n = {sizes[t]})" for t in tiers])
    ax.set_xlim(-0.6, len(tiers) - 0.4)
    ax.set_ylim(-0.03, 1.03)
    percent(ax.yaxis)
    ax.set_ylabel("share right, 95% interval")
    legend_beside(ax)
    ax.set_title(f"By hardness ({graded[0].meta['hardness_by']})")
    return ax


@styled
def luck(graded: Sequence[Graded], ax: Axes | None = None) -> Axes:
    """Draw the share of tested matches that are lucky, by the kind of neighbour that shows it."""
    from sqlbench.grading.neighbour_rows import Kind

    ax = new_axes(ax, (8, 1.4 + 0.45 * len(graded)))
    left = [0.0] * len(graded)
    names = [g.name for g in reversed(graded)]
    for kind, colour in zip(Kind, (RED, ORANGE, SKY), strict=True):
        widths = []
        for one in reversed(graded):
            frame = one.frame
            shown = frame["lucky_on"].fillna("").str.startswith(kind)
            widths.append(int(shown.sum()) / max(int(frame["lucky"].notna().sum()), 1))
        ax.barh(range(len(names)), widths, left=left, color=colour, label=str(kind), height=0.6)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    ax.set_yticks(range(len(names)), names)
    ax.set_xlim(0, 1.05 * max(*left, 0.1))  # a bar of no width would hold the edge to itself
    percent(ax.xaxis)
    ax.set_xlabel("share of matches that a neighbour could test")
    legend_beside(ax, title="shown first on rows that are")
    ax.set_title("Matches that are luck")
    return ax


@styled
def risk_coverage(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]], ax: Axes | None = None
) -> Axes:
    """Draw what share is wrong of the answers that are kept, from the least doubtful on.

    Parameters
    ----------
    curves : mapping of str to (doubt, wrong)
        For each file the doubts and 1 where the answer is wrong, shapes (answers,).
    ax : Axes, optional
    """
    ax = new_axes(ax, (7, 4))
    for (name, (doubt, wrong)), colour in zip(
        curves.items(), cycle((BLUE, ORANGE, GREEN, PINK, SKY, RED)), strict=False
    ):
        coverage, risk = coverage_and_risk(doubt, wrong)
        # Among answers of one doubt any are kept: the line to them is straight, the first level.
        ax.plot(np.append(0.0, coverage), np.append(risk[0], risk), color=colour, label=name)
        ax.axhline(float(np.mean(np.asarray(wrong, dtype=float))), color=colour, lw=1, ls=":")
    ax.set(xlabel="answers kept, least doubtful first", ylabel="wrong of those kept")
    ax.set(xlim=(0, 1), ylim=(0, None), title="Risk against coverage (dotted: all are kept)")
    percent(ax.xaxis)
    percent(ax.yaxis)
    legend_beside(ax)
    return ax
