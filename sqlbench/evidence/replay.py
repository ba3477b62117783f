"""Replay policies on a repair table: exactly, for many seeds at once, without a model call.

Each seed asks the table's rows in a fresh order on every pass and draws one stored sample of the
arm that a policy chooses, so the policy learns from one outcome as it would live. It is *scored*
by the arm's mean outcome, which takes the luck of that one sample out. All policies meet the same
rows, samples and random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from sqlbench.checks import check_whole
from sqlbench.evidence.earlier import joined, tell, told
from sqlbench.evidence.repair_table import RepairTable
from sqlbench.evidence.stacked import StackedPolicy, stacked_policy
from sqlbench.exceptions import ConfigError
from sqlbench.html import Card, Grid, Shown, Text, facts
from sqlbench.seeds import Role, generator
from sqlbench.stats import interval_text, seed_band

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 500
_NOTHING = 1e-9  # of regret: what sums of floats leave


@dataclass(frozen=True)
class Replay(Shown):
    """What policies chose on a table.

    Attributes
    ----------
    table : RepairTable
        The table.
    seeds : tuple of int
        S seeds.
    rows : ndarray of shape (S, T)
        The row that each decision was about.
    chosen : dict of str to ndarray of shape (S, T)
        By policy, the column of the arm chosen.
    earlier : RepairTable or None
        What every policy was told before its first decision.
    """

    table: RepairTable
    seeds: tuple[int, ...]
    rows: NDArray[np.intp]
    chosen: dict[str, NDArray[np.intp]]
    earlier: RepairTable | None = None

    def values(self, policy: str) -> NDArray[np.float64]:
        """Return the mean outcome of what a policy chose, for each decision, shape (S, T)."""
        values: NDArray[np.float64] = self.table.means[self.rows, self.chosen[policy]]
        return values

    def regret(self, policy: str) -> NDArray[np.float64]:
        """Return the cumulated regret against the best policy on mean outcomes, shape (S, T).

        The best policy knows for each context (the error class) the arm of the highest mean
        outcome over the table's rows.
        """
        best = self.table.means[np.arange(len(self.table)), self.table.best_in_context()]
        cumulated: NDArray[np.float64] = np.cumsum(best[self.rows] - self.values(policy), axis=1)
        return cumulated

    def summary(self) -> pd.DataFrame:
        """Return a row a policy, best first, and the bounds that the table itself gives.

        Columns: policy, fixed (mean outcome of its first repairs, over all decisions), low and
        high (95% t interval over seeds: it speaks of this table, not of other questions), late
        (the same over the last third), regret (cumulated, a seed), regret_low, regret_high. Ends
        are NaN where the seeds agree, and 0 of a policy without any regret: it is the best one.
        """
        import pandas as pd

        late = self.rows.shape[1] * 2 // 3
        rows: list[dict[str, Any]] = []
        for policy in self.chosen:
            values, regret = self.values(policy), self.regret(policy)[:, -1]
            mean, low, high = map(float, seed_band(values.mean(axis=1), within=(0, 1)))
            mean_regret, regret_low, regret_high = map(float, seed_band(regret))
            if not np.abs(regret).max() > _NOTHING:  # it is what the others are held against
                regret_low = regret_high = 0.0
            rows.append(
                {
                    "policy": policy,
                    "fixed": mean,
                    "low": low,
                    "high": high,
                    "late": float(values[:, late:].mean()),
                    "regret": mean_regret,
                    "regret_low": regret_low,
                    "regret_high": regret_high,
                }
            )
        frame = pd.DataFrame(rows).sort_values("fixed", ascending=False, kind="stable")
        return frame.reset_index(drop=True)

    def grid(self) -> Grid:
        """Return the summary as a table to be read."""
        header = ["policy", "right after it [95%, over seeds]", "last third", "regret [95%]"]
        rows = [
            [
                r["policy"],
                interval_text(r["fixed"], r["low"], r["high"]),
                f"{r['late']:.1%}",
                interval_text(r["regret"], r["regret_low"], r["regret_high"], ".1f"),
            ]
            for r in self.summary().to_dict("records")
        ]
        return Grid(header, rows)

    def card(self) -> Card:
        """Return what a notebook shows of it: the summary, and what the table allows."""
        n, seeds = self.rows.shape[1], len(self.seeds)
        title = f"Replay on {self.table.label}, {n:,} first repairs × {seeds} seeds"
        allowed = facts({name: f"{value:.1%}" for name, value in self.bounds().items()})
        note = "Regret: against the best policy on the error class, on mean outcomes."
        return Card(title, [self.grid(), allowed, Text(note), *told(self.earlier)])

    def bounds(self) -> dict[str, float]:
        """Return what the table itself allows: mean outcomes over the rows that were asked.

        ``best fixed arm``, ``best policy on the error class`` (regret 0) and ``best arm of each
        row``, which is the maximum of noisy outcomes and out of any policy's reach.
        """
        table, everything = self.table, np.arange(len(self.table))
        return {
            "best fixed arm": float(table.means[self.rows, table.best_fixed()].mean()),
            "best policy on the error class": float(
                table.means[everything, table.best_in_context()][self.rows].mean()
            ),
            "best arm of each row (not attainable)": float(table.optimum()[self.rows].mean()),
        }


def replay(
    table: RepairTable,
    policies: Sequence[str],
    seeds: Sequence[int],
    decisions: int | None = None,
    *,
    earlier: RepairTable | None = None,
    progress: bool = False,
) -> Replay:
    """Replay policies on a table.

    Parameters
    ----------
    table : RepairTable
        All outcomes.
    policies : sequence of str
        Specs, see `sqlbench.evidence.stacked.stacked_policy`.
    seeds : sequence of int
        At least two: intervals are over seeds.
    decisions : int or None
        How many first repairs each seed makes; None is one pass over the table.
    earlier : RepairTable or None
        Records that every policy is told before it begins: see `sqlbench.evidence.earlier`.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    UnknownNameError, ConfigError
        If there is no such policy, or too few seeds or decisions.
    TableError
        If the table lacks what a policy asks for.
    """
    for seed in seeds:
        check_whole("seed", seed)
    seeds = list(dict.fromkeys(seeds))  # one that counted twice would make intervals too narrow
    if len(seeds) < 2:
        raise ConfigError(
            f"A replay gives intervals over seeds and needs at least 2 of them, not "
            f"{len(seeds)}; for example --seeds 0-99."
        )
    if not policies:
        raise ConfigError("A replay needs at least one policy, for example linucb.")
    total = len(table) if decisions is None else decisions
    check_whole("decisions", total, 1)
    known = joined(table, earlier) if earlier else table
    stacked = {spec: stacked_policy(spec, known, len(seeds)) for spec in policies}
    rows, samples = seeded_order(np.arange(len(table)), table.rewards.shape[2], seeds, total)
    chosen = {}
    with tqdm(total=total * len(stacked), unit="step", disable=not progress) as bar:
        for spec, policy in stacked.items():
            bar.set_description(spec)
            tell(policy, np.arange(len(table), len(known)))
            chosen[spec] = run_stacked(policy, rows, samples, seeds, bar)
    return Replay(table, tuple(seeds), rows, chosen, earlier)


def run_stacked(
    policy: StackedPolicy,
    rows: NDArray[np.intp],
    samples: NDArray[np.intp],
    seeds: Sequence[int],
    bar: Any = None,
) -> NDArray[np.intp]:
    """Let a policy decide on given rows and learn from given samples; return what it chose.

    Parameters
    ----------
    policy : StackedPolicy
        In as many copies as there are seeds; it is changed.
    rows, samples : ndarray of shape (S, T)
        What each decision is about, and which stored outcome it brings.
    seeds : sequence of int
        Each seeds its own random numbers, whatever the others are.
    bar : tqdm or None
        Told of the progress.
    """
    rngs = [generator(seed, Role.POLICY, "replay") for seed in seeds]
    rewards = policy.rewards
    chosen = np.empty_like(rows)
    for start in range(0, rows.shape[1], _CHUNK):
        stop = min(start + _CHUNK, rows.shape[1])
        normals = None
        if policy.needs_normals:
            shape = (stop - start, policy.n_arms)
            normals = np.stack([rng.standard_normal(shape) for rng in rngs], axis=1)
        uniforms = np.stack([rng.random(stop - start) for rng in rngs], axis=1)
        for t in range(start, stop):
            now = np.ascontiguousarray(rows[:, t])
            noise = None if normals is None else normals[t - start]
            arms = policy.select(now, uniforms[t - start], noise)
            policy.learn(now, arms, rewards[now, arms, samples[:, t]])
            chosen[:, t] = arms
        if bar is not None:
            bar.update(stop - start)
    return chosen


def seeded_order(
    index: NDArray[np.intp], n_samples: int, seeds: Sequence[int], total: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the row and the stored sample of each decision, both of shape (S, T).

    Parameters
    ----------
    index : ndarray of int
        The rows that are asked: all of them in a fresh order on every pass.
    n_samples : int
        How many samples each cell has.
    seeds : sequence of int
        Each seeds its own order, whatever the others are.
    total : int
        T.
    """
    passes = -(-total // len(index))
    rows = np.empty((len(seeds), total), dtype=np.intp)
    samples = np.empty((len(seeds), total), dtype=np.intp)
    for i, seed in enumerate(seeds):
        order = generator(seed, Role.ORDER, "replay")
        rows[i] = np.concatenate([order.permutation(index) for _ in range(passes)])[:total]
        samples[i] = generator(seed, Role.MODEL, "replay").integers(n_samples, size=total)
    return rows, samples
