"""Off-policy evaluation: from logs alone, what another policy's first repair would bring.

The value of a policy π is E[Σₐ π(a|x) E[outcome | x, a]] over failing first answers, each with
its first repair. Four estimators, on n logged decisions (x, a, r) with propensities p:

- IPS, inverse propensity scoring (Horvitz and Thompson 1952): the mean of w·r with w = π(a|x)/p.
- SNIPS, self-normalised (Swaminathan and Joachims 2015): Σ w·r / Σ w; slightly biased, less noisy.
- DM, the direct method: the mean of Σₐ π(a|x) q̂(x, a), with q̂ a ridge regression for each arm. Its
  bias is that of q̂.
- DR, doubly robust (Dudík, Langford and Li 2011): DM plus the mean of w·(r − q̂(x, a)); q̂ is fitted
  on the other questions (cross-fitting), so DR is unbiased like IPS.

Intervals count questions: Student's t, freed of the skewness that rare large weights bring (IPS,
SNIPS, DR: `sqlbench.stats.intervals`), and for DM the percentiles of a bootstrap of whole
questions, stretched by the bias that the doubly robust correction finds in it. What cannot be
answered from a log is refused: a propensity that is missing, 0 or 1, or arms that the log never
tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import featurize
from sqlbench.episodes.repair import ARMS
from sqlbench.evidence.offpolicy_logs import (
    Floats,
    LoggedDecisions,
    OffPolicyError,
    check_overlap,
    target_probabilities,
)
from sqlbench.html import Card, Grid, Shown, Text, facts
from sqlbench.seeds import Role, generator
from sqlbench.stats.intervals import bootstrap_ends, mean_interval, rough_note

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.evidence.repair_table import RepairTable
    from sqlbench.runs.run import Run

__all__ = [
    "ESTIMATORS",
    "Evaluation",
    "LoggedDecisions",
    "OffPolicyError",
    "evaluate",
    "evaluate_policies",
    "exact_value",
    "target_probabilities",
]

ESTIMATORS = ("ips", "snips", "dm", "dr")
RESAMPLES = 1000
FOLDS = 5
RIDGE = 0.1
LEARNED = "learned"
# Below this, intervals say little.
MIN_EFFECTIVE = 30.0


@dataclass(frozen=True)
class Evaluation(Shown):
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

    def card(self) -> Card:
        """Return what a notebook shows of it: every estimate with its interval."""
        rows = [(k, f"{v:.3f} [{a:.3f}, {b:.3f}]") for k, (v, a, b) in self.estimates.items()]
        title = f"Off-policy value from {self.n:,} decisions on {self.questions:,} questions"
        size = {"effective sample size": f"{self.effective_sample_size:,.0f}"}
        warning = [Text(f"Warning: {self.warning}")] if self.warning else []
        return Card(title, [Grid(("estimator", "value [95%]"), rows), facts(size), *warning])

    def frame(self) -> pd.DataFrame:
        """Return a row an estimator: estimator, value, low, high, ess, n."""
        import pandas as pd

        rows = [
            {"estimator": k, "value": v, "low": low, "high": high}
            for k, (v, low, high) in self.estimates.items()
        ]
        return pd.DataFrame(rows).assign(ess=self.effective_sample_size, n=self.n)


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
    warnings: list[str | None] = [check_overlap(logged, target)]
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
    gained, weights, robust_sums, sizes = sums.T
    means = {"ips": (gained, sizes), "snips": (gained, weights), "dr": (robust_sums, sizes)}
    estimates = {name: _weighed(*sides) for name, sides in means.items()}
    direct = _direct(x, a, r, target, codes, counts)
    low, high = bootstrap_ends(direct[1:], k)
    bias = estimates["dr"][0] - float(direct[0])
    estimates["dm"] = (float(direct[0]), float(low) + min(0.0, bias), float(high) + max(0.0, bias))
    shares = bool(np.isin(r, (0.0, 1.0)).all())  # then so is every weighed mean of them
    for name in ("snips", "dm"):
        value, low, high = np.clip(estimates[name], 0.0, 1.0) if shares else estimates[name]
        estimates[name] = (float(value), float(low), float(high))
    estimates = {name: estimates[name] for name in ESTIMATORS}  # as tables have them
    effective = float(w.sum() ** 2 / (w @ w)) if w.any() else 0.0
    if effective < MIN_EFFECTIVE:
        warnings.append(
            f"The log is worth only {effective:.0f} decisions of this policy's own (effective "
            f"sample size of {n}): the intervals say little. Log more, or with more exploration."
        )
    warnings.append(rough_note(k))
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
                suite = load_suite(run.config.suite, run.config.database)
                model = load_model(run.config.repairing, suite)
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


def _weighed(tops: Floats, bottoms: Floats) -> tuple[float, float, float]:
    """Return Σtops / Σbottoms with its interval; unknown where the log weighs nothing."""
    if not bottoms.any():
        return np.nan, np.nan, np.nan
    return float(tops.sum() / bottoms.sum()), *mean_interval(tops, bottoms)


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
    value: Floats = mean.copy()
    for arm in range(n_arms):
        surplus = gains[:, :, arm] - mean[:, None] * tries[:, :, arm]
        system = np.eye(u) * RIDGE + tries[:, :, arm][:, :, None] * kernel
        dual = np.linalg.solve(system, surplus[:, :, None])[:, :, 0]
        value += (weights[:, :, arm] * (dual @ kernel)).sum(axis=1) / weights.sum(axis=(1, 2))
    return value
