"""The contract of a policy: which repair prompt should be tried next?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sqlbench.context import Context
from sqlbench.repair import RepairAction


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy chose, and how.

    Attributes
    ----------
    action : RepairAction
        The arm chosen.
    scores : dict of str to float
        A score for every arm, in the policy's own terms (UCB for LinUCB).
    propensity : float
        The probability with which the policy chose this arm in this context.
    """

    action: RepairAction
    scores: dict[str, float]
    propensity: float


class Policy(Protocol):
    """Chooses a repair from the context, and learns from the rewards that choices brought.

    `select` never changes the policy: all randomness comes from ``rng``, so a snapshot gives the
    same choice whenever it is asked. `update` is called once for each repair step when its
    episode ends, then `end_episode` once for each episode that had a repair. `snapshot` returns
    an independent copy. `state` and `load_state` carry everything that was learned; loading a
    state of another shape raises `ConfigError`. A non-finite reward raises `ValueError`.
    """

    spec: str

    def select(self, context: Context, rng: np.random.Generator) -> Decision:
        """Choose an arm for a context."""
        ...

    def update(self, context: Context, action: RepairAction, reward: float) -> None:
        """Learn that ``action``, chosen in ``context``, brought ``reward``."""
        ...

    def end_episode(self) -> None:
        """Note that an episode with at least one repair is over."""
        ...

    def snapshot(self, progress: float = 0.0) -> Self:
        """Return a copy for an episode that starts at this share of the experiment."""
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what was learned, as named arrays."""
        ...

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned."""
        ...
