"""Rates with their intervals, and what the figures draw, as DataFrames.

Episodes on the same question are not independent: intervals over episodes count
questions (`sqlbench.stats.intervals`), intervals over independent trials are Wilson's (1927).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlbench.episodes.episode import Episode
from sqlbench.episodes.repair import ARMS
from sqlbench.exceptions import ConfigError
from sqlbench.policies.linucb import LinUCBPolicy
from sqlbench.runs.ablation import get_learner
from sqlbench.runs.summary import notes_of
from sqlbench.runs.summary import rates as rates
from sqlbench.stats import interval_text, wilson_arrays
from sqlbench.words import counted, markdown_table

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.runs.run import Run

COMPONENTS = ("base", "attempt_penalty", "severity_bonus", "change_bonus")
MEANINGS = {
    "first": "attempt 1 is right",
    "field": "the first attempt that ran and returned rows is right, which is where an agent "
    "without an oracle stops",
    "gated": "the first attempt that ran and is little doubted is right, which is where an agent "
    "that measures its doubt stops",
    "any": "some attempt is right",
    "repaired": "the episode ends right, given that attempt 1 failed",
    "fixed": "a wrong first answer became right",
    "broken": "a right first answer became wrong",
    "audited_fixed": "the same as fixed, if the doubts decide which answer is kept",
    "audited_broken": "the same as broken, if the doubts decide which answer is kept",
}


# With fewer failures a curve begins at its first full window, which is short.
FEW_FAILURES = 50
SHORT_WINDOW = 10
FEW_QUESTIONS = 5


def learning_curve(run: Run, window: int = 100) -> pd.DataFrame:
    """Return the share of failures that were repaired, over a moving window of failures.

    Columns: episode, repaired (0 or 1), rate (the mean of the last ``window`` failures), low and
    high (its Wilson interval). One row for each episode whose first attempt failed. A curve begins
    with all failures so far; one of fewer than `FEW_FAILURES` looks back on `SHORT_WINDOW`, and its
    rates before the first full window are NaN.
    """
    frame = run.episodes
    failed = frame[~frame["first"].astype(bool)]
    hits = failed["success"].astype(int).to_numpy()
    few = len(hits) < FEW_FAILURES
    window = min(window, SHORT_WINDOW) if few else window
    totals = np.concatenate([[0], np.cumsum(hits)])
    ends = np.arange(1, len(hits) + 1)
    starts = np.maximum(ends - window, 0)
    counts, sizes = totals[ends] - totals[starts], ends - starts
    bounds = wilson_arrays(counts, sizes)
    import pandas as pd

    curve = pd.DataFrame(
        {
            "episode": failed["episode"].to_numpy(dtype=int),
            "repaired": hits,
            "rate": counts / sizes if len(hits) else counts.astype(float),
            "low": np.clip(bounds[0], 0, 1),
            "high": np.clip(bounds[1], 0, 1),
        }
    )
    if few:
        curve.loc[sizes < window, ["rate", "low", "high"]] = np.nan
    return curve


def span(run: Run, *, planned: bool = False) -> int:
    """Return how many episodes a figure of a run covers.

    Of a run that stopped before its end, those up to the last that there is; ``planned`` covers all
    that it was to have, as the picture of a run under way does.
    """
    if planned or len(run.log) + len(run.failed) >= run.config.episodes:
        return run.config.episodes
    return max((e.index for e in run.log), default=0) + 1


def bin_size(run: Run, bins: int, *, planned: bool = False) -> int:
    """Return how many episodes a bin has, so that there are at most so many bins in its `span`."""
    return max(1, math.ceil(span(run, planned=planned) / bins))


def reward_curve(run: Run, bins: int = 15, *, planned: bool = False) -> pd.DataFrame:
    """Return the mean of each reward component and of the reward, in bins of episodes.

    Index: the first episode of each bin. Columns: the four components, reward, and the 95% interval
    of that (low, high), clustered by question; NaN where a bin holds fewer than `FEW_QUESTIONS`,
    where all its rewards are alike, and where it would be wider than the rewards of the run lie
    apart: it would say nothing.

    References
    ----------
    K.-Y. Liang, S. L. Zeger: Longitudinal data analysis using generalized linear models, 1986: the
    variance of a mean of clustered values. A bootstrap would be too slow to draw it live.
    """
    from scipy.special import stdtrit

    steps = run.steps
    size = bin_size(run, bins, planned=planned)
    start = (steps["episode"] // size) * size
    groups = steps.groupby(start)[[*COMPONENTS, "reward"]]
    means = groups.mean()
    questions = steps["episode"].map({e.index: e.question_id for e in run.log})
    residuals = (steps["reward"] - start.map(means["reward"])).groupby([start, questions]).sum()
    clusters = (residuals**2).groupby(level=0).agg(["sum", "size"])
    k = clusters["size"].where(clusters["size"] >= FEW_QUESTIONS)
    half = stdtrit(k - 1, 0.975) * np.sqrt(clusters["sum"] * k / (k - 1)) / groups.size()
    apart = steps["reward"].max() - steps["reward"].min()
    half = np.where((half > 0) & (2 * half < apart), half, np.nan)
    return means.assign(low=means["reward"] - half, high=means["reward"] + half)


def arm_shares(run: Run, bins: int = 15, *, planned: bool = False) -> pd.DataFrame:
    """Return the share of each arm among the repairs, in bins of episodes.

    Index: the first episode of each bin; a column for each arm. Rows sum to 1; a bin without a
    repair is NaN.
    """
    import pandas as pd

    steps = run.steps
    repairs = steps[steps["action"].isin([str(a) for a in ARMS])]
    size = bin_size(run, bins, planned=planned)
    starts = (repairs["episode"] // size) * size
    counts = pd.crosstab(starts, repairs["action"].astype(str))
    index = pd.Index(range(0, span(run, planned=planned), size), name="episode")
    counts = counts.reindex(index=index, columns=[str(a) for a in ARMS], fill_value=0)
    return counts.div(counts.sum(axis=1).replace(0, np.nan), axis=0)


def repair_table(run: Run) -> pd.DataFrame:
    """Return how often each arm was chosen in each error class, and how often it repaired.

    Columns: error_class (the one that the policy saw), action, chosen, repaired, rate, low, high.
    """
    import pandas as pd

    steps = run.steps
    repairs = steps[steps["context_error_class"].notna()]
    grouped = repairs.groupby(["context_error_class", "action"])["success"].agg(["size", "sum"])
    table = grouped.reset_index()
    table.columns = pd.Index(["error_class", "action", "chosen", "repaired"])
    table = table.astype({"error_class": str, "action": str, "repaired": int})
    table["rate"] = table["repaired"] / table["chosen"]
    low, high = wilson_arrays(table["repaired"].to_numpy(), table["chosen"].to_numpy())
    return table.assign(low=low, high=high)


def arm_estimates(run: Run, bins: int = 15) -> pd.DataFrame:
    """Return LinUCB's mean and width for each arm over time, relearned from the log.

    Columns: episode (the first of the bin), action, mean (θᵀx) and width (α·√(xᵀA⁻¹x)), both
    averaged over the contexts in which the arm was chosen during the bin. An arm that was not
    chosen has no row.

    Raises
    ------
    ConfigError
        If the run's policy is no LinUCB.
    """
    import pandas as pd

    policy = run.untaught() if run.config.policy.startswith("linucb") else None
    if not isinstance(policy, LinUCBPolicy):
        raise ConfigError(f"Only linucb has estimates with widths, not {run.config.policy!r}.")
    size = bin_size(run, bins)
    rows = []
    learn = get_learner(run.config.learner)
    for episode in run.log:
        start = episode.index // size * size
        for step in episode.steps:
            if step.context is not None:
                x, arm = policy.vector(step.context), policy.choices.index(step.action)
                mean, width = policy.arms.means(x)[arm], policy.arms.widths(x)[arm]
                rows.append((start, step.action, mean, policy.alpha * width))
        learn(policy, episode, run.config.hindsight)
    frame = pd.DataFrame(rows, columns=["episode", "action", "mean", "width"])
    return frame.groupby(["episode", "action"], as_index=False).mean()


def run_table(run: Run) -> str:
    """Return a run's rates and costs as a Markdown table, which reads well in a terminal too."""
    summary = run.summary
    rows = [[name, str(r)] for name, r in rates(run).items()]
    rows += [
        ["mean attempts", f"{summary['mean_attempts']:.2f}" if run.log else "—"],
        ["mean total reward", f"{summary['mean_total_reward']:+.3f}" if run.log else "—"],
        ["model calls", f"{summary['model_calls']:,}"],
        *_cost_rows(summary),
        *[
            [f"pass@{k}", interval_text(*values)]
            for k, values in summary.get("pass_at", {}).items()
        ],
        ["model errors", str(summary["model_errors"])],
    ]
    if "cut_answers" in summary:
        rows.append(["answers cut off", str(summary["cut_answers"])])
    if summary["database_errors"]:
        rows.append(["database errors", str(summary["database_errors"])])
    notes = notes_of(run)
    if summary["not_reproducible"]:
        notes.append(
            f"{summary['not_reproducible']} queries were stopped by the clock or the memory limit, "
            "which depends on the machine."
        )
    return "\n".join(
        [
            f"{run.label}{run.mark}: {counted(summary['episodes'], 'episode')}, "
            f"{counted(summary['questions'], 'question')}",
            "",
            markdown_table(["", "rate [95% interval, by question] (count/n)"], rows),
            *(f"\nNote: {note}" for note in notes),
        ]
    )


