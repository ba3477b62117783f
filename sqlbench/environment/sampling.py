"""Several first answers to one question: drawn independently, run, and judged like attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sqlbench.databases.base import Database, Outcome, QueryError, QueryResult
from sqlbench.environment.judging import Feedback, Judgement, judge_aside, prepare_aside
from sqlbench.episodes.sample import Sample
from sqlbench.grading import Gold
from sqlbench.models import Completion, ModelRequest
from sqlbench.models.base import ChatModel
from sqlbench.models.extract import statement_of
from sqlbench.signals.choice import Candidate, Rule, choose, weigh
from sqlbench.suites import Question


@dataclass(frozen=True, slots=True)
class Drawn:
    """One first answer as an agent has it: what was said, and what the database made of it.

    Attributes
    ----------
    completion : Completion
        The model's answer.
    sql : str
        The statement in it.
    ran : str
        The statement as the metric wants it run.
    outcome : QueryResult or QueryError
        Its rows or its error. Nothing here knows the gold.
    """

    completion: Completion
    sql: str
    ran: str
    outcome: Outcome


async def draw(
    model: ChatModel, requests: Sequence[ModelRequest], database: Database, metric: str
) -> list[Drawn]:
    """Draw one answer a request, and run each.

    Parameters
    ----------
    model : ChatModel
        Who answers; all requests are under way at once, as far as its own limits let them.
    requests : sequence of ModelRequest
        They differ in their seeds.
    database : Database
        Where the answers run.
    metric : str
        What is run is prepared as it wants it.

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
        drawn.append(Drawn(completion, sql, *await run_aside(database, sql, metric)))
    return drawn


async def pick(drawn: Sequence[Drawn], question: Question, database: Database, rule: Rule) -> int:
    """Return the place of the answer that is to be attempt 1; no gold and no model is asked.

    Parameters
    ----------
    drawn : sequence of Drawn
        In the order in which they were drawn.
    question : Question
        What was asked.
    database : Database
        Where they ran; the rule ``doubt`` asks it a few things more.
    rule : {"first", "agreement", "doubt"}
        See `sqlbench.signals.choice`; ``first`` takes the first, whether it ran or not.
    """
    if rule == "first":
        return 0
    if rule == "agreement":
        return choose([Candidate(d.sql, d.outcome) for d in drawn], rule).index
    text = question.asked

    def weighed() -> int:
        known = [weigh(text, d.sql, database, d.outcome) for d in drawn]
        return choose(known, rule).index

    return await asyncio.to_thread(weighed)


async def run_aside(database: Database, sql: str, metric: str) -> tuple[str, Outcome]:
    """Run a statement as a metric wants it; return what ran, and its rows or its error."""
    prepared = await prepare_aside(sql, metric)
    try:
        return prepared, await database.run(prepared)
    except QueryError as raised:
        return prepared, raised


async def judge_drawn(
    drawn: Sequence[Drawn], gold: Gold | None, metric: str, feedback: Feedback
) -> list[Sample]:
    """Return what is kept of drawn answers, and of the gold's word on each."""
    return [_sample(d, await judge_aside(gold, d.outcome, metric, feedback, d.ran)) for d in drawn]


def _sample(drawn: Drawn, judged: Judgement) -> Sample:
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
