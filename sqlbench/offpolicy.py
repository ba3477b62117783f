"""Off-policy evaluation: what would another policy's first repair have brought, from logs alone?

The value of a policy π is E[Σₐ π(a|x) E[outcome | x, a]] over failing first answers, each with
its first repair. Four estimators, on n logged decisions (x, a, r) with propensities p:

- IPS, inverse propensity scoring (Horvitz and Thompson 1952): the mean of w·r with w = π(a|x)/p.
- SNIPS, self-normalised (Swaminathan and Joachims 2015): Σ w·r / Σ w; slightly biased, less noisy.
- DM, the direct method: the mean of Σₐ π(a|x) q̂(x, a), with q̂ a ridge regression for each arm. Its
  bias is that of q̂.
- DR, doubly robust (Dudík, Langford and Li 2011): DM plus the mean of w·(r − q̂(x, a)); q̂ is fitted
  on the other questions (cross-fitting), so DR is unbiased like IPS.

Intervals are percentiles of a bootstrap that resamples whole questions. What cannot be answered
from a log is refused: a propensity that is missing, 0 or 1, or arms that the log never tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sqlbench.context import Context, featurize
from sqlbench.exceptions import ConfigError
from sqlbench.policies import Policy
from sqlbench.policies.base import ARM_INDEX
from sqlbench.repair import ARMS, RepairAction
from sqlbench.seeds import Role, generator

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.repair_table import RepairTable
    from sqlbench.runs import Run

Floats = NDArray[np.float64]
Outcome = Literal["success", "reward"]

ESTIMATORS = ("ips", "snips", "dm", "dr")
RESAMPLES = 1000
FOLDS = 5
RIDGE = 0.1
# How much of the target's choice may fall on arms that the log never tried in that context.
MAX_UNSUPPORTED = 0.05
MAX_CHANCE_MISSING = 0.5
LEARNED = "learned"
# Below this, percentiles of a bootstrap say little.
MIN_EFFECTIVE = 30.0


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
        The arm chosen, by its place in `sqlbench.repair.ARMS`.
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
            If the runs are on different suites, or a propensity is missing, 0 or 1.
        """
        taken = list(runs)
        hashes = {run.meta["suite_hash"] for run in taken}
        if len(hashes) > 1:
            raise OffPolicyError(
                f"The runs are on {len(hashes)} different suites; evaluate each suite alone."
            )
        steps = [
            (episode.question_id, step)
            for run in taken
            for episode in run.log
            for step in episode.steps
            if step.attempt == 2 and step.context is not None and step.action in ARMS
        ]
        return cls(
            name=" + ".join(run.label for run in taken),
            questions=tuple(q for q, _ in steps),
            contexts=tuple(s.context for _, s in steps if s.context is not None),
            actions=np.array([ARM_INDEX[RepairAction(s.action)] for _, s in steps], dtype=np.intp),
            outcomes=np.array([float(getattr(s, outcome)) for _, s in steps]),
            propensities=np.array(
                [np.nan if s.propensity is None else s.propensity for _, s in steps]
            ),
            simulated=any(run.simulated for run in taken),
        )


@dataclass(frozen=True)
class Evaluation:
    """A policy's estimated value.

    Attributes
    ----------
    estimates : dict of str to (value, low, high)
        By estimator, with its 95% interval.
    effective_sample_size : float
        (Σw)² / Σw² (Kong 1992): how many decisions of the target's own these are worth.
    n, questions : int
        Decisions and questions.
    warning : str
        What to be careful about; empty if nothing.
    """

    estimates: dict[str, tuple[float, float, float]]
    effective_sample_size: float
    n: int
    questions: int
    warning: str = ""

    def frame(self) -> pd.DataFrame:
        """Return a row an estimator: estimator, value, low, high, ess, n."""
        import pandas as pd

        rows = [
            {"estimator": k, "value": v, "low": low, "high": high}
            for k, (v, low, high) in self.estimates.items()
        ]
        return pd.DataFrame(rows).assign(ess=self.effective_sample_size, n=self.n)


