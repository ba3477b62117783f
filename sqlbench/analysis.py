"""Rates with their intervals, and what the figures draw, as DataFrames.

Episodes on the same question are not independent: intervals over episodes are bootstrapped by
question (Efron and Tibshirani 1993, resampling clusters), intervals over independent trials are
Wilson's (1927).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlbench.episodes.context import featurize
from sqlbench.episodes.episode import Episode, Step
from sqlbench.episodes.repair import ARMS, RepairAction
from sqlbench.exceptions import ConfigError
from sqlbench.models.base import Usage
from sqlbench.policies import make_policy
from sqlbench.policies.base import ARM_INDEX
from sqlbench.policies.linucb import LinUCBPolicy
from sqlbench.runs.ablation import get_learner
from sqlbench.stats import Rate, rate, wilson_arrays
from sqlbench.words import counted

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.runs.run import Run

COMPONENTS = ("base", "attempt_penalty", "severity_bonus", "change_bonus")


def rates(run: Run) -> dict[str, Rate]:
    """Return the rates that every report gives, clustered by question.

    ``first``: attempt 1 is right. ``field``: where an agent without an oracle stops. ``any``: any
    attempt is right. ``repaired``: the episode succeeds, given that attempt 1 failed. With
    ``feedback="always"`` instead of that: ``fixed`` of the wrong first answers, ``broken`` of the
    right ones.
    """
    frame = run.episodes
    result = {
        name: rate(frame[name].to_numpy(bool), frame["question_id"].tolist())
        for name in ("first", "field", "any")
    }
    wrong, right = frame[~frame["first"].astype(bool)], frame[frame["first"].astype(bool)]
    repaired = rate(wrong["success"].to_numpy(bool), wrong["question_id"].tolist())
    if run.config.feedback == "always":
        broken = rate(~right["success"].to_numpy(bool), right["question_id"].tolist())
        return result | {"fixed": repaired, "broken": broken}
    return result | {"repaired": repaired}


def summarize(run: Run) -> dict[str, Any]:
    """Return what ``summary.json`` holds: rates, costs, and what was left out."""
    frame, config = run.episodes, run.config
    arms = run.steps["action"].value_counts()
    n = len(frame)
    lost = sum(f["error_class"] == "database_error" for f in run.failed)
    return {
        "run": run.label,
        "simulated": run.simulated,
        "caveat": run.caveat,
        "feedback": config.feedback,
        "episodes": n,
        "questions": int(frame["question_id"].nunique()),
        "model_errors": len(run.failed) - lost,
        "database_errors": lost,
        "invalid_questions": len(run.meta["invalid_questions"]),
        "not_reproducible": sum(not s.reproducible for e in run.log for s in e.steps),
        "rates": {name: asdict(r) for name, r in rates(run).items()},
        "mean_attempts": _rounded(frame["attempts"].mean()) if n else None,
        "mean_total_reward": _rounded(frame["total_reward"].mean()) if n else None,
        "model_calls": int(frame["model_calls"].sum()),
        **costs(run),
        "arms": {str(arm): int(arms.get(arm, 0)) for arm in ARMS},
    }


def costs(run: Run) -> dict[str, Any]:
    """Return a run's tokens, what they cost, and both for each solved question.

    They are those of the answers in the log, whether they were called for or came from a store; a
    solved question is one with an episode that succeeded. Without a price costs are None.
    """
    first, later = usages(run.log)
    usage = Usage(*(a + b for a, b in zip(astuple(first), astuple(later), strict=True)))
    solved = len({e.question_id for e in run.log if e.success})
    cost = cost_of(run, first, later)
    tokens = usage.prompt_tokens + usage.completion_tokens
    return {
        **asdict(usage),
        "cost": None if cost is None else _rounded(cost),
        "questions_solved": solved,
        "tokens_per_solved": _rounded(tokens / solved) if solved else None,
        "cost_per_solved": _rounded(cost / solved) if solved and cost is not None else None,
    }


def usages(log: Iterable[Episode]) -> tuple[Usage, Usage]:
    """Return the tokens of first answers, and those of repairs: two models may have made them."""
    log = list(log)
    return _usage(e.steps[:1] for e in log), _usage(e.steps[1:] for e in log)


def cost_of(run: Run, first: Usage, later: Usage) -> float | None:
    """Return what so many tokens of a run's models cost; None without a price for each."""
    prices, config = run.prices, run.config
    if not config.paid_models or not prices.keys() >= set(config.paid_models):
        return None
    who = (config.model, first), (config.repair_model or config.model, later)
    return sum(prices[model].cost(used) for model, used in who if model in prices)


def _usage(episodes: Iterable[Sequence[Step]]) -> Usage:
    steps = [s for steps in episodes for s in steps]
    return Usage(
        sum(s.prompt_tokens for s in steps),
        sum(s.completion_tokens for s in steps),
        sum(s.cached_tokens for s in steps),
        sum(s.reasoning_tokens for s in steps),
    )


