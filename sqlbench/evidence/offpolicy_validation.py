"""Do the off-policy estimators keep their word? Many simulated logs against the exact value.

A log is simulated from a repair table: questions are drawn anew with replacement, as from a large
population, a logging policy chooses by its probabilities, and one stored outcome is looked up. The
exact value of any target on that population is known from the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS
from sqlbench.evidence.offpolicy import ESTIMATORS, evaluate, exact_value
from sqlbench.evidence.offpolicy_logs import Floats, LoggedDecisions
from sqlbench.evidence.repair_table import RepairTable
from sqlbench.html import Card, Grid, Shown
from sqlbench.seeds import Role, generator


@dataclass(frozen=True)
class Validation(Shown):
    """Estimates from many logs of one truth.

    Attributes
    ----------
    truth : float
        The exact value.
    estimates : dict of str to ndarray of shape (logs, 3)
        By estimator: value, low, high for each log.
    """

    truth: float
    estimates: dict[str, Floats]

    def card(self) -> Card:
        """Return what a notebook shows of it: how well each estimator keeps its word."""
        rows = []
        for name in self.estimates:
            bias, error = self.bias(name)
            figures = f"{bias:+.4f} ± {error:.4f}", f"{self.spread(name):.3f}"
            rows.append((name, f"{self.coverage(name):.1%}", *figures))
        logs = len(next(iter(self.estimates.values())))
        header = ("estimator", "coverage of 95%", "bias ± standard error", "spread")
        title = f"Estimates from {logs:,} simulated logs of the exact value {self.truth:.3f}"
        return Card(title, [Grid(header, rows)])

    def coverage(self, estimator: str) -> float:
        """Return the share of logs whose 95% interval holds the truth."""
        _, low, high = self.estimates[estimator].T
        return float(((low <= self.truth) & (self.truth <= high)).mean())

    def bias(self, estimator: str) -> tuple[float, float]:
        """Return the mean error and its standard error."""
        errors = self.estimates[estimator][:, 0] - self.truth
        return float(errors.mean()), float(errors.std(ddof=1) / np.sqrt(len(errors)))

    def spread(self, estimator: str) -> float:
        """Return the standard deviation of the estimate over logs."""
        return float(self.estimates[estimator][:, 0].std(ddof=1))


def table_contexts(table: RepairTable) -> list[Context]:
    """Return what a policy sees at the first repair of each row."""
    return [Context(ErrorClass(c), 2) for c in table.contexts]


def simulated_log(
    table: RepairTable,
    behaviour: Floats,
    questions: int,
    repeats: int,
    rng: np.random.Generator,
) -> tuple[LoggedDecisions, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Draw a log from a table.

    Parameters
    ----------
    table : RepairTable
        All outcomes.
    behaviour : ndarray of shape (len(table), 8)
        The logging policy's probability of each arm for each row.
    questions, repeats : int
        How many questions are drawn, and how many decisions each brings.
    rng : Generator
        Draws questions, arms and outcomes.

    Returns
    -------
    LoggedDecisions, ndarray
        The log, and the table's row of each decision.
    """
    _, codes = np.unique(np.array(table.question_ids), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes))
    # A question comes as often as it has rows, so that every row is as likely.
    drawn = codes[rng.integers(len(table), size=questions)]
    sizes = np.diff(ends, prepend=0)[drawn]
    offsets = (rng.random((questions, repeats)) * sizes[:, None]).astype(np.intp)
    rows = order[(ends[drawn] - sizes)[:, None] + offsets].ravel()
    n = len(rows)
    p = behaviour[rows]
    arms = (np.cumsum(p, axis=1) <= rng.random(n)[:, None] * p.sum(axis=1)[:, None]).sum(axis=1)
    columns = np.array([table.arm(str(a), "simulated_log") for a in ARMS])
    samples = rng.integers(table.successes.shape[2], size=n)
    contexts = table_contexts(table)
    logged = LoggedDecisions(
        name=f"log simulated from {table.name}",
        questions=tuple(f"draw {i}" for i in np.repeat(np.arange(questions), repeats)),
        contexts=tuple(contexts[r] for r in rows),
        actions=arms,
        outcomes=table.successes[rows, columns[arms], samples].astype(float),
        propensities=p[np.arange(n), arms],
        simulated=table.simulated,
    )
    return logged, rows


def validate(
    table: RepairTable,
    behaviour: Floats,
    target: Floats,
    *,
    logs: int = 200,
    questions: int = 400,
    repeats: int = 2,
    seed: int = 0,
) -> Validation:
    """Estimate one target from many simulated logs.

    Parameters
    ----------
    table, behaviour, questions, repeats
        See `simulated_log`.
    target : ndarray of shape (len(table), 8)
        The target policy's probability of each arm for each row.
    logs : int
        How many.
    seed : int
        Of everything that is drawn.
    """
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ESTIMATORS}
    for i in range(logs):
        rng = generator(seed, Role.ANALYSIS, "validation", repeat=i)
        logged, rows = simulated_log(table, behaviour, questions, repeats, rng)
        for name, estimate in evaluate(logged, target[rows], seed=i).estimates.items():
            found[name].append(estimate)
    return Validation(exact_value(table, target), {k: np.array(v) for k, v in found.items()})
