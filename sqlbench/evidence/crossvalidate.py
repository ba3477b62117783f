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

from sqlbench.evidence.earlier import joined, joined_means, tell, told
from sqlbench.evidence.repair_table import RepairTable, best_column
from sqlbench.evidence.replay import run_stacked, seeded_order
from sqlbench.evidence.stacked import StackedLinear, StackedPolicy, StackedTable, stacked_policy
from sqlbench.exceptions import ConfigError
from sqlbench.html import Card, Grid, Shown
from sqlbench.stats import (
    clustered_ratio,
    interval_text,
    paired_difference,
    points_text,
    seed_band,
    share,
    share_text,
)

if TYPE_CHECKING:
    import pandas as pd

BEST_ELSEWHERE = "best fixed arm of the other databases"
BEST_EARLIER = "best fixed arm of the earlier records"
TABLE_TOLD = "table, told every arm's outcome"
LINEAR_TOLD = "linear, told every arm's outcome"
OPTIMUM = "best arm of each question (not attainable)"


@dataclass(frozen=True)
class CrossValidation(Shown):
    """What policies reach on held-out databases.

    Attributes
    ----------
    table : RepairTable
        The table.
    values : dict of str to ndarray of shape (n,)
        By policy, the share of seeds in which each row ends right.
    baseline : str
        The policy that the others are compared with: the best fixed arm, in hindsight.
    earlier : RepairTable or None
        What every policy was told before it began.
    """

    table: RepairTable
    values: dict[str, NDArray[np.float64]]
    baseline: str
    earlier: RepairTable | None = None

    def summary(self) -> pd.DataFrame:
        """Return a row a policy, best first.

        Columns: policy, right, low and high (95%, by question), difference from the
        baseline with its paired interval by question (difference_low, difference_high) and by
        database (database_low, database_high: Student's t over the databases' differences,
        weighted alike), gap_closed (the difference over that of the optimum, with gap_low and
        gap_high, by question).
        """
        import pandas as pd

        base, best = self.values[self.baseline], self.values[OPTIMUM]
        questions = self.table.question_ids
        rows = []
        for policy, value in self.values.items():
            right = share(value, questions)
            difference = paired_difference(value, base, questions)
            gap = clustered_ratio(value - base, best - base, questions)
            database_low, database_high = (
                (0.0, 0.0)  # from itself it differs by nothing
                if policy == self.baseline
                else database_interval(value - base, self.table.db_ids)
            )
            rows.append(
                {
                    "policy": policy,
                    "right": float(value.mean()),
                    "low": right.low,
                    "high": right.high,
                    "difference": difference.estimate,
                    "difference_low": difference.low,
                    "difference_high": difference.high,
                    "database_low": database_low,
                    "database_high": database_high,
                    "gap_closed": gap.estimate,
                    "gap_low": gap.low,
                    "gap_high": gap.high,
                }
            )
        frame = pd.DataFrame(rows).sort_values("right", ascending=False, kind="stable")
        return frame.reset_index(drop=True)

    def grid(self) -> Grid:
        """Return the summary as a table to be read; differences are in points."""
        points = f"points against {self.baseline} [by question] [by database]"
        rows = []
        for r in self.summary().to_dict("records"):
            cells = [r["policy"], interval_text(r["right"], r["low"], r["high"]), "—", "—"]
            if r["policy"] != self.baseline:
                ends = (r[f"difference{k}"] for k in ("", "_low", "_high"))
                across = (share_text(100 * r[f"database{k}"], "+.1f") for k in ("_low", "_high"))
                cells[2] = f"{points_text(*ends)} [{', '.join(across)}]"
                cells[3] = interval_text(r["gap_closed"], r["gap_low"], r["gap_high"], ".0%")
            rows.append(cells)
        return Grid(["policy", "right [95%, by question]", points, "gap closed [95%]"], rows)

    def card(self) -> Card:
        """Return what a notebook shows of it: the summary, best first."""
        n = len(set(self.table.db_ids))
        title = f"Held out on {self.table.label}; each of {n} databases once"
        return Card(title, [self.grid(), *told(self.earlier)])