def learning_curve(run: Run, window: int = 100) -> pd.DataFrame:
    """Return the share of failures that were repaired, over a moving window of failures.

    Columns: episode, repaired (0 or 1), rate (the mean of the last ``window`` failures), low and
    high (its Wilson interval). One row for each episode whose first attempt failed.
    """
    frame = run.episodes
    failed = frame[~frame["first"].astype(bool)]
    hits = failed["success"].astype(int).to_numpy()
    totals = np.concatenate([[0], np.cumsum(hits)])
    ends = np.arange(1, len(hits) + 1)
    starts = np.maximum(ends - window, 0)
    counts, sizes = totals[ends] - totals[starts], ends - starts
    bounds = wilson_arrays(counts, sizes)
    import pandas as pd

    return pd.DataFrame(
        {
            "episode": failed["episode"].to_numpy(dtype=int),
            "repaired": hits,
            "rate": counts / sizes if len(hits) else counts.astype(float),
            "low": bounds[0],
            "high": bounds[1],
        }
    )


def bin_size(run: Run, bins: int) -> int:
    """Return how many episodes a bin has, so that there are at most so many bins."""
    return max(1, math.ceil(run.config.episodes / bins))


def reward_curve(run: Run, bins: int = 15) -> pd.DataFrame:
    """Return the mean of each reward component and of the reward, in bins of episodes.

    Index: the first episode of each bin. Columns: the four components, reward, and the 95% interval
    of that (low, high), clustered by question; NaN where a bin holds one question alone.

    References
    ----------
    K.-Y. Liang, S. L. Zeger: Longitudinal data analysis using generalized linear models, 1986: the
    variance of a mean of clustered values. A bootstrap would be too slow to draw it live.
    """
    from scipy.special import stdtrit

    steps = run.steps
    size = bin_size(run, bins)
    start = (steps["episode"] // size) * size
    groups = steps.groupby(start)[[*COMPONENTS, "reward"]]
    means = groups.mean()
    questions = steps["episode"].map({e.index: e.question_id for e in run.log})
    residuals = (steps["reward"] - start.map(means["reward"])).groupby([start, questions]).sum()
    clusters = (residuals**2).groupby(level=0).agg(["sum", "size"])
    k = clusters["size"].where(clusters["size"] > 1)
    half = stdtrit(k - 1, 0.975) * np.sqrt(clusters["sum"] * k / (k - 1)) / groups.size()
    return means.assign(low=means["reward"] - half, high=means["reward"] + half)


def arm_shares(run: Run, bins: int = 15) -> pd.DataFrame:
    """Return the share of each arm among the repairs, in bins of episodes.

    Index: the first episode of each bin; a column for each arm. Rows sum to 1; a bin without a
    repair is NaN.
    """
    import pandas as pd

    steps = run.steps
    repairs = steps[steps["action"].isin([str(a) for a in ARMS])]
    size = bin_size(run, bins)
    starts = (repairs["episode"] // size) * size
    counts = pd.crosstab(starts, repairs["action"].astype(str))
    index = pd.Index(range(0, run.config.episodes, size), name="episode")
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

    policy = make_policy(run.config.policy) if run.config.policy.startswith("linucb") else None
    if not isinstance(policy, LinUCBPolicy):
        raise ConfigError(f"Only linucb has estimates with widths, not {run.config.policy!r}.")
    size = bin_size(run, bins)
    rows = []
    learn = get_learner(run.config.learner)
    for episode in run.log:
        start = episode.index // size * size
        for step in episode.steps:
            if step.context is not None:
                x, arm = featurize(step.context), ARM_INDEX[RepairAction(step.action)]
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
        ["model errors", str(summary["model_errors"])],
    ]
    if summary["database_errors"]:
        rows.append(["database errors", str(summary["database_errors"])])
    notes = [*run.meta["notes"], *run.meta["invalid_questions"].values()]
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
    """The share of failures repaired in the first and in the second half of a run."""

    early: float
    late: float


def halves(run: Run) -> Halves:
    """Compare the first half of a run with the second, which shows whether the policy learned."""
    frame = run.episodes
    failed = frame[~frame["first"].astype(bool)]
    early = failed["episode"] < run.config.episodes / 2
    return Halves(
        float(failed.loc[early, "success"].mean()), float(failed.loc[~early, "success"].mean())
    )


def repaired_episodes(run: Run, n: int = 3) -> list[Episode]:
    """Return the first ``n`` episodes that failed, were repaired, and show different errors."""
    seen: set[str] = set()
    found = []
    for episode in sorted(run.log, key=lambda e: e.index):
        if episode.success and len(episode.steps) > 1:
            error_class = str(episode.steps[-2].error_class)
            if error_class not in seen:
                seen.add(error_class)
                found.append(episode)
        if len(found) == n:
            break
    return found


def _rounded(value: Any) -> float:
    return round(float(value), 6)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a plain table with aligned columns, readable in a terminal and as Markdown."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(r[i]) for r in [list(header), *cells]) for i in range(len(header))]

    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(v.ljust(w) for v, w in zip(values, widths, strict=True)) + " |"

    return "\n".join(
        [line(header), "|" + "|".join("-" * (w + 2) for w in widths) + "|", *map(line, cells)]
    )
