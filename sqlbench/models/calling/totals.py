"""What was called and spent so far, and whether another call fits into a budget."""

from __future__ import annotations

from dataclasses import dataclass

from sqlbench.exceptions import BudgetReachedError


@dataclass(slots=True)
class Totals:
    """What was called and spent, and what calls in flight may still cost."""

    calls: int = 0
    spent: float = 0.0
    reserved: float = 0.0

    def fits(self, most: float, budget: float | None, max_calls: int | None) -> bool:
        """Whether a call may go out; False: perhaps, once calls in flight have cost less.

        Raises
        ------
        BudgetReachedError
            If a limit would be passed.
        """
        if budget is not None and self.spent + most > budget:
            raise BudgetReachedError(
                f"{self.spent:.4f} of {budget:g} is spent, and the next call might pass it",
                "budget",
            )
        if max_calls is not None and self.calls >= max_calls:
            raise BudgetReachedError(f"{self.calls} of {max_calls} calls are made", "max_calls")
        return budget is None or self.spent + self.reserved + most <= budget
