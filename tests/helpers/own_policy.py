"""A policy that is not sqlbench's, in a module that worker processes can import."""

from __future__ import annotations

import numpy as np

from sqlbench.episodes.repair import ARMS
from sqlbench.policies import ScoredPolicy


class Restless(ScoredPolicy):
    """Any repair but the one that has just failed, and rather not those before it."""

    def __init__(self, shy: float = 1.0, epsilon: float = 0.0) -> None:
        super().__init__(epsilon)
        self.shy, self.updates = shy, 0

    def scores(self, context):
        return np.array([-self.shy if arm == context.previous_action else 0.0 for arm in ARMS])

    def update(self, context, action, reward):
        super().update(context, action, reward)
        self.updates += 1

    def snapshot(self, progress=0.0):
        copy = Restless(self.shy, self.epsilon)
        copy.spec, copy.updates = self.spec, self.updates
        return copy

    def state(self):
        return {"updates": np.array(self.updates)}

    def load_state(self, state):
        self.updates = int(state["updates"])
