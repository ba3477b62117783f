"""Other ways to learn from an episode, for ablations: what each rule of `learn` is worth.

A run names its learner in its configuration (``RunConfig.learner``); nothing else knows of it.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlbench.episodes.context import Context
from sqlbench.episodes.episode import Episode
from sqlbench.episodes.repair import GENERATE, KEEP, RepairAction
from sqlbench.exceptions import UnknownNameError
from sqlbench.policies.base import Policy
from sqlbench.policies.learning import learn, relabelled_rewards

Learner = Callable[[Policy, Episode, float], None]


def learn_resulting_error(policy: Policy, episode: Episode, hindsight: float) -> None:
    """Credit a reward to the error that the action produced, as published predecessors do.

    The context is the one after the step: its error class (none after a success), the next
    attempt's number, the action as the previous one. So a success is never credited to the error
    that it mended, and a failure is credited to the error that it led to.
    """
    repairs = relabelled_rewards(episode, hindsight)
    history = [(s.action, s.error_class) for s in episode.steps]
    for step, reward in repairs:
        after = Context.from_history(history[: step.attempt])
        policy.update(after, KEEP if step.action == KEEP else RepairAction(step.action), reward)
    if repairs:
        policy.end_episode()


def learn_generate_as_rewrite(policy: Policy, episode: Episode, hindsight: float) -> None:
    """Credit the first answer's reward to the arm rewrite_full, as if `generate` were that arm."""
    first = episode.steps[0]
    if first.action == GENERATE:
        before = Context(error_class=None, attempt_number=1, consecutive_same_error=0)
        policy.update(before, RepairAction.REWRITE_FULL, first.reward)
    learn(policy, episode, hindsight)


LEARNERS: dict[str, Learner] = {
    "standard": learn,
    "resulting_error": learn_resulting_error,
    "generate_as_rewrite": learn_generate_as_rewrite,
}


def get_learner(name: str) -> Learner:
    """Return a learner by its name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if name not in LEARNERS:
        raise UnknownNameError("learner", name, LEARNERS)
    return LEARNERS[name]
