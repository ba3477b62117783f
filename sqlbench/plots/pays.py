"""Figures on when a repair bandit pays: each takes an Axes (or makes one) and returns it.

What is drawn was computed by `sqlbench.evidence` (`systems`, `pays`, `equal_calls`, `repair_map`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

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
    policy_look,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd

SIMULATED = "simulated"
_COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, RED)
_MARKS = ("o", "s", "^", "D", "v", "P")


@styled
def raised_share(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share of failures that raise against accuracy, a mark a system.

    Parameters
    ----------
    table : DataFrame
        What `sqlbench.evidence.systems.systems_table` returns.
    ax : Axes or None
        Where to draw.
    """
    ax = new_axes(ax, (8, 4.6))
    families = list(dict.fromkeys(table["family"]))
    for family, colour, mark in zip(families, _COLOURS, _MARKS, strict=False):
        part = table[table["family"] == family]
        spread = [part["raised"] - part["raised_low"], part["raised_high"] - part["raised"]]
        ax.errorbar(
            part["right"], part["raised"], yerr=np.clip(spread, 0, None), fmt=mark, ms=5, lw=0.8,
            color=colour, label=f"{family} ({len(part)})",
        )  # fmt: skip
    percent(ax.xaxis)
    percent(ax.yaxis)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("first answers right")
    ax.set_ylabel("failures that raise an error")
    ax.set_title("The better the model, the less its failures say (95% by question)")
    legend_beside(ax, title="family (systems)")
    return ax


