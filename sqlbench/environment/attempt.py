"""What is kept of one attempt, once it has run and been judged, and what comes after it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlbench.databases.base import QueryError, QueryResult
from sqlbench.environment.judging import Judgement
from sqlbench.episodes.context import Context
from sqlbench.episodes.episode import Step
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.known import Known
from sqlbench.episodes.reward import compute_reward
from sqlbench.models import Completion, Usage
from sqlbench.policies import Policy
from sqlbench.policies.registry import blocks_of


def make_step(
    attempt: int,
    action: str,
    context: Context | None,
    propensity: float | None,
    scores: dict[str, float] | None,
    sql: str,
    completion: Completion | None,
    outcome: QueryResult | QueryError,
    judged: Judgement,
    *,
    told: str | None,
    before: ErrorClass | None,
    known: Known | None,
) -> Step:
    """Return the record of an attempt.

    Parameters
    ----------
    attempt, action, context, propensity, scores, sql
        As in `Step`.
    completion : Completion or None
        The model's answer; None for custom SQL.
    outcome : QueryResult or QueryError
        What the database made of the SQL.
    judged : Judgement
        What that came to.
    told : str or None
        What the agent was told.
    before : ErrorClass or None
        How the attempt before it failed.
    known : Known or None
        What the signals say of it.
    """
    verdict, usage = judged.verdict, completion.usage if completion else Usage()
    return Step(
        attempt=attempt,
        action=action,
        context=context,
        propensity=propensity,
        scores=scores,
        sql=sql,
        success=verdict.match,
        error_class=judged.error_class,
        error_message=told,
        reason=verdict.reason,
        row_count=len(outcome.rows) if isinstance(outcome, QueryResult) else None,
        score=judged.score,
        breakdown=compute_reward(verdict.match, attempt, judged.error_class, before),
        reproducible=outcome.reproducible if isinstance(outcome, QueryError) else True,
        answer=completion.text if completion and completion.sql is None and not sql else None,
        cut=completion.cut if completion else False,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        known=known,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        latency=completion.latency if completion else 0.0,
        elapsed=outcome.elapsed,
    )


def next_context(
    policy: Policy, history: Sequence[tuple[str, ErrorClass | None]], known: Known | None
) -> Context:
    """Return what the policy sees after the attempts so far.

    Parameters
    ----------
    policy : Policy
        Chooses the repair.
    history : sequence of (action, error class)
        Of each attempt so far.
    known : Known or None
        What the signals say of the last one; a policy sees it only where its features ask for it.
    """
    signals = known.features if known and "signals" in blocks_of(policy) else None
    return Context.from_history(history, signals)