def rate_meanings(run: Run) -> str:
    """Return what each rate of a run's table means, as Markdown."""
    told = [f"**{name}**: {MEANINGS[name]}." for name in rates(run)]
    if run.summary.get("pass_at"):
        told.append("**pass@k**: some of k independent first answers is right.")
    return " ".join(told)


def _cost_rows(summary: dict[str, Any]) -> list[list[str]]:
    inside = [
        f"{summary[f'{part}_tokens']:,} {part}"
        for part in ("cached", "reasoning")
        if summary[f"{part}_tokens"]
    ]
    tokens = f"{summary['prompt_tokens']:,} / {summary['completion_tokens']:,}"
    each, cost = summary["tokens_per_solved"], summary["cost"]
    rows = [
        ["tokens in / out", tokens + (f" ({', '.join(inside)})" if inside else "")],
        ["tokens per solved question", f"{each:,.0f}" if each is not None else "—"],
    ]
    if cost is not None:
        share = summary["cost_per_solved"]
        per_solved = f"{share:.4f}" if share is not None else "—"
        rows.append(["cost / per solved question", f"{cost:.4f} / {per_solved}"])
    return rows


@dataclass(frozen=True, slots=True)
class Halves:
    """The share of failures repaired in either half of a run, and how many those are."""

    early: float
    late: float
    early_failures: int
    late_failures: int


def halves(run: Run) -> Halves | None:
    """Compare the first half of a run with the second, which shows whether the policy learned.

    The halves are of the episodes that there are. None where a half has no failure: nothing can be
    said of it.
    """
    frame = run.episodes
    failed = frame[~frame["first"].astype(bool)]
    early = failed["episode"] < span(run) / 2
    if early.all() or not early.any():
        return None
    first, second = failed.loc[early, "success"], failed.loc[~early, "success"]
    return Halves(float(first.mean()), float(second.mean()), len(first), len(second))


def repaired_episodes(run: Run, n: int = 3) -> list[Episode]:
    """Return the first ``n`` episodes that began wrong, ended right, and show different errors."""
    seen: set[str] = set()
    found = []
    for episode in sorted(run.log, key=lambda e: e.index):
        if episode.mended is not None:
            error_class = str(episode.mended[0].error_class)
            if error_class not in seen:
                seen.add(error_class)
                found.append(episode)
        if len(found) == n:
            break
    return found
