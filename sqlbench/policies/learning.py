"""How a policy learns from an episode: each repair once, in the context in which it was chosen."""

from __future__ import annotations

from sqlbench.episodes.episode import Episode, Step
from sqlbench.episodes.repair import ARMS, KEEP, Arm, RepairAction
from sqlbench.policies.base import Policy
from sqlbench.policies.cost_aware import TOKENS, price_of

DEFAULT_HINDSIGHT = 0.3


def relabelled_rewards(
    episode: Episode, hindsight: float = DEFAULT_HINDSIGHT
) -> list[tuple[Step, float]]:
    """Return the repair steps of an episode, each with the reward that it is learned with.

    Success ends an episode, so of N repair steps the last one succeeded; an earlier step t
    (1-based) gets hindsight·t/N on top of its own reward, for having led there.

    Parameters
    ----------
    episode : Episode
        An episode that is over.
    hindsight : float
        The bonus; 0 switches relabelling off.
    """
    repairs = [s for s in episode.steps if s.context is not None]
    n = len(repairs)
    solved = bool(repairs) and repairs[-1].success and episode.success
    return [
        (s, s.reward + (hindsight * t / n if solved and t < n else 0.0))
        for t, s in enumerate(repairs, start=1)
    ]


def learn(policy: Policy, episode: Episode, hindsight: float = DEFAULT_HINDSIGHT) -> None:
    """Let a policy learn from an episode that is over: every repair step updates it once.

    A step's reward belongs to the context in which its action was chosen (the error seen before
    it), never to the error that it produced. Attempt 1 has no context and updates nothing; nor
    does custom SQL. A policy with a ``price`` is charged for the tokens of each call; one with
    other arms learns nothing of what is none of them.
    """
    repairs = relabelled_rewards(episode, hindsight)
    price, choices = price_of(policy), getattr(policy, "choices", ARMS)
    for step, reward in repairs:
        assert step.context is not None
        arm: Arm = KEEP if step.action == KEEP else RepairAction(step.action)
        if arm not in choices:
            continue  # the caller chose what the policy never would
        tokens = step.prompt_tokens + step.completion_tokens
        policy.update(step.context, arm, reward - price * tokens / TOKENS)
    if repairs:
        policy.end_episode()