def target_probabilities(policy: Policy, contexts: Sequence[Context]) -> Floats:
    """Return a policy's exact probability of each arm in each context, shape (n, 8).

    Raises
    ------
    OffPolicyError
        If the policy asks for a new answer from scratch, which is no arm.
    """
    spec = policy.spec.partition("?")[0]
    if spec == "resample":
        raise OffPolicyError(
            "The policy 'resample' chooses no arm, so a log of repairs says nothing about it."
        )
    distinct = {c: policy.probabilities(c) for c in set(contexts)}
    return np.stack([distinct[c] for c in contexts])


def evaluate(logged: LoggedDecisions, target: Floats, seed: int = 0) -> Evaluation:
    """Estimate the value of the first repair of a policy that did not make the log.

    Parameters
    ----------
    logged : LoggedDecisions
        The log.
    target : ndarray of shape (n, 8)
        The target's probability of each arm in each logged context (`target_probabilities`).
    seed : int
        Of the bootstrap and of the folds.

    Raises
    ------
    OffPolicyError
        If the target chooses arms that the log never tried in that context.
    """
    n = len(logged.questions)
    if target.shape != (n, len(ARMS)) or not np.allclose(target.sum(axis=1), 1.0):
        raise OffPolicyError(
            f"The target has shape {target.shape}; expected a distribution over {len(ARMS)} arms "
            f"for each of {n} decisions."
        )
    warnings = [_check_overlap(logged, target)]
    r, a = logged.outcomes, logged.actions
    w = target[np.arange(n), a] / logged.propensities
    labels, codes = np.unique(np.array(logged.questions), return_inverse=True)
    k = len(labels)
    if k < 2:
        raise OffPolicyError(f"The log {logged.name!r} has one question alone: no interval.")
    x = np.stack([featurize(c) for c in logged.contexts])
    rng = generator(seed, Role.ANALYSIS, "off-policy")
    counts = np.vstack([np.ones(k), rng.multinomial(k, np.full(k, 1 / k), size=RESAMPLES)])
    folds = rng.permutation(np.arange(k) % FOLDS)[codes]
    q_hat = np.empty_like(target)
    for fold in range(FOLDS):
        rest, here = folds != fold, folds == fold
        q_hat[here] = _ridge(x[rest], a[rest], r[rest], x[here])
    robust = (target * q_hat).sum(axis=1) + w * (r - q_hat[np.arange(n), a])
    sums = np.stack([np.bincount(codes, v, k) for v in (w * r, w, robust, np.ones(n))], axis=1)
    drawn_wr, drawn_w, drawn_robust, drawn_n = (counts @ sums).T
    draws = {
        "ips": drawn_wr / drawn_n,
        "snips": drawn_wr / np.where(drawn_w > 0, drawn_w, np.nan),
        "dm": _direct(x, a, r, target, codes, counts),
        "dr": drawn_robust / drawn_n,
    }
    estimates = {}
    for name, values in draws.items():
        low, high = np.nanquantile(values[1:], [0.025, 0.975])
        estimates[name] = (float(values[0]), float(low), float(high))
    effective = float(w.sum() ** 2 / (w @ w)) if w.any() else 0.0
    if effective < MIN_EFFECTIVE:
        warnings.append(
            f"The log is worth only {effective:.0f} decisions of this policy's own (effective "
            f"sample size of {n}): the intervals say little. Log more, or with more exploration."
        )
    return Evaluation(estimates, effective, n, k, " ".join(filter(None, warnings)))


