"""Policies side by side: the same questions, the same random numbers, paired statistics.

Every policy answers the same questions in the same order, and the model's luck at an attempt is the
same whatever the policy (`sqlbench.seeds`), so episodes pair up by seed and number. Intervals are
clustered by question. What is compared is any set of run configurations under names of their own:
policies here, learners or parameters in an ablation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sqlbench.analysis import markdown_table
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.grid import Workers, run_grid
from sqlbench.models import Calling
from sqlbench.repair import ARMS
from sqlbench.run_config import RunConfig
from sqlbench.runs import Run
from sqlbench.stats import Interval, cluster_bootstrap, clustered_ratio

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.episode import Episode
    from sqlbench.models.profile import Profile

KEYS = ["policy", "seed", "episode"]
# The rates that a feedback has, in the order of the tables; the first one sorts them.
RATES = {
    "oracle": ("repair_rate", "first", "field", "any"),
    "execution": ("repair_rate", "first", "field", "any"),
    "always": ("net", "fixed", "broken", "first"),
}
COSTS = ("model_calls", "tokens", "regret")


def compare(
    variants: Mapping[str, RunConfig],
    seeds: Sequence[int],
    out: str | Path,
    *,
    baseline: str | None = None,
    workers: Workers | None = None,
    progress: bool = True,
    calling: Calling | None = None,
) -> Comparison:
    """Run every variant with every seed, or read what was run before, and compare.

    Parameters
    ----------
    variants : mapping of str to RunConfig
        What is compared, by name; each configuration's own seed is replaced.
    seeds : sequence of int
        At least two: an interval needs them.
    out : path
        The folder of the runs; see `sqlbench.grid`.
    baseline : str or None
        The variant that paired differences are taken against; None takes ``random`` if that is
        among them, else the last.
    workers, progress, calling
        See `run_grid`.

    Returns
    -------
    Comparison
        Every episode of every run, and what is computed from them.

    Raises
    ------
    ConfigError
        If there are fewer than two seeds, or the variants differ in what they ask.
    UnknownNameError
        If the baseline is not among the variants, or as `run_grid` raises it.
    """
    import pandas as pd

    if len(set(seeds)) < 2:
        raise ConfigError(f"Intervals need at least two seeds, not {len(set(seeds))}.")
    if not variants:
        raise ConfigError("There is nothing to compare: name at least one policy.")
    if baseline is None:
        baseline = "random" if "random" in variants else list(variants)[-1]
    if baseline not in variants:
        raise UnknownNameError("baseline", baseline, variants)
    if len({(c.suite, c.task, c.episodes, c.feedback) for c in variants.values()}) > 1:
        raise ConfigError("Variants pair up only on one suite, task, feedback and length.")
    places = [(name, seed) for name in variants for seed in dict.fromkeys(seeds)]
    configs = [variants[name].model_copy(update={"seed": seed}) for name, seed in places]
    frames = run_grid(configs, out, outcomes, workers=workers, progress=progress, calling=calling)
    labelled = [
        frame.assign(policy=name, seed=seed)
        for (name, seed), frame in zip(places, frames, strict=True)
    ]
    return Comparison(
        pd.concat(labelled, ignore_index=True), next(iter(variants.values())), baseline
    )


def outcomes(run: Run) -> pd.DataFrame:
    """Return a row an episode: what `Run.episodes` has, and its regret.

    ``regret`` is the expected one (pseudo-regret): over the repairs of the episode, the best arm's
    chance in that context less the chosen arm's, by the simulated model's own matrix. It is NaN for
    a real model, whose chances nobody knows, and where ``generate`` was chosen, which is no arm.
    """
    from sqlbench.models.profile import load_profile

    kind, _, profile = run.config.model.partition(":")
    known = load_profile(profile or "default") if kind == "simulated" else None
    total = run.config.episodes
    regrets = {
        e.index: np.nan if known is None else _regret(e, known, e.index / total) for e in run.log
    }
    frame = run.episodes
    return frame.assign(
        tokens=frame["prompt_tokens"] + frame["completion_tokens"],
        regret=frame["episode"].map(regrets),
    )


def _regret(episode: Episode, profile: Profile, progress: float) -> float:
    regret = 0.0
    for before, step in zip(episode.steps, episode.steps[1:], strict=False):
        if step.context is None:
            return float("nan")
        if not before.success:  # an answer that was right leaves no arm anything to gain
            chances = [profile.p_fixed(step.context, arm, progress) for arm in ARMS]
            regret += max(chances) - chances[[str(a) for a in ARMS].index(step.action)]
    return regret


@dataclass(frozen=True)
class Comparison:
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
    """

    episodes: pd.DataFrame
    config: RunConfig
    baseline: str

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

    @property
    def rates(self) -> tuple[str, ...]:
        """The rates that this feedback has; the first one sorts the tables."""
        return RATES[self.config.feedback]

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

        Each rate has columns NAME, NAME_low and NAME_high; costs are means an episode (regret a
        thousand episodes); ``difference`` is the first rate less the baseline's.
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
            found["difference"] = self.difference(str(name), self.baseline)
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
        return cluster_bootstrap(
            columns, clusters, lambda t: t[..., 0] / t[..., 1] - t[..., 2] / t[..., 3]
        )

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
            What is resampled.
        """
        if episodes is None:
            total = self.config.episodes
            episodes = range(round(0.7 * total), total)
        columns, clusters = self._columns([name, low, high], self.rates[0], episodes, by)

        def closed(t: NDArray[np.float64]) -> NDArray[np.float64]:
            mine, bottom, top = (t[..., i] / t[..., i + 1] for i in (0, 2, 4))
            share: NDArray[np.float64] = (mine - bottom) / (top - bottom)
            return share

        return cluster_bootstrap(columns, clusters, closed)

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
    c, names = comparison, comparison.names
    first = c.rates[0]
    gap = {"random", "oracle"} <= set(names) and c.config.feedback != "always"
    header = ["policy", *(f"{r} [95%]" if r == first else r for r in c.rates)]
    header += [f"difference from {c.baseline} [95%]", "calls", "tokens", "regret"]
    header += ["gap closed [95%], last 30%"] if gap else []
    rows = []
    for row in c.summary.to_dict("records"):
        name = str(row["policy"])
        cells = [c.label(name), _range(row, first), *(f"{row[r]:.1%}" for r in c.rates[1:])]
        cells += ["—" if name == c.baseline else _range(row, "difference", sign="+")]
        cells += [f"{row['model_calls']:.2f}", f"{row['tokens']:,.0f}"]
        cells += ["—" if row["regret"] != row["regret"] else f"{row['regret']:.3f}"]
        cells += [str(c.gap_closed(name))] if gap else []
        rows.append(cells)
    mark = " (simulated model)" if c.simulated else ""
    lines = [
        f"{c.config.suite} · {c.config.model}{mark} · feedback {c.config.feedback}: "
        f"{len(c.seeds)} seeds × {c.config.episodes} episodes; intervals by question; calls, "
        "tokens and regret an episode",
        "",
        markdown_table(header, rows),
    ]
    return "\n".join(lines)


def _range(row: Mapping[Any, Any], name: str, sign: str = "") -> str:
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    return f"{value:{sign}.1%} [{low:{sign}.1%}, {high:{sign}.1%}]"
