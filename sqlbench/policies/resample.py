"""Resampling at equal cost: a new answer from scratch, and the error is not even shown."""

from __future__ import annotations

import numpy as np

from sqlbench.episodes.context import Context
from sqlbench.episodes.repair import GENERATE
from sqlbench.policies.base import Decision
from sqlbench.policies.simple import RandomPolicy


class ResamplePolicy(RandomPolicy):
    """Ask for a new answer at every attempt, as often as a repair would be asked for.

    What repairs must be compared with: more samples often beat more repairs (Olausson et al. 2024).
    Under oracle feedback this is pass@k. ``generate`` is no arm: nothing is learned from it.

    Parameters
    ----------
    epsilon : float
        The share of uniform choice over the eight arms that is mixed in.

    References
    ----------
    T. X. Olausson, J. P. Inala, C. Wang, J. Gao, A. Solar-Lezama: Is self-repair a silver bullet
    for code generation? ICLR 2024.
    """

    def select(self, context: Context, rng: np.random.Generator) -> Decision:
        """Choose ``generate``, or with probability ε an arm."""
        if rng.random() < self.epsilon:
            decision = super().select(context, rng)
            return Decision(decision.action, {}, self.epsilon * decision.propensity)
        return Decision(GENERATE, {}, 1 - self.epsilon)