@styled
def class_mix(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how failures fail, by accuracy: raised, no rows, wrong rows; a bar a system."""
    ax = new_axes(ax, (8, 3.6))
    x, bottom = np.arange(len(table)), np.zeros(len(table))
    for column, name, colour in (
        ("raised", "raised", RED),
        ("empty", "no rows", ORANGE),
        ("wrong_rows", "wrong rows", SKY),
    ):
        ax.bar(x, table[column], bottom=bottom, width=1.0, color=colour, label=name)
        bottom += table[column].to_numpy()
    places = np.linspace(0, len(table) - 1, min(len(table), 8)).round().astype(int)
    ax.set_xticks(places, [f"{table['right'].iloc[i]:.0%}" for i in places])
    ax.set_xlim(-0.5, len(table) - 0.5)
    ax.set_ylim(0, 1)
    percent(ax.yaxis)
    ax.set_xlabel("systems in the order of their accuracy (marks: first answers right)")
    ax.set_ylabel("of the failures")
    ax.set_title("How failures fail")
    legend_beside(ax)
    return ax


@styled
def against_accuracy(
    table: pd.DataFrame, setting: str, column: str, ax: Axes | None = None
) -> Axes:
    """Draw gap closed, or points gained over something, against the accuracy of first answers.

    Parameters
    ----------
    table : DataFrame
        What `sqlbench.evidence.pays.paid_table` returns.
    setting : str
        Which world.
    column : str
        ``gap_closed``, or the name of what the points are gained over.
    ax : Axes or None
        Where to draw.
    """
    ax = new_axes(ax, (8, 4))
    shown = [p for p in dict.fromkeys(table["policy"]) if p not in ("random", "oracle", column)]
    low, high = ("gap_low", "gap_high") if column == "gap_closed" else (
        f"{column}_low", f"{column}_high",
    )  # fmt: skip
    for policy in shown:
        look = policy_look(policy.partition(",")[0])  # the best fixed arm is no policy
        colour = look.colour if look is not None else INK
        part = table[(table["setting"] == setting) & (table["policy"] == policy)]
        part = part.sort_values("accuracy")
        dashed = ":" if "," in policy else look.dash if look is not None else "--"
        ax.plot(
            part["accuracy"], part[column], ls=dashed, color=colour, marker="o", ms=3, label=policy
        )
        ax.fill_between(part["accuracy"], part[low], part[high], color=colour, alpha=0.15, lw=0)
    ax.axhline(0, color=GREY, lw=1, ls=":")
    percent(ax.xaxis)
    ax.set_xlabel("first answers right")
    if column == "gap_closed":
        percent(ax.yaxis)
        ax.set_ylabel("gap random → oracle closed")
    else:
        ax.set_ylabel(f"points of failures over {column}")
    ax.set_title(f"{SETTING_TITLES[setting]} ({SIMULATED}; bands: 95% over seeds)")
    legend_beside(ax)
    return ax


SETTING_TITLES = {
    "full": "Matrix as assumed",
    "half": "Half as sharp",
    "quarter": "A quarter as sharp",
    "signals": "Signals say which arm helps",
}


@styled
def crossing_points(
    table: pd.DataFrame, limit: int, ax: Axes | None = None, *, policy: str
) -> Axes:
    """Draw after how many failures a policy is ahead, against accuracy; a mark above: never.

    Parameters
    ----------
    table : DataFrame
        What `sqlbench.evidence.pays.crossings` returns, of one ``over``.
    limit : int
        How many failures were replayed.
    ax : Axes or None
        Where to draw.
    policy : str
        Whose they are.
    """
    ax = new_axes(ax, (8, 4))
    never = limit * 1.5
    settings = [s for s in SETTING_TITLES if s in set(table["setting"])]
    for i, (setting, colour, mark) in enumerate(zip(settings, _COLOURS, _MARKS, strict=False)):
        part = table[table["setting"] == setting].sort_values("accuracy")
        middle, low, high = (part[c].clip(upper=never) for c in ("crossing", "low", "high"))
        x = part["accuracy"] + (i - 1.5) * 0.003
        ax.vlines(x, low, high, color=colour, lw=1.2, alpha=0.6)
        ax.plot(x, middle, mark, color=colour, ms=5, label=SETTING_TITLES[setting])
    ax.set_yscale("log")
    ticks = [t for t in (1, 10, 30, 100, 300, 1000, 3000) if t <= limit]
    ax.set_yticks([*ticks, never], [*map(str, ticks), "never"])
    ax.minorticks_off()
    percent(ax.xaxis)
    ax.set_xlabel("first answers right")
    ax.set_ylabel("failures until ahead")
    over = ", ".join(dict.fromkeys(table["over"]))
    ax.set_title(f"When {policy} is ahead of {over} ({SIMULATED}; lines: 95%)")
    legend_beside(ax)
    return ax


@styled
def samples_or_repairs(
    samples: pd.DataFrame, repairs: pd.DataFrame, ax: Axes | None = None
) -> Axes:
    """Draw what k real samples gain over the first answer, and what one real repair gains.

    Parameters
    ----------
    samples : DataFrame
        What `sqlbench.evidence.equal_calls.samples_table` returns.
    repairs : DataFrame
        What `sqlbench.evidence.equal_calls.repairs_table` returns.
    ax : Axes or None
        Where to draw.
    """
    ax = new_axes(ax, (8, 4.4))
    for source, colour in zip(dict.fromkeys(samples["source"]), _COLOURS, strict=False):
        part = samples[samples["source"] == source]
        for rule, style in (("pass", ":"), ("majority", "--"), ("doubt", "-")):
            label = f"{source}, {'any right' if rule == 'pass' else rule}"
            ax.plot(part["calls"], part[f"{rule}_gain"], style, color=colour, lw=1.4, label=label)
    spread = [repairs["net"] - repairs["net_low"], repairs["net_high"] - repairs["net"]]
    x = 2 + np.linspace(-0.18, 0.18, max(len(repairs), 1))[: len(repairs)]
    ax.errorbar(
        x, repairs["net"], yerr=np.clip(spread, 0, None), fmt="D", ms=4, lw=0.8, color=INK,
        label="one repair, made always\n(a mark a model and method)",
    )  # fmt: skip
    ax.axhline(0, color=GREY, lw=1)
    ax.set_xlabel("model calls a question")
    ax.set_ylabel("points over the first answer")
    ax.set_title("Samples or repairs, at equal calls (real answers)")
    legend_beside(ax)
    return ax


@styled
def repair_map(table: pd.DataFrame, title: str, ax: Axes | None = None) -> Axes:
    """Draw what share of the wrong is fixed and of the right broken, with counts.

    Parameters
    ----------
    table : DataFrame
        What `sqlbench.evidence.repair_map.map_table` returns.
    title : str
        What the rows are.
    ax : Axes or None
        Where to draw.
    """
    ax = new_axes(ax, (8, 0.42 * len(table) + 1.5))
    rows = table.iloc[::-1].to_dict("records")
    for i, row in enumerate(rows):
        for name, colour, up in (("fix", GREEN, 0.14), ("break", RED, -0.14)):
            if np.isnan(row[f"{name}_rate"]):
                continue
            faint = 1.0 if row["enough"] or name == "break" else 0.35
            ends = [row[f"{name}_low"], row[f"{name}_high"]]
            ax.plot(ends, [i + up] * 2, color=colour, lw=3, alpha=0.35 * faint)
            ax.plot(row[f"{name}_rate"], i + up, "o", color=colour, ms=5, alpha=faint)
    labels = [f"{r['what']}  +{r['fixed']}/{r['wrong']}  −{r['broken']}/{r['right']}" for r in rows]
    ax.set_yticks(range(len(rows)), labels)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlim(-0.02, 1.02)
    ax.plot([], [], "o", color=GREEN, label="of the wrong fixed")
    ax.plot([], [], "o", color=RED, label="of the right broken")
    percent(ax.xaxis)
    ax.set_xlabel("share, with 95% interval by question (faint: too few)")
    ax.set_title(title)
    legend_beside(ax)
    return ax
