"""Policies for many seeds at once: one array operation decides for all of them.

Each is the policy of the same name in `sqlbench.policies`, with the same parameters and the same
use of random numbers, over any table's arms and features (a test compares their choices).
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import numpy as np

from sqlbench.evidence.repair_table import RESAMPLE, RepairTable, TableError, static_choice
from sqlbench.evidence.stacked.base import Floats, Ints, StackedPolicy, StackedStatic
from sqlbench.evidence.stacked.cost_aware import StackedCostAware
from sqlbench.evidence.stacked.counting import StackedTable, StackedUCB1
from sqlbench.evidence.stacked.halving import StackedHalving
from sqlbench.evidence.stacked.hybrid import StackedHybrid
from sqlbench.evidence.stacked.linear import (
    StackedEpsilonGreedy,
    StackedLinear,
    StackedLinTS,
)
from sqlbench.evidence.stacked.linucb import StackedLinUCB
from sqlbench.evidence.stacked.own import StackedOwn
from sqlbench.evidence.stacked.pooled import StackedPooled
from sqlbench.exceptions import UnknownNameError
from sqlbench.policies.registry import is_foreign, is_own, parse_parameters

__all__ = [
    "REPLAYABLE",
    "Floats",
    "Ints",
    "StackedLinear",
    "StackedPolicy",
    "StackedTable",
    "stacked_policy",
]


def stacked_policy(
    spec: str, table: RepairTable, seeds: int, profile: str | None = None
) -> StackedPolicy:
    """Make a policy for a table, in S copies.

    Parameters
    ----------
    spec : str
        As for `sqlbench.policies.make_policy`; ``fixed:ARM`` takes any arm of the table.
    table : RepairTable
        Whose rows are decided on.
    seeds : int
        S.
    profile : str or None
        The simulated model's profile for `oracle`; None takes it from the table's model.

    Raises
    ------
    UnknownNameError, ConfigError
        If there is no such policy or parameter.
    TableError
        If the table lacks what the policy asks for.
    """
    head, _, query = spec.partition("?")
    name, _, argument = head.partition(":")
    if (head == name and is_own(name)) or is_foreign(head):
        return StackedOwn(spec, table, seeds)
    if name not in (*_LEARNERS, *_STATIC) or (name == "fixed") != bool(argument):
        raise UnknownNameError("policy", spec, REPLAYABLE)
    parameters = parse_parameters(spec, query)
    if "arms" in parameters and (name in _LEARNERS or name == "random"):
        names = tuple(parameters.pop("arms").split(","))
        for arm in names:
            table.arm(arm, spec)
        table = replace(table, only=names)
    builder: Any = _LEARNERS.get(name, StackedStatic)
    known = [
        p for p in inspect.signature(builder).parameters if p not in ("table", "seeds", "matrix")
    ]
    for parameter in parameters:
        if parameter not in known:
            raise UnknownNameError(f"parameter of policy {name!r}", parameter, known)
    if name in _LEARNERS:
        learner: StackedPolicy = builder(table, seeds, **parameters)
        return learner
    matrix = np.zeros((len(table), len(table.arms)))
    if name == "fixed":
        matrix[:, table.arm(argument, spec)] = 1.0
    elif name == RESAMPLE:
        matrix[:, table.arm(RESAMPLE, spec)] = 1.0
    elif name == "rules":
        matrix[np.arange(len(table)), static_choice(table, spec)] = 1.0
    elif name == "oracle":
        matrix = _oracle_scores(table, spec, profile)
    return StackedStatic(table, seeds, matrix, **parameters)


def _oracle_scores(table: RepairTable, spec: str, profile: str | None) -> Floats:
    from sqlbench.episodes.context import Context
    from sqlbench.episodes.errors import ErrorClass
    from sqlbench.episodes.repair import ARMS
    from sqlbench.models.simulated.profile import load_profile

    if table.expected is not None:
        return table.expected
    kind, _, named = table.model.partition(":")
    if kind != "simulated" and profile is None:
        raise TableError(
            f"The policy {spec!r} asks for a simulated model's matrix, which the repair table "
            f"{table.name!r} lacks: its model is {table.model or 'real'!r}."
        )
    matrix = load_profile(profile or named or "default")
    scores = np.zeros((len(table), len(table.arms)))
    for i, context in enumerate(table.contexts):
        for arm in ARMS:
            p = matrix.p_fixed(Context(ErrorClass(context), 2), arm)
            scores[i, table.arm(str(arm), spec)] = p
    return scores


_LEARNERS: dict[str, type[StackedPolicy]] = {
    "linucb": StackedLinUCB,
    "lints": StackedLinTS,
    "epsilon-greedy": StackedEpsilonGreedy,
    "ucb1": StackedUCB1,
    "table": StackedTable,
    "hybrid": StackedHybrid,
    "cost-aware": StackedCostAware,
    "pooled": StackedPooled,
    "halving": StackedHalving,
}
_STATIC = ("rules", "random", "resample", "fixed", "oracle")
REPLAYABLE = (*_LEARNERS, "rules", "random", "resample", "fixed:ARM", "oracle")
