"""Policies on questions of databases that they never saw: leave one database out.

For each database a policy learns online on the questions of all the others, in a seeded order and
from the outcome of the arm that it chose alone; then it explores no more and decides for the
database that was held out. Every question is so decided once for each seed, and policies are
compared question by question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sqlbench.analysis import RESAMPLES
from sqlbench.exceptions import ConfigError
from sqlbench.repair_table import RepairTable
from sqlbench.replay import run_stacked, seeded_order
from sqlbench.seeds import Role, generator
from sqlbench.stacked import StackedLinear, StackedPolicy, StackedTable, stacked_policy

if TYPE_CHECKING:
    import pandas as pd

BEST_ELSEWHERE = "best fixed arm of the other databases"
TABLE_TOLD = "table, told every arm's outcome"
LINEAR_TOLD = "linear, told every arm's outcome"
OPTIMUM = "best arm of each question (not attainable)"


@dataclass(frozen=True)
class CrossValidation:
    """What policies reach on held-out databases.

    Attributes
    ----------
    table : RepairTable
        The table.
    values : dict of str to ndarray of shape (n,)
        By policy, the share of seeds in which each row ends right.
    baseline : str
        The policy that the others are compared with: the best fixed arm, in hindsight.
    """

    table: RepairTable
    values: dict[str, NDArray[np.float64]]
    baseline: str

    def summary(self, seed: int = 0) -> pd.DataFrame:
        """Return a row a policy, best first.

        Columns: policy, right, low and high (95% bootstrap by question), difference from the
        baseline with its paired interval by question (difference_low, difference_high) and by
        database (database_low, database_high: Student's t over the databases' differences,
        weighted alike), gap_closed (the difference over that of the optimum, with gap_low and
        gap_high, by question).
        """
        import pandas as pd

        base, best = self.values[self.baseline], self.values[OPTIMUM]
        rows = []
        for policy, value in self.values.items():
            draws = bootstrap_means(
                np.stack([value, value - base, best - base]), self.table.question_ids, seed
            )
            difference = value - base
            gap = float((best - base).mean())
            low, high = np.quantile(draws[:, 0], [0.025, 0.975])
            d_low, d_high = np.quantile(draws[:, 1], [0.025, 0.975])
            g_low, g_high = np.quantile(draws[:, 1] / draws[:, 2], [0.025, 0.975])
            b_low, b_high = database_interval(difference, self.table.db_ids)
            rows.append(
                {
                    "policy": policy,
                    "right": float(value.mean()),
                    "low": low,
                    "high": high,
                    "difference": float(difference.mean()),
                    "difference_low": d_low,
                    "difference_high": d_high,
                    "database_low": b_low,
                    "database_high": b_high,
                    "gap_closed": float(difference.mean()) / gap,
                    "gap_low": g_low,
                    "gap_high": g_high,
                }
            )
        frame = pd.DataFrame(rows).sort_values("right", ascending=False, kind="stable")
        return frame.reset_index(drop=True)


def cross_validate(
    table: RepairTable, policies: Sequence[str], seeds: Sequence[int], passes: int = 1
) -> CrossValidation:
    """Let policies learn on all databases but one, and decide on that one; for each database.

    Beside the policies asked for, the result holds every fixed arm, the best fixed arm of the
    other databases, `table` and a linear policy that were told every arm's outcome of every
    training question (what bandit feedback costs is the distance to them), and the best arm of
    each question.

    Parameters
    ----------
    table : RepairTable
        All outcomes, on at least two databases.
    policies : sequence of str
        Specs.
    seeds : sequence of int
        Of the order in which training questions come; at least two.
    passes : int
        How often each training question is asked.

    Raises
    ------
    ConfigError
        If there is one database, or one seed, alone.
    TableError
        If the table lacks what a policy asks for.
    """
    databases = sorted(set(table.db_ids))
    if len(databases) < 2:
        raise ConfigError(
            f"Holding out databases needs at least 2 of them; the repair table {table.name!r} "
            f"has {databases[0]!r} alone."
        )
    if len(set(seeds)) < 2:
        raise ConfigError(f"Cross-validation needs at least 2 seeds, not {len(set(seeds))}.")
    if passes < 1:
        raise ConfigError(f"passes is at least 1, not {passes!r}.")
    means = table.means
    values = {f"fixed:{a}": means[:, table.arms.index(a)] for a in table.choices}
    held: dict[str, NDArray[np.float64]] = {
        name: np.empty(len(table)) for name in (*policies, BEST_ELSEWHERE, TABLE_TOLD, LINEAR_TOLD)
    }
    db_ids = np.array(table.db_ids)
    for database in databases:
        train, test = np.flatnonzero(db_ids != database), np.flatnonzero(db_ids == database)
        held[BEST_ELSEWHERE][test] = means[test, table.take(train).best_fixed()]
        told: dict[str, StackedPolicy] = {
            TABLE_TOLD: StackedTable(table, 1),
            LINEAR_TOLD: StackedLinear(table, 1),
        }
        for name, learner in told.items():
            _tell_all(learner, train)
            held[name][test] = _decide(learner, test, means)
        rows, samples = seeded_order(train, table.rewards.shape[2], seeds, passes * len(train))
        for spec in policies:
            policy = stacked_policy(spec, table, len(seeds))
            run_stacked(policy, rows, samples, seeds)
            held[spec][test] = _decide(policy, test, means)
    baseline = f"fixed:{table.arms[table.best_fixed()]}"
    return CrossValidation(table, {**values, **held, OPTIMUM: table.optimum()}, baseline)


def bootstrap_means(
    values: NDArray[np.float64], clusters: Sequence[str], seed: int = 0
) -> NDArray[np.float64]:
    """Return bootstrap draws of several means at once, resampling whole clusters.

    Parameters
    ----------
    values : ndarray of shape (m, n)
        m quantities over the same n rows: they are resampled together.
    clusters : sequence of length n
        The cluster of each row.
    seed : int
        Of the resampling.

    Returns
    -------
    ndarray of shape (RESAMPLES, m)
    """
    labels, codes = np.unique(np.asarray(clusters), return_inverse=True)
    k = len(labels)
    sums = np.stack([np.bincount(codes, weights=v, minlength=k) for v in values], axis=1)
    sizes = np.bincount(codes, minlength=k)
    drawn = generator(seed, Role.ANALYSIS).multinomial(k, np.full(k, 1 / k), size=RESAMPLES)
    means: NDArray[np.float64] = (drawn @ sums) / (drawn @ sizes)[:, None]
    return means


def database_interval(
    differences: NDArray[np.float64], databases: Sequence[str]
) -> tuple[float, float]:
    """Return Student's t interval of a mean difference over databases, each weighing the same.

    With eight databases a bootstrap of clusters is too narrow; t with seven degrees of freedom is
    the usual remedy (Cameron, Gelbach and Miller 2008).
    """
    from scipy.stats import t

    names, codes = np.unique(np.asarray(databases), return_inverse=True)
    means = np.bincount(codes, weights=differences) / np.bincount(codes)
    k = len(names)
    half = float(t.ppf(0.975, k - 1) * means.std(ddof=1) / np.sqrt(k))
    return float(means.mean()) - half, float(means.mean()) + half


def _tell_all(policy: StackedPolicy, rows: NDArray[np.intp]) -> None:
    table = policy.table
    mean_rewards = table.rewards.mean(axis=2)
    for row in rows:
        for column in policy.columns:
            now = np.array([row])
            policy.learn(now, np.array([column]), mean_rewards[row, [column]])


def _decide(
    policy: StackedPolicy, rows: NDArray[np.intp], means: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean outcome of a policy's settled choice, averaged over its seeds."""
    return np.array(
        [float((policy.settled(np.full(policy.seeds, r)) @ means[r]).mean()) for r in rows]
    )
