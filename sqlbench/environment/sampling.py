"""Several first answers to one question: drawn independently, run, and judged like attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlbench.databases.base import QueryError, QueryResult
from sqlbench.environment.judging import Judgement
from sqlbench.episodes.sample import Sample
from sqlbench.models import Completion, ModelRequest
from sqlbench.models.base import ChatModel
from sqlbench.models.extract import statement_of

Outcome = QueryResult | QueryError


@dataclass(frozen=True, slots=True)
class Drawn:
    """One first answer as an agent has it: what was said, and what the database made of it.

    Attributes
    ----------
    completion : Completion
        The model's answer.
    sql : str
        The statement in it.
    outcome : QueryResult or QueryError
        Its rows or its error. Nothing here knows the gold.
    """

    completion: Completion
    sql: str
    outcome: Outcome


async def draw(
    model: ChatModel,
    requests: Sequence[ModelRequest],
    run: Callable[[str], Awaitable[Outcome]],
) -> list[Drawn]:
    """Draw one answer a request, and run each.

    Parameters
    ----------
    model : ChatModel
        Who answers; all requests are under way at once, as far as its own limits let them.
    requests : sequence of ModelRequest
        They differ in their seeds.
    run : callable
        Runs a statement, and returns its rows or its error.

    Raises
    ------
    ModelError
        If a call failed. The others have landed by then, in the store if there is one.
    """
    answers = await asyncio.gather(*map(model.complete, requests), return_exceptions=True)
    completions: list[Completion] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        completions.append(answer)
    drawn = []
    for completion in completions:
        sql = await statement_of(completion)
        drawn.append(Drawn(completion, sql, await run(sql)))
    return drawn


def make_sample(drawn: Drawn, judged: Judgement) -> Sample:
    """Return what is kept of a drawn answer and of the gold's word on it."""
    outcome, usage = drawn.outcome, drawn.completion.usage
    verdict = judged.verdict
    said = drawn.completion.text if drawn.completion.sql is None and not drawn.sql else None
    return Sample(
        sql=drawn.sql,
        success=verdict.match,
        error_class=judged.error_class,
        reason=verdict.reason,
        row_count=len(outcome.rows) if isinstance(outcome, QueryResult) else None,
        score=judged.score,
        reproducible=not isinstance(outcome, QueryError) or outcome.reproducible,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        answer=said,
        latency=drawn.completion.latency,
        elapsed=outcome.elapsed,
    )
