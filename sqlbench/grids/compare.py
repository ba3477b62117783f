"""Policies side by side: the same questions, the same random numbers, episode by episode.

Every policy answers the same questions in the same order, and the model's luck at an attempt is the
same whatever the policy (`sqlbench.seeds`), so episodes pair up by seed and number. What
is compared is any set of run configurations under names of their own: policies here, learners or
parameters in an ablation. `sqlbench.grids.comparison` computes rates, differences and curves of
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sqlbench.checks import check_whole
from sqlbench.episodes.repair import ARMS
from sqlbench.exceptions import ConfigError, NothingLeftError, UnknownNameError
from sqlbench.grids.comparison import Comparison, comparison_table
from sqlbench.grids.grid import Workers, run_grid
from sqlbench.grids.variants import are_policies, differ_only_in_learning
from sqlbench.models import Calling
from sqlbench.runs.config import RunConfig
from sqlbench.runs.missing import failure_lines
from sqlbench.runs.run import Run
from sqlbench.runs.summary import cost_of, usages

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.episodes.episode import Episode
    from sqlbench.models.simulated.profile import Profile

__all__ = ["Comparison", "compare", "comparison_table", "outcomes"]


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
        At least two where only the learning differs (policies): an interval needs them.
    out : path
        The folder of the runs; see `sqlbench.grids.grid`.
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
    NothingLeftError
        If there is no episode that all variants have.
    UnknownNameError
        If the baseline is not among the variants, or as `run_grid` raises it.
    """
    import pandas as pd

    for seed in seeds:
        check_whole("seed", seed)
    if not variants:
        raise ConfigError("There is nothing to compare: name at least one policy.")
    # What a bandit learns differs from seed to seed; models and prompts can be asked once.
    if len(set(seeds)) < (2 if differ_only_in_learning(list(variants.values())) else 1):
        raise ConfigError(f"Intervals need at least two seeds, not {len(set(seeds))}.")
    if baseline is None:
        baseline = "random" if "random" in variants else list(variants)[-1]
    if baseline not in variants:
        raise UnknownNameError("baseline", baseline, variants)
    if len({(c.suite, c.task, c.episodes, c.feedback) for c in variants.values()}) > 1:
        raise ConfigError("Variants pair up only on one suite, task, feedback and length.")
    places = [(name, seed) for name in variants for seed in dict.fromkeys(seeds)]
    configs = [variants[name].model_copy(update={"seed": seed}) for name, seed in places]
    frames = run_grid(configs, out, outcomes, workers=workers, progress=progress, calling=calling)
    # What one variant has lost is left out of all: they are compared on the same episodes.
    # Variants that say the same (two folders of the same prompts) are one run and one frame.
    distinct = {id(frame): frame for frame in frames}.values()
    failed = [note for frame in distinct for note in frame.attrs.pop("failed")]
    labelled = [
        frame.assign(policy=name, seed=seed)
        for (name, seed), frame in zip(places, frames, strict=True)
    ]
    episodes = shared_episodes(pd.concat(labelled, ignore_index=True), len(variants))
    if episodes.empty:
        raise NothingLeftError(
            "Nothing is left to compare: of every episode at least one variant was lost to its "
            "model or database. Repeat the comparison to try again:\n"
            + "\n".join(f"  {line}" for line in failure_lines(failed))
        )
    listed = list(variants.values())
    models = tuple(dict.fromkeys(c.model for c in listed))
    # Counted from what was asked: an episode that every variant has lost is in no frame.
    asked = len(set(seeds)) * listed[0].episodes
    left_out = asked - len(episodes[["seed", "episode"]].drop_duplicates())
    return Comparison(
        episodes, listed[0], baseline, models if len(models) > 1 else None, failed, left_out,
        policies=are_policies(variants),
    )  # fmt: skip


def shared_episodes(frame: pd.DataFrame, variants: int) -> pd.DataFrame:
    """Return the episodes that every variant has."""
    whole = frame.groupby(["seed", "episode"])["policy"].transform("nunique") == variants
    return frame[whole].reset_index(drop=True)


def outcomes(run: Run) -> pd.DataFrame:
    """Return a row an episode: what `Run.episodes` has, its tokens, cost and regret.

    ``regret`` is the expected one (pseudo-regret): over the repairs of the episode, the best arm's
    chance in that context less the chosen arm's, by the matrix of the simulated model that repairs.
    It is NaN for a real one, whose chances nobody knows, and where ``generate`` was chosen, which
    is no arm. ``attrs["failed"]`` holds the notes of the episodes that are missing.
    """
    from sqlbench.models.simulated.profile import load_profile

    kind, _, profile = run.config.repairing.partition(":")
    known = load_profile(profile or "default") if kind == "simulated" else None
    total = run.config.episodes
    regrets = {
        e.index: np.nan if known is None else _regret(e, known, e.index / total) for e in run.log
    }
    costs = {e.index: cost_of(run, *usages([e])) for e in run.log}
    frame = run.episodes
    found = frame.assign(
        tokens=frame["prompt_tokens"] + frame["completion_tokens"],
        regret=frame["episode"].map(regrets),
        cost=frame["episode"].map(costs),
    )
    found.attrs["failed"] = run.failed
    return found


def _regret(episode: Episode, profile: Profile, progress: float) -> float:
    regret = 0.0
    for before, step in zip(episode.steps, episode.steps[1:], strict=False):
        if step.context is None:
            return float("nan")
        if not before.success:  # an answer that was right leaves no arm anything to gain
            chances = {str(a): profile.p_fixed(step.context, a, progress) for a in ARMS}
            regret += max(chances.values()) - chances.get(step.action, 0.0)  # `keep` mends nothing
    return regret
