"""A policy of your own on a repair table: one live copy a seed, asked one decision at a time."""

from __future__ import annotations

import numpy as np

from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS, GENERATE, RepairAction
from sqlbench.evidence.repair_table import RESAMPLE, RepairTable, TableError
from sqlbench.evidence.stacked.base import Floats, Ints, StackedPolicy
from sqlbench.policies.base import Policy
from sqlbench.policies.registry import make_policy


class StackedOwn(StackedPolicy):
    """A registered policy in S copies; see `sqlbench.policies.register_policy`.

    Parameters
    ----------
    spec : str
        Makes a copy.
    table, seeds
        See `StackedPolicy`.

    Raises
    ------
    TableError
        If the table's arms or contexts are not those that a policy knows.
    """

    def __init__(self, spec: str, table: RepairTable, seeds: int) -> None:
        super().__init__(table, seeds)
        known = {*map(str, ARMS)} <= {*table.arms}
        if not known or not {*table.contexts} <= {*map(str, ErrorClass)}:
            raise TableError(
                f"The policy {spec!r} chooses among the 8 repairs by an error class, and the "
                f"repair table {table.name!r} has other arms or contexts."
            )
        self.spec = spec
        self.policies: list[Policy] = [make_policy(spec) for _ in range(seeds)]

    def select(self, rows: Ints, uniforms: Floats, normals: Floats | None = None) -> Ints:
        """Choose for one row a seed; each copy's random numbers come from its uniform one."""
        rngs = (np.random.default_rng(int(u * 2**53)) for u in uniforms)
        decided = zip(self.policies, rows, rngs, strict=True)
        return np.array([self._column(p.select(self._context(r), g).action) for p, r, g in decided])

    def settled(self, rows: Ints) -> Floats:
        """Return one choice a seed as the probability of each of the table's arms, (S, arms)."""
        full = np.zeros((self.seeds, len(self.table.arms)))
        full[self._all, self.select(rows, np.full(self.seeds, 0.5))] = 1.0
        return full

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Tell each copy of its own choice; `generate` is no arm."""
        for policy, row, column, reward in zip(self.policies, rows, chosen, rewards, strict=True):
            arm = self.table.arms[column]
            if arm != RESAMPLE:
                policy.update(self._context(row), RepairAction(arm), float(reward))
                policy.end_episode()

    def _context(self, row: int) -> Context:
        signals = None if self.table.signals is None else tuple(self.table.signals[row].tolist())
        return Context(ErrorClass(self.table.contexts[row]), 2, signals=signals)

    def _column(self, action: str) -> int:
        return self.table.arm(RESAMPLE if action == GENERATE else str(action), self.spec)
