"""What a comparison shows: rates with intervals, paired differences, curves, and their table.

Intervals are clustered by question, and differences are paired: see `sqlbench.stats`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.grids.paired import paired_grid
from sqlbench.html import Card, Grid, Shown, Text
from sqlbench.runs.config import RunConfig
from sqlbench.runs.missing import failure_lines
from sqlbench.stats import (
    Interval,
    clustered_ratio,
    difference_of_shares,
    gap_closed,
    interval_text,
    paired_difference,
    points_text,
    rough_note,
    share_text,
)
from sqlbench.words import counted, markdown_table

if TYPE_CHECKING:
    import pandas as pd

KEYS = ["policy", "seed", "episode"]
# The rates that a feedback has, in the order of the tables; the first one sorts them.
RATES = {
    "oracle": ("repair_rate", "first", "field", "any"),
    "execution": ("repair_rate", "first", "field", "any"),
    "always": ("net", "fixed", "broken", "first"),
    "signals": ("repair_rate", "gated", "first", "field", "any"),
}
RATES_APART = {
    "oracle": ("any", "field", "first", "repair_rate"),
    "execution": ("field", "any", "first", "repair_rate"),
    "always": ("any", "first", "net", "fixed", "broken"),
}
COSTS = ("model_calls", "tokens", "regret")
_UNITS = "intervals by question; costs an episode"
_APART = (
    "First answers differ between the variants: repair_rate (and fixed, broken) is a share of "
    "other episodes for each of them, and does not compare them."
)
_PAIRED = (
    "Question by question (right: in at least half of its episodes; a question that nobody else "
    "gets: right at least once, and never with another variant):"
)
_UNKNOWN = (
    "Unknown: a share of nothing (no failure to repair, no gap to close), or an interval from too "
    "few questions. More episodes tell."
)


@dataclass(frozen=True)
class Comparison(Shown):
    """Every episode of every run, and what is computed from them.

    Attributes
    ----------
    episodes : DataFrame
        A row an episode: policy, seed, episode, question_id, db_id, success, first, field, any,
        attempts, model_calls, tokens, regret, simulated, ….
    config : RunConfig
        What the variants have in common (suite, model, feedback, length).
    baseline : str
        The variant that differences are taken against.
    models : tuple of str or None
        The models, where it is they that differ.
    failed : sequence of mapping
        The notes of the episodes that a variant has lost, as `Run.failed` has them.
    left_out : int
        How many episodes, over all seeds, are left out of every variant for that.
    policies : bool
        Whether the variants are policies, and differ in nothing else.
    """

    episodes: pd.DataFrame
    config: RunConfig
    baseline: str
    models: tuple[str, ...] | None = None
    failed: Sequence[Mapping[str, Any]] = ()
    left_out: int = 0
    policies: bool = True

    def card(self) -> Card:
        """Return what a notebook shows of it: the summary, best first."""
        grid = _grid(self)
        paired = replace(paired_grid(self), title="Question by question")
        notes = [f"{_UNITS.capitalize()}.", *_warnings(self, grid)]
        return Card(f"Comparison: {self.title}", [grid, paired, *map(Text, notes)])

    @property
    def title(self) -> str:
        """One line that says what was compared on what."""
        c, mark = self.config, " (simulated model)" if self.simulated else ""
        model = f"{c.model} + {c.repair_model}" if c.repair_model else c.model
        model = model if self.models is None else " / ".join(self.models)
        return (
            f"{c.suite} · {model}{mark} · feedback {c.feedback}: "
            f"{counted(len(self.seeds), 'seed')} × {counted(c.episodes, 'episode')}"
        )

    @property
    def simulated(self) -> bool:
        """Whether any of it comes from a simulated model."""
        return bool(self.episodes["simulated"].any())

    @property
    def names(self) -> list[str]:
        """The variants, as they were given."""
        return [str(n) for n in self.episodes["policy"].unique()]

    @property
    def seeds(self) -> list[int]:
        """The seeds."""
        return [int(s) for s in self.episodes["seed"].unique()]

    @cached_property
    def same_first(self) -> bool:
        """Whether all variants gave the same first answers, so that they repair the same ones."""
        first = self.episodes.pivot_table(
            index=["seed", "episode"], columns="policy", values="first", aggfunc="first"
        )
        return bool((first.nunique(axis=1, dropna=False) == 1).all())

    @property
    def rates(self) -> tuple[str, ...]:
        """The rates that this feedback has; the first one sorts the tables.

        Where first answers differ, one on all episodes comes first: a share of the failures has
        another denominator for each variant.
        """
        return (RATES if self.same_first else RATES_APART)[self.config.feedback]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row a run: policy, seed, the rates, and the costs over the whole run."""
        groups = self.episodes.groupby(["policy", "seed"], sort=False)
        rows = groups[["first", "field", "any"]].mean()
        for name in self.rates:
            top, bottom = self._ratio(name, self.episodes)
            parts = self.episodes.assign(top=top, bottom=bottom).groupby(
                ["policy", "seed"], sort=False
            )[["top", "bottom"]]
            totals = parts.sum()
            rows[name] = totals["top"] / totals["bottom"]
        costs = groups[["model_calls", "tokens"]].sum()
        costs["regret"] = groups["regret"].sum(min_count=1)
        # A sum over some of the episodes would look like little regret.
        costs.loc[groups["regret"].apply(lambda r: bool(r.isna().any())), "regret"] = np.nan
        shown = [*dict.fromkeys([*self.rates, "first", "field", "any"])]
        return rows[shown].join(costs).reset_index()

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row a variant, best first: means with 95% intervals, and paired differences.

        Each rate has columns NAME, NAME_low and NAME_high; costs are means an
        episode; ``difference`` is the first rate less the baseline's.
        """
        import pandas as pd

        rows = []
        for name, frame in self.episodes.groupby("policy", sort=False):
            clusters = frame["question_id"].tolist()
            row: dict[str, object] = {
                "policy": name,
                "seeds": frame["seed"].nunique(),
                "episodes": len(frame),
            }
            found = {r: clustered_ratio(*self._ratio(r, frame), clusters) for r in self.rates}
            ones = np.ones(len(frame))
            found |= {c: clustered_ratio(frame[c], ones, clusters) for c in COSTS}
            itself = str(name) == self.baseline  # which differs from itself by nothing
            found["difference"] = (
                Interval(0.0, 0.0, 0.0, len(frame), len({*clusters}))
                if itself
                else self.difference(str(name), self.baseline)
            )
            for key, interval in found.items():
                row |= {
                    key: interval.estimate,
                    f"{key}_low": interval.low,
                    f"{key}_high": interval.high,
                }
            rows.append(row)
        table = pd.DataFrame(rows)
        return table.sort_values(self.rates[0], ascending=False, ignore_index=True)

    def difference(
        self, name: str, baseline: str, rate: str | None = None, episodes: range | None = None
    ) -> Interval:
        """Return a rate of one variant less another's, with its paired interval.

        Parameters
        ----------
        name, baseline : str
            The variants.
        rate : str or None
            One of `rates`; None takes the first.
        episodes : range or None
            Only these of each run; None takes all.
        """
        rate = rate or self.rates[0]
        columns, clusters = self._columns([name, baseline], rate, episodes)
        if (columns[:, [1, 3]] == 1).all():  # both say something of every episode
            return paired_difference(columns[:, 0], columns[:, 2], clusters)
        return difference_of_shares(columns, clusters)

    def gap_closed(
        self,
        name: str,
        low: str = "random",
        high: str = "oracle",
        episodes: range | None = None,
        by: str = "question_id",
    ) -> Interval:
        """Return the share of the gap between two variants that a third one closes.

        Parameters
        ----------
        name, low, high : str
            The variant, and the two ends of the gap.
        episodes : range or None
            Only these of each run; None takes the last 30 in a hundred.
        by : {"question_id", "seed"}
            What the interval counts.
        """
        if episodes is None:
            total = self.config.episodes
            episodes = range(round(0.7 * total), total)
        columns, clusters = self._columns([name, low, high], self.rates[0], episodes, by)
        return gap_closed(columns, clusters)

    def curves(self, name: str, window: int = 100) -> pd.DataFrame:
        """Return a variant's share of repaired failures in a moving window, a column a seed.

        Index: the episode that ends the window. A run shorter than the window is one window.
        """
        window = min(window, self.config.episodes)
        hits, failures = (
            self._matrix(name, column).rolling(window).sum().dropna()
            for column in ("_repaired", "_failed")
        )
        return hits / failures

    def regret_curves(self, name: str) -> pd.DataFrame:
        """Return a variant's regret up to each episode, a column a seed."""
        return self._matrix(name, "regret").cumsum()

    def area(self, name: str, window: int = 100) -> pd.Series[float]:
        """Return the area under the learning curve for each seed: its mean height, 0 to 1."""
        return self.curves(name, window).mean()

    def label(self, name: str) -> str:
        """Return a variant's name as tables and figures show it."""
        if name.partition("?")[0] == "resample" and self.config.feedback == "oracle":
            return f"{name} (pass@{self.config.max_attempts})"
        return name

    def _ratio(
        self, rate: str, frame: pd.DataFrame
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the numerator and the denominator of a rate for each episode."""
        first = frame["first"].to_numpy(dtype=bool)
        success = frame["success"].to_numpy(dtype=bool)
        everyone = np.ones(len(frame))
        if rate in ("repair_rate", "fixed"):
            return (success & ~first).astype(float), (~first).astype(float)
        if rate == "broken":
            return (~success & first).astype(float), first.astype(float)
        if rate == "net":
            return success.astype(float) - first, everyone
        return frame[rate].to_numpy(dtype=float), everyone

    def _columns(
        self,
        names: Sequence[str],
        rate: str,
        episodes: range | None,
        by: str = "question_id",
    ) -> tuple[NDArray[np.float64], list[object]]:
        """Return numerator and denominator of each variant side by side, a row an episode."""
        import pandas as pd

        columns = []
        for name in names:
            mine = self._of(name).sort_values(KEYS, kind="stable")
            if episodes is not None:
                mine = mine[mine["episode"].isin(episodes)]
            columns.append(pd.DataFrame(dict(zip("ab", self._ratio(rate, mine), strict=True))))
            keys = mine[["seed", "episode", "question_id"]].reset_index(drop=True)
            if len(columns) == 1:
                first = keys
            elif not keys.equals(first):
                raise ConfigError(
                    f"The episodes of {name!r} and {names[0]!r} do not pair up: some failed in "
                    "the model; run the comparison again to retry them."
                )
        return pd.concat(columns, axis=1).to_numpy(), first[by].tolist()

    def _matrix(self, name: str, column: str) -> pd.DataFrame:
        mine = self._of(name)
        first, success = mine["first"].astype(bool), mine["success"].astype(bool)
        mine = mine.assign(_failed=(~first).astype(float), _repaired=(success & ~first) * 1.0)
        return mine.pivot(index="episode", columns="seed", values=column)

    def _of(self, name: str) -> pd.DataFrame:
        if name not in self.names:
            raise UnknownNameError("variant", name, self.names)
        return self.episodes[self.episodes["policy"] == name]


def comparison_table(comparison: Comparison) -> str:
    """Return the summary as a Markdown table, best first; it reads well in a terminal too."""
    grid = _grid(comparison)
    lines = [f"{comparison.title}; {_UNITS}", ""]
    lines += [markdown_table(list(map(str, grid.header)), grid.rows)]
    pairs = paired_grid(comparison)
    lines += ["", _PAIRED, ""]
    lines += [markdown_table(list(map(str, pairs.header)), pairs.rows)]
    for warning in _warnings(comparison, grid):
        lines += ["", warning]
    return "\n".join(lines)


def _warnings(comparison: Comparison, grid: Grid) -> list[str]:
    apart = [] if comparison.same_first else [_APART]
    rough = rough_note(comparison.episodes["question_id"].nunique())
    unknown = [_UNKNOWN] if _has_unknown(grid) else []
    return apart + ([] if rough is None else [rough]) + unknown + _lost(comparison)


def _lost(comparison: Comparison) -> list[str]:
    """Say how many episodes are left out, and why."""
    if not comparison.left_out:
        return []
    asked = len(comparison.episodes[["seed", "episode"]].drop_duplicates()) + comparison.left_out
    said = (
        f"{comparison.left_out} of {counted(asked, 'episode')} of a variant were lost to the model "
        "or the database by at least one of them, and are left out of all: what is compared are "
        "the survivors. Repeat the comparison to try them again. Lost:"
    )
    return ["\n".join([said, *(f"  {line}" for line in failure_lines(comparison.failed))])]


def _gap_text(c: Comparison, name: str) -> str:
    """Return what a variant closes of the gap; its two ends are where they are by definition."""
    closed = c.gap_closed(name)
    return share_text(closed.estimate) if name in ("random", "oracle") else str(closed)


def _grid(c: Comparison) -> Grid:
    first = c.rates[0]
    gap = {"random", "oracle"} <= set(c.names) and c.config.feedback != "always" and c.same_first
    header = [
        "policy" if c.policies and c.same_first else "variant",
        *(f"{r} [95%]" if r == first else r for r in c.rates),
    ]
    known = bool(c.summary["regret"].notna().any())  # only a simulated model's is
    header += [f"points from {c.baseline} [95%]", "calls", "tokens"]
    header += ["regret"] if known else []
    header += ["gap closed [95%], last 30%"] if gap else []
    rows = []
    for row in c.summary.to_dict("records"):
        name = str(row["policy"])
        cells = [c.label(name), _range(row, first), *(share_text(row[r]) for r in c.rates[1:])]
        cells += ["—" if name == c.baseline else _range(row, "difference", points_text)]
        cells += [f"{row['model_calls']:.2f}", f"{row['tokens']:,.0f}"]
        if known:
            cells += ["—" if row["regret"] != row["regret"] else f"{row['regret']:.3f}"]
        cells += [_gap_text(c, name)] if gap else []
        rows.append(cells)
    return Grid(header, rows)


def _range(
    row: Mapping[Any, Any],
    name: str,
    text: Callable[[float, float, float], str] = interval_text,
) -> str:
    return text(row[name], row[f"{name}_low"], row[f"{name}_high"])


def _has_unknown(grid: Grid) -> bool:
    return any("unknown" in str(cell) for row in grid.rows for cell in row[1:])
