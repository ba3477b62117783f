"""A policy that notes what it is taught, and episodes to teach it with."""

from __future__ import annotations

from sqlbench.episodes.context import Context
from sqlbench.episodes.episode import Episode, Step
from sqlbench.episodes.repair import ARMS
from sqlbench.episodes.reward import compute_reward


class Recorder:
    """A policy that only notes what it is taught."""

    spec = "recorder"

    def __init__(self):
        self.updates, self.episodes = [], 0

    def update(self, context, action, reward):
        self.updates.append((context, action, reward))

    def end_episode(self):
        self.episodes += 1


def episode_of(*attempts) -> Episode:
    """Build an episode from (action, error class after it; None for success)."""
    steps, history = [], []
    for number, (action, after) in enumerate(attempts, start=1):
        chosen = action in ARMS
        steps.append(
            Step(
                attempt=number,
                action=action,
                context=Context.from_history(history) if chosen else None,
                propensity=None,
                scores=None,
                sql="SELECT 1",
                success=after is None,
                error_class=after,
                error_message=None,
                reason="match" if after is None else "pred_error",
                row_count=None,
                score=float(after is None),
                breakdown=compute_reward(
                    after is None, number, after, history[-1][1] if history else None
                ),
            )
        )
        history.append((action, after))
    return Episode(0, "q", "t", "db", steps=steps, done=True)
