"""Logs for off-policy evaluation: decisions with their propensities, and what they cannot answer.

What cannot be answered is refused: a propensity that is missing, 0 or 1, or a target whose arms
the log never tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import Context
from sqlbench.episodes.repair import ARMS, GENERATE, RepairAction
from sqlbench.exceptions import ConfigError
from sqlbench.policies import Policy
from sqlbench.policies.base import ARM_INDEX, ScoredPolicy
from sqlbench.policies.resample import ResamplePolicy

if TYPE_CHECKING:
    from sqlbench.runs.run import Run

Floats = NDArray[np.float64]
Outcome = Literal["success", "reward"]

# How much of the target's choice may fall on arms that the log never tried in that context.
MAX_UNSUPPORTED = 0.05
MAX_CHANCE_MISSING = 0.5


class OffPolicyError(ConfigError):
    """Raised when a log cannot answer what a policy would bring: the message says why."""


@dataclass(frozen=True)
class LoggedDecisions:
    """First repairs, as a policy chose them.

    Attributes
    ----------
    name : str
        Where they come from.
    questions : tuple of str
        The cluster of each of the n decisions.
    contexts : tuple of Context
        What the policy saw.
    actions : ndarray of int, shape (n,)
        The arm chosen, by its place in `sqlbench.episodes.repair.ARMS`.
    outcomes, propensities : ndarray of shape (n,)
        What it brought, and with which probability it was chosen.
    simulated : bool
        Whether a simulated model answered.
    """

    name: str
    questions: tuple[str, ...]
    contexts: tuple[Context, ...]
    actions: NDArray[np.intp]
    outcomes: Floats
    propensities: Floats
    simulated: bool = False

    def __post_init__(self) -> None:
        if not len(self.questions):
            raise OffPolicyError(f"The log {self.name!r} holds no first repair to learn from.")
        p = self.propensities
        if np.isnan(p).any():
            raise OffPolicyError(
                f"The log {self.name!r} has no propensity for {int(np.isnan(p).sum())} of "
                f"{len(p)} first repairs: off-policy evaluation needs the probability of each "
                "choice. Run with a policy that chooses (not by hand)."
            )
        if not np.isfinite(self.outcomes).all():
            raise OffPolicyError(f"The log {self.name!r} holds outcomes that are not finite.")
        if (p <= 0).any() or (p > 1).any():
            bad = p[(p <= 0) | (p > 1)][0]
            raise OffPolicyError(
                f"The log {self.name!r} has the propensity {bad:g}; a choice that was made has "
                "one above 0 and at most 1."
            )
        if (p == 1).any():
            raise OffPolicyError(
                f"The log {self.name!r} has propensity 1 for {int((p == 1).sum())} of {len(p)} "
                "first repairs: its policy was certain there, so the log says nothing of other "
                "arms. Run with uniform choice mixed in, for example 'linucb?epsilon=0.2'."
            )

    @classmethod
    def from_runs(cls, runs: Iterable[Run], outcome: Outcome = "success") -> LoggedDecisions:
        """Take the first repairs out of runs' logs.

        Parameters
        ----------
        runs : iterable of Run
            On the same suite.
        outcome : {"success", "reward"}
            Whether the first repair mended the answer, or the reward that it brought.

        Raises
        ------
        OffPolicyError
            If the runs are on different suites, one is given twice, a propensity is missing, 0
            or 1, or the policy asked for new answers from scratch.
        """
        taken = list(runs)
        hashes = {run.meta["suite_hash"] for run in taken}
        if len(hashes) > 1:
            raise OffPolicyError(
                f"The runs are on {len(hashes)} different suites; evaluate each suite alone."
            )
        name = " + ".join(run.label for run in taken)
        if len({run.folder.resolve() if run.folder else id(run) for run in taken}) < len(taken):
            raise OffPolicyError(f"A log of {name!r} is given twice; give each of them once.")
        second = [
            (episode.question_id, step)
            for run in taken
            for episode in run.log
            for step in episode.steps
            if step.attempt == 2
        ]
        # Left out, they would leave arms whose propensities sum to less than 1: IPS too high.
        fresh = sum(step.action == GENERATE for _, step in second)
        if fresh:
            raise OffPolicyError(
                f"The log {name!r} asked for a new answer from scratch in {fresh} of {len(second)} "
                "second attempts, which is no arm. Log with a policy that always repairs, for "
                "example 'random'."
            )
        steps = [(q, s) for q, s in second if s.context is not None and s.action in ARMS]
        return cls(
            name=name,
            questions=tuple(q for q, _ in steps),
            contexts=tuple(s.context for _, s in steps if s.context is not None),
            actions=np.array([ARM_INDEX[RepairAction(s.action)] for _, s in steps], dtype=np.intp),
            outcomes=np.array([float(getattr(s, outcome)) for _, s in steps]),
            propensities=np.array(
                [np.nan if s.propensity is None else s.propensity for _, s in steps]
            ),
            simulated=any(run.simulated for run in taken),
        )


def target_probabilities(policy: Policy, contexts: Sequence[Context]) -> Floats:
    """Return a policy's exact probability of each arm in each context, shape (n, 8).

    Raises
    ------
    OffPolicyError
        If the policy asks for a new answer from scratch, which is no arm, or has no exact
        probabilities.
    """
    if isinstance(policy, ResamplePolicy):
        raise OffPolicyError(
            "The policy 'resample' chooses no arm, so a log of repairs says nothing about it."
        )
    if not isinstance(policy, ScoredPolicy):
        raise OffPolicyError(f"The policy {policy.spec!r} gives no exact probabilities.")
    distinct = {c: policy.probabilities(c) for c in set(contexts)}
    return np.stack([distinct[c] for c in contexts])


def check_overlap(logged: LoggedDecisions, target: Floats) -> str:
    """Refuse a target of which too much falls where the log cannot have tried; else warn.

    An arm may be missing in a class by chance. If the log had tried it there as seldom as it
    tried anything, with the least propensity that it ever used, it would be missing with
    probability (1 − p)ᵐ after m decisions: where that is below one in a million, the policy that
    made the log never tries it. Where more than half is missing, no reason makes up for it.
    """
    classes = [str(c.error_class or "none") for c in logged.contexts]
    labels, codes, sizes = np.unique(np.array(classes), return_inverse=True, return_counts=True)
    tried = np.zeros((len(labels), len(ARMS)), dtype=bool)
    tried[codes, logged.actions] = True
    lost = np.where(tried[codes], 0.0, target).sum(axis=1)
    if lost.mean() <= MAX_UNSUPPORTED:
        return ""
    chance = (1.0 - logged.propensities.min()) ** sizes[codes]
    hopeless = lost.mean() > MAX_CHANCE_MISSING
    never = lost if hopeless else np.where(chance < 1e-6, lost, 0.0)
    worst = int(np.argmax(never if never.any() else lost))
    arm = ARMS[int(np.argmax(np.where(tried[codes[worst]], 0.0, target[worst])))]
    where = f"(for example {str(arm)!r} on {classes[worst]!r})"
    if never.mean() > MAX_UNSUPPORTED:
        raise OffPolicyError(
            f"The overlap is missing: {never.mean():.0%} of what the policy would choose was never "
            f"tried in the log {logged.name!r} {where}. Log with more exploration, or collect a "
            "repair table."
        )
    return (
        f"{lost.mean():.0%} of what the policy would choose does not occur in so short a log "
        f"{where}."
    )
