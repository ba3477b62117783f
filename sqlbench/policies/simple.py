"""The baselines that learn nothing: random, one fixed arm, and the obvious table of rules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS, KEEP, Arm, RepairAction
from sqlbench.exceptions import UnknownNameError
from sqlbench.policies.arms import ARM_NAMES
from sqlbench.policies.base import ARM_INDEX, ScoredPolicy

OBVIOUS_ARM: dict[ErrorClass | None, RepairAction] = {
    ErrorClass.NO_SUCH_COLUMN: RepairAction.FIX_COLUMN,
    ErrorClass.NO_SUCH_TABLE: RepairAction.FIX_TABLE,
    ErrorClass.SYNTAX_ERROR: RepairAction.FIX_SYNTAX,
    ErrorClass.AMBIGUOUS_COLUMN: RepairAction.FIX_COLUMN,
    ErrorClass.DATATYPE_MISMATCH: RepairAction.CHANGE_DIALECT,
    ErrorClass.NO_SUCH_FUNCTION: RepairAction.CHANGE_DIALECT,
    ErrorClass.AGGREGATION_ERROR: RepairAction.ADD_GROUPBY,
    ErrorClass.OTHER: RepairAction.REWRITE_FULL,
    ErrorClass.EMPTY_RESULT: RepairAction.RELAX_FILTER,
    ErrorClass.WRONG_RESULT: RepairAction.REWRITE_FULL,
    ErrorClass.TIMEOUT: RepairAction.REWRITE_CTE,
    None: RepairAction.REWRITE_FULL,
}


class RandomPolicy(ScoredPolicy):
    """Choose uniformly."""

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return the same score for each arm, shape (K,)."""
        return np.zeros(len(self.choices))


class FixedPolicy(ScoredPolicy):
    """Choose one arm, always.

    Parameters
    ----------
    arm : str
        One of the eight repair actions, or ``keep``.
    epsilon : float
        The share of uniform choice that is mixed in.

    Raises
    ------
    UnknownNameError
        If there is no such arm.
    """

    def __init__(self, arm: str, epsilon: float = 0.0) -> None:
        super().__init__(epsilon, ",".join(ARM_NAMES) if arm == KEEP else "")
        if arm not in ARM_NAMES:
            raise UnknownNameError("repair action", arm, ARM_NAMES)
        self.arm: Arm = KEEP if arm == KEEP else RepairAction(arm)

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return 1 for the arm and 0 for the others, shape (K,)."""
        scores = np.zeros(len(self.choices))
        scores[self.index[self.arm]] = 1.0
        return scores


class RulesPolicy(ScoredPolicy):
    """Choose the arm that the error's class suggests (`OBVIOUS_ARM`).

    Parameters
    ----------
    epsilon : float
        The share of uniform choice that is mixed in.
    """

    def __init__(self, epsilon: float = 0.0) -> None:
        super().__init__(epsilon)

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return 1 for the obvious arm and 0 for the others, shape (8,)."""
        scores = np.zeros(len(ARMS))
        scores[ARM_INDEX[OBVIOUS_ARM[context.error_class]]] = 1.0
        return scores
