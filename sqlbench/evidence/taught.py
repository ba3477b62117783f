"""Teach a live policy every outcome of a collected repair table, before its first episode."""

from __future__ import annotations

import numpy as np

from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass
from sqlbench.evidence.earlier import told_order
from sqlbench.evidence.repair_table import RepairTable, TableError
from sqlbench.exceptions import ConfigError
from sqlbench.policies import Policy, make_policy
from sqlbench.policies.cost_aware import TOKENS, price_of
from sqlbench.policies.registry import blocks_of, choices_of


def taught(spec: str, table: RepairTable) -> Policy:
    """Return a policy that learned the mean outcome of each of its arms in each row of a table.

    Each outcome counts as one episode, as in a replay. A run that starts from the policy
    (``start_from``) goes on learning from there.

    Parameters
    ----------
    spec : str
        As for `sqlbench.policies.make_policy`.
    table : RepairTable
        With the arms that the policy chooses among, and an error class as each context: as
        `sqlbench collect` makes it.

    Raises
    ------
    UnknownNameError, ConfigError
        If there is no such policy or parameter, or it learns nothing.
    TableError
        If the table lacks an arm, or what the policy sees of a failure.
    """
    policy = make_policy(spec)
    if not policy.state():
        raise ConfigError(f"The policy {spec!r} learns nothing, so that nothing can be taught it.")
    table.block(",".join(blocks_of(policy)), spec)
    unknown = sorted({*table.contexts} - {*map(str, ErrorClass)})
    if unknown:
        raise TableError(
            f"The policy {spec!r} learns of each error class, and the repair table {table.name!r} "
            f"has the context {unknown[0]!r}, which is none."
        )
    columns = {arm: table.arm(str(arm), spec) for arm in choices_of(policy)}
    rewards, price = table.rewards, price_of(policy)
    if price:
        if table.tokens is None:
            raise TableError(
                f"The policy {spec!r} asks what each call used, which the repair table "
                f"{table.name!r} does not know."
            )
        rewards = rewards - price * table.tokens / TOKENS
    mean_rewards = rewards.mean(axis=2)
    for row in told_order(np.arange(len(table))):
        seen = None if table.signals is None else tuple(table.signals[row])
        context = Context(ErrorClass(table.contexts[row]), 2, signals=seen)
        for arm, column in columns.items():
            policy.update(context, arm, float(mean_rewards[row, column]))
            policy.end_episode()
    return policy
