"""Cost-aware LinUCB for many seeds."""

from __future__ import annotations

from sqlbench.evidence.repair_table import RepairTable, TableError
from sqlbench.evidence.stacked.base import Floats
from sqlbench.evidence.stacked.linucb import StackedLinUCB
from sqlbench.policies.cost_aware import TOKENS, CostAwareLinUCBPolicy


class StackedCostAware(StackedLinUCB):
    """`sqlbench.policies.cost_aware` for many seeds: it learns rewards less what tokens cost.

    Parameters
    ----------
    table, seeds, alpha, decay, min_alpha, ridge, gamma, epsilon, features
        See `StackedLinUCB`; the table must know the tokens.
    price : float
        λ: the reward that a thousand tokens are worth.

    Raises
    ------
    TableError
        If the table does not know what its calls used.
    """

    def __init__(
        self,
        table: RepairTable,
        seeds: int,
        price: float = 0.05,
        alpha: float = 1.5,
        decay: float = 0.995,
        min_alpha: float = 0.3,
        ridge: float = 1.0,
        gamma: float = 1.0,
        epsilon: float = 0.0,
        features: str = "class",
    ) -> None:
        super().__init__(table, seeds, alpha, decay, min_alpha, ridge, gamma, epsilon, features)
        CostAwareLinUCBPolicy(price)  # refuses what is no price
        if table.tokens is None:
            raise TableError(
                f"The policy 'cost-aware' asks what each call used, which the repair table "
                f"{table.name!r} does not know."
            )
        self._rewards = table.rewards - price * table.tokens / TOKENS

    @property
    def rewards(self) -> Floats:
        """The table's rewards, less what their tokens cost."""
        return self._rewards