def cross_validate(
    table: RepairTable,
    policies: Sequence[str],
    seeds: Sequence[int],
    passes: int = 1,
    earlier: RepairTable | None = None,
) -> CrossValidation:
    """Let policies learn on all databases but one, and decide on that one; for each database.

    Beside the policies asked for, the result holds every fixed arm, the best fixed arm of the
    other databases, `table` and a linear policy that were told every arm's outcome of every
    training question (what bandit feedback costs is the distance to them), and the best arm of
    each question. With earlier records all of these know them, too, and the best fixed arm of the
    earlier records alone stands beside.

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
    earlier : RepairTable or None
        Records that every policy is told before it begins, those of the database that is held out
        left out: see `sqlbench.evidence.earlier`.

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
    seeds = list(dict.fromkeys(seeds))
    if len(seeds) < 2:
        raise ConfigError(f"Cross-validation needs at least 2 seeds, not {len(seeds)}.")
    if passes < 1:
        raise ConfigError(f"passes is at least 1, not {passes!r}.")
    means = table.means
    values = {f"fixed:{a}": means[:, table.arms.index(a)] for a in table.choices}
    bounds = (BEST_ELSEWHERE, TABLE_TOLD, LINEAR_TOLD, *([BEST_EARLIER] if earlier else []))
    held: dict[str, NDArray[np.float64]] = {
        name: np.empty(len(table)) for name in (*policies, *bounds)
    }
    known = joined(table, earlier) if earlier else table
    known_means = joined_means(table, earlier) if earlier else means
    columns = [table.arms.index(a) for a in table.choices]
    db_ids = np.array(known.db_ids)
    ours = np.arange(len(known)) < len(table)
    for database in databases:
        test, rest = np.flatnonzero(db_ids == database), db_ids != database
        test, train, before = test[ours[test]], *(np.flatnonzero(rest & m) for m in (ours, ~ours))
        others = np.concatenate([train, before])
        held[BEST_ELSEWHERE][test] = means[
            test, columns[best_column(known_means[others][:, columns])]
        ]
        if earlier:
            if not len(before):
                raise ConfigError(
                    f"The earlier records {earlier.name!r} hold the database {database!r} alone, "
                    "which is held out: there is nothing to tell."
                )
            held[BEST_EARLIER][test] = means[
                test, columns[best_column(known_means[before][:, columns])]
            ]
        learners: dict[str, StackedPolicy] = {
            TABLE_TOLD: StackedTable(known, 1),
            LINEAR_TOLD: StackedLinear(known, 1),
        }
        for name, learner in learners.items():
            tell(learner, others)
            held[name][test] = _decide(learner, test, means)
        rows, samples = seeded_order(train, table.rewards.shape[2], seeds, passes * len(train))
        for spec in policies:
            policy = stacked_policy(spec, known, len(seeds))
            tell(policy, before)
            run_stacked(policy, rows, samples, seeds)
            held[spec][test] = _decide(policy, test, means)
    baseline = f"fixed:{table.arms[table.best_fixed()]}"
    return CrossValidation(table, {**values, **held, OPTIMUM: table.optimum()}, baseline, earlier)


def database_interval(
    differences: NDArray[np.float64], databases: Sequence[str]
) -> tuple[float, float]:
    """Return Student's t interval of a mean difference over databases, each weighing the same.

    With eight databases a bootstrap of clusters is too narrow; t with seven degrees of freedom is
    the usual remedy (Cameron, Gelbach and Miller 2008). NaN where all databases agree.
    """
    _, codes = np.unique(np.asarray(databases), return_inverse=True)
    means = np.bincount(codes, weights=differences) / np.bincount(codes)
    _, low, high = seed_band(means, within=(-1, 1))
    return float(low), float(high)


def _decide(
    policy: StackedPolicy, rows: NDArray[np.intp], means: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean outcome of a policy's settled choice, averaged over its seeds."""
    return np.array(
        [float((policy.settled(np.full(policy.seeds, r)) @ means[r]).mean()) for r in rows]
    )


def gap_by_arm(table: RepairTable) -> pd.DataFrame:
    """Return where the gap between the best fixed arm and the best arm of each row lies.

    Columns: arm, right (rows that it gets right where the best fixed arm does not), alone (rows
    that no other arm gets right), wrong (rows that it gets wrong where the best fixed arm is
    right: what choosing it everywhere would cost). For tables with one sample a cell.
    """
    import pandas as pd

    best = table.best_fixed()
    right = table.means > 0.5
    missed = ~right[:, best]
    others = [i for i in range(len(table.arms)) if i != best and table.arms[i] in table.choices]
    rows = []
    for i in others:
        rest = [j for j in others if j != i]
        rows.append(
            {
                "arm": table.arms[i],
                "right": int((missed & right[:, i]).sum()),
                "alone": int((missed & right[:, i] & ~right[:, rest].any(axis=1)).sum()),
                "wrong": int((~missed & ~right[:, i]).sum()),
            }
        )
    return pd.DataFrame(rows)
