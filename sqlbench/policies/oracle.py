"""The upper bound on the simulated model: a policy that knows its matrix."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.context import Context
from sqlbench.episodes.repair import ARMS
from sqlbench.models.simulated.profile import Profile
from sqlbench.policies.base import ScoredPolicy


class OraclePolicy(ScoredPolicy):
    """Choose the arm that most probably mends the query.

    It knows the profile, the drift included, and sees the same `Context` as every other policy: not
    the question, and not the fault that was planted. It looks one repair ahead.

    Parameters
    ----------
    profile : Profile
        The simulated model's.
    progress : float
        The share of the experiment that lies behind (`snapshot` sets it).
    epsilon : float
        The share of uniform choice that is mixed in.
    """

    def __init__(self, profile: Profile, progress: float = 0.0, epsilon: float = 0.0) -> None:
        super().__init__(epsilon)
        self.spec = "oracle"
        self.profile = profile
        self.progress = progress

    def scores(self, context: Context) -> NDArray[np.float64]:
        """Return P(fixed) of each arm, shape (8,)."""
        return np.array([self.profile.p_fixed(context, arm, self.progress) for arm in ARMS])

    def snapshot(self, progress: float = 0.0) -> Self:
        """Return an oracle for an episode that starts at this share of the experiment."""
        return type(self)(self.profile, progress, self.epsilon)
