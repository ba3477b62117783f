"""Figures of doubts: each takes an Axes (or makes one) and returns it.

What is drawn was computed by `sqlbench.evidence.doubt_figures` and `sqlbench.evidence.real_chains`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from sqlbench.evidence import doubt_figures
from sqlbench.plots.look import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PINK,
    RED,
    SKY,
    legend_beside,
    new_axes,
    percent,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.evidence.doubt_figures import Judged


@styled
def roc(curves: Mapping[str, Judged], ax: Axes | None = None, *, seed: int = 0) -> Axes:
    """Draw ROC curves: how many of the right answers are flagged to flag so many of the wrong.

    Parameters
    ----------
    curves : mapping of str to Judged
        By name.
    ax : Axes or None
        Where to draw.
    seed : int
        Of the intervals' resamples.
    """
    ax = new_axes(ax, (7, 4.5))
    colours = cycle((BLUE, ORANGE, GREEN, PINK, SKY, RED))
    for (name, found), colour in zip(curves.items(), colours, strict=False):
        right, wrong = doubt_figures.roc(found)
        area = doubt_figures.auc(found, seed=seed)
        label = f"{name}: {area.estimate:.3f} [{area.low:.3f}, {area.high:.3f}]"
        ax.plot(right, wrong, color=colour, label=label)
    ax.plot([0, 1], [0, 1], color=GREY, lw=1, ls=":")
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    percent(ax.xaxis)
    percent(ax.yaxis)
    ax.set_xlabel("right answers flagged")
    ax.set_ylabel("wrong answers flagged")
    legend_beside(ax, title="area under the curve\n[95% by database]")
    ax.set_title("Wrong answers told from right ones")
    return ax


@styled
def by_database(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the area under the ROC curve of each database that was held out, the best on top.

    Parameters
    ----------
    table : DataFrame
        What `doubt_figures.by_database` returns.
    ax : Axes or None
        Where to draw.
    """
    known = table[table["auc"].notna()]
    ax = new_axes(ax, (8, 0.3 * len(known) + 1.3))
    for i, row in enumerate(known.to_dict("records")):
        ax.plot([row["low"], row["high"]], [i, i], color=BLUE, lw=4, alpha=0.35)
        ax.plot(row["auc"], i, "o", color=BLUE, ms=6)
    ax.axvline(0.5, color=GREY, lw=1, ls=":")
    median = float(known["auc"].median())
    ax.axvline(median, color=INK, lw=1)
    labels = [f"{n} ({a})" for n, a in zip(known["database"], known["answers"], strict=True)]
    ax.set_yticks(range(len(known)), labels)
    ax.set_ylim(-0.6, len(known) - 0.4)
    ax.set_xlabel("area under the ROC curve, with 95% interval by question")
    ax.set_title(f"By database, each held out (line: the median, {median:.2f}; dots: chance)")
    return ax


@styled
def calibration(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw what share is wrong of the answers of like doubt, with intervals by database.

    Parameters
    ----------
    table : DataFrame
        What `doubt_figures.calibration` returns.
    ax : Axes or None
        Where to draw.
    """
    ax = new_axes(ax, (6, 4.5))
    share = table["given"] / table["given"].sum()
    ax.bar(table["doubt"], share, width=0.05, color=GREY, alpha=0.35, label="share of the answers")
    ax.plot([0, 1], [0, 1], color=INK, lw=1, ls=":", label="as it should be")
    middle = table["wrong"]
    spread = [(middle - table["low"]).clip(lower=0), (table["high"] - middle).clip(lower=0)]
    ax.errorbar(
        table["doubt"], middle, yerr=spread, fmt="o", color=BLUE, label="wrong, 95% by database"
    )
    ax.set(xlim=(0, 1), ylim=(0, 1))
    percent(ax.xaxis)
    percent(ax.yaxis)
    ax.set_xlabel("doubt")
    ax.set_ylabel("wrong of the answers of such doubt")
    legend_beside(ax)
    ax.set_title("A doubt is a probability")
    return ax


@styled
def what_each_adds(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw what is lost without each kind of signals, what adds most on top.

    Parameters
    ----------
    table : DataFrame
        What `doubt_figures.what_each_adds` returns.
    ax : Axes or None
        Where to draw.
    """
    kinds = list(dict.fromkeys(table["kind"]))[::-1]
    ax = new_axes(ax, (8, 0.5 * len(kinds) + 1.2))
    for shift, name, colour in ((0.15, "all", BLUE), (-0.15, "with rows", ORANGE)):
        rows = table[table["answers"] == name].set_index("kind").loc[kinds]
        y = np.arange(len(kinds)) + shift
        label = "all answers" if name == "all" else "answers with rows"
        ax.hlines(y, 100 * rows["low"], 100 * rows["high"], color=colour, lw=4, alpha=0.35)
        ax.plot(100 * rows["lost"], y, "o", color=colour, ms=6, label=label)
    ax.axvline(0, color=INK, lw=1)
    ax.set_yticks(range(len(kinds)), kinds)
    ax.set_ylim(-0.6, len(kinds) - 0.4)
    ax.set_xlabel("lost without it: points of the area under the ROC curve, 95% by database")
    legend_beside(ax)
    ax.set_title("What each kind of signals adds to the others")
    return ax


@styled
def chains(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw for each chain of repairs how many answers are right at its ends, gated and audited.

    Parameters
    ----------
    table : DataFrame
        What `real_chains.chains_table` returns.
    ax : Axes or None
        Where to draw.
    """
    rows = table.iloc[::-1].to_dict("records")
    ax = new_axes(ax, (8, 0.5 * len(rows) + 1.3))
    marks = (
        ("first", "first answers", "o", GREY, 0.0),
        ("last", "all repairs taken", "s", ORANGE, 0.0),
        ("gated", "repaired while doubted (gate)", "v", GREEN, -0.22),
        ("audited", "kept or taken by doubt (audit)", "D", BLUE, 0.22),
    )
    for i, row in enumerate(rows):
        ax.plot([row["first"], row["last"]], [i, i], color=GREY, lw=1)
        for name, label, marker, colour, shift in marks:
            named = None if i else label
            ax.plot(row[name], i + shift, marker, color=colour, ms=7, label=named)
    n = int(table["questions"].max())
    ax.set_yticks(range(len(rows)), [row["chain"] for row in rows])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlabel(f"right answers to {n} questions")
    legend_beside(ax)
    ax.set_title("Real chains of repairs, and what doubt makes of them")
    return ax


@styled
def gate(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw what a gate gives at each limit of doubt: right answers, and repairs that are made.

    Parameters
    ----------
    table : DataFrame
        What `real_chains.gate_curve` returns.
    ax : Axes or None
        Where to draw.
    """
    ax = new_axes(ax, (7, 4))
    for column, label, colour, dash in (
        ("right", "answers that end right", BLUE, "-"),
        ("repairs", "repairs made, of all", ORANGE, (0, (6, 2))),
    ):
        ax.plot(table["max_doubt"], table[column], color=colour, ls=dash, label=label)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    percent(ax.yaxis)
    ax.set_xlabel("limit of doubt (0: every repair is made, 1: only what raised is repaired)")
    legend_beside(ax)
    ax.set_title("The gate, over all chains")
    return ax