def evaluate_policies(
    logged: LoggedDecisions, run: Run, specs: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Evaluate several policies on one log.

    Parameters
    ----------
    logged : LoggedDecisions
        The log.
    run : Run
        A run of the log: it brings the model for `oracle` and what ``learned`` stands for.
    specs : sequence of str
        Policies as they are before they learn; ``learned`` is the run's own policy at its end,
        without its epsilon. It has seen the very outcomes that now judge it, so its value is
        flattered a little: evaluate it on another run where that matters.

    Returns
    -------
    DataFrame and list of str
        A row for each policy and estimator, and the warnings.
    """
    import pandas as pd

    from sqlbench.models import load_model
    from sqlbench.policies import make_policy
    from sqlbench.suites import load_suite

    frames, warnings = [], []
    for spec in specs:
        if spec == LEARNED:
            policy = run.policy.snapshot()
            if hasattr(policy, "epsilon"):
                policy.epsilon = 0.0
        else:
            model = None
            if spec.startswith("oracle"):
                model = load_model(run.config.model, load_suite(run.config.suite))
            policy = make_policy(spec, model)
        found = evaluate(logged, target_probabilities(policy, logged.contexts))
        frame = found.frame()
        frame.insert(0, "policy", spec)
        frames.append(frame)
        if found.warning:
            warnings.append(f"{spec}: {found.warning}")
    return pd.concat(frames, ignore_index=True), warnings


def exact_value(table: RepairTable, target: Floats) -> float:
    """Return a policy's exact value on a repair table: the mean outcome of its first repairs.

    Parameters
    ----------
    table : RepairTable
        With the eight repair actions.
    target : ndarray of shape (len(table), 8)
        The policy's probability of each arm for each row.
    """
    columns = [table.arm(str(arm), "exact_value") for arm in ARMS]
    return float((target * table.means[:, columns]).sum(axis=1).mean())


def _check_overlap(logged: LoggedDecisions, target: Floats) -> str:
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


def _ridge(x: Floats, actions: NDArray[np.intp], outcomes: Floats, at: Floats) -> Floats:
    """Fit a ridge regression for each arm on what lies above the mean; predict (len(at), 8)."""
    mean = outcomes.mean() if len(outcomes) else 0.0
    predicted = np.empty((len(at), len(ARMS)))
    for arm in range(len(ARMS)):
        mine = x[actions == arm]
        gram = mine.T @ mine + RIDGE * np.eye(x.shape[1])
        coefficients = np.linalg.solve(gram, mine.T @ (outcomes[actions == arm] - mean))
        predicted[:, arm] = mean + at @ coefficients
    return predicted


def _direct(
    x: Floats,
    actions: NDArray[np.intp],
    outcomes: Floats,
    target: Floats,
    codes: NDArray[np.intp],
    counts: Floats,
) -> Floats:
    """Return the direct method's value for each row of cluster counts, refitted for each.

    Equal contexts are taken together, so that all refits are a few products of small matrices.
    """
    inputs, kind = np.unique(x, axis=0, return_inverse=True)
    u, k, n_arms = len(inputs), counts.shape[1], len(ARMS)
    flat = (codes * u + kind) * n_arms + actions
    tries = np.bincount(flat, minlength=k * u * n_arms).reshape(k, -1)
    gains = np.bincount(flat, outcomes, minlength=k * u * n_arms).reshape(k, -1)
    wanted = np.zeros((k * u, n_arms))
    np.add.at(wanted, codes * u + kind, target)
    drawn = counts.astype(float)
    shape = (len(drawn), u, n_arms)
    tries, gains = (drawn @ tries).reshape(shape), (drawn @ gains).reshape(shape)
    weights = (drawn @ wanted.reshape(k, -1)).reshape(shape)
    mean = gains.sum(axis=(1, 2)) / tries.sum(axis=(1, 2))
    # The ridge in its dual form over the u kinds of context: exact, and no larger than it must be.
    kernel = inputs @ inputs.T
    value = mean.copy()
    for arm in range(n_arms):
        surplus = gains[:, :, arm] - mean[:, None] * tries[:, :, arm]
        system = np.eye(u) * RIDGE + tries[:, :, arm][:, :, None] * kernel
        dual = np.linalg.solve(system, surplus[:, :, None])[:, :, 0]
        value += (weights[:, :, arm] * (dual @ kernel)).sum(axis=1) / weights.sum(axis=(1, 2))
    return value
