"""What an attempt came to: whether it is right, what the agent is told, whether that is the end.

The gold decides on success and reward. What the agent is told of it depends on the feedback: only
an oracle says that rows are wrong.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal, get_args

from sqlbench.checks import check_number, check_whole
from sqlbench.databases.base import QueryError, QueryResult
from sqlbench.episodes.context import MAX_ATTEMPTS
from sqlbench.episodes.errors import ErrorClass, classify_error
from sqlbench.exceptions import UnknownNameError
from sqlbench.grading import Gold, Verdict, find_metric
from sqlbench.grading.worth import Worth, find_worth, worth_of

Feedback = Literal["oracle", "execution", "always", "signals"]
FEEDBACKS: tuple[str, ...] = get_args(Feedback)
# Results up to this size, in rows, are compared in about a millisecond.
FEW_ROWS = 500
# Of statements up to this length `spider` finds every DISTINCT in some twenty milliseconds.
SHORT_SQL = 2_000


def check_options(
    feedback: str, metric: str, seed: int, max_attempts: int, samples: int, temperature: float
) -> None:
    """Refuse what no episode can be judged or made by; the names are those of `SQLAgentEnv`.

    Raises
    ------
    UnknownNameError, ConfigError
        If a value does not exist or has the wrong form.
    """
    if feedback not in FEEDBACKS:
        raise UnknownNameError("feedback", feedback, FEEDBACKS)
    find_metric(metric)  # refuses what is none
    check_whole("seed", seed)
    check_whole("max_attempts", max_attempts, 1, MAX_ATTEMPTS)
    check_whole("samples", samples, 1)
    check_number("temperature", temperature)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an attempt came to.

    Attributes
    ----------
    verdict : Verdict
        The gold's word, or, without a gold query, whether it ran and returned rows.
    score : float
        The task score, before clamping.
    seen, message : ErrorClass or None, str
        The class that the agent sees, and what it is told.
    error_class : ErrorClass or None
        The class that is logged.
    """

    verdict: Verdict
    score: float
    seen: ErrorClass | None
    message: str
    error_class: ErrorClass | None


def judge(
    gold: Gold | None,
    outcome: QueryResult | QueryError,
    metric: str,
    feedback: Feedback,
    sql: str | None = None,
    known: Worth | None = None,
) -> Judgement:
    """Judge an attempt by its rows or its error.

    Parameters
    ----------
    gold : Gold or None
        None for a question that nobody wrote a gold query for.
    outcome : QueryResult or QueryError
        What the database made of the SQL.
    metric : str
        How results are compared.
    feedback : {"oracle", "execution", "always", "signals"}
        Only ``oracle`` tells the agent that its rows are wrong.
    sql : str or None
        The statement as it ran; what its outcome is worth is then found once.
    known : Worth or None
        What it is worth, where that is known already.
    """
    if gold is None:
        worth = _without_gold(outcome)
    else:
        worth = known or worth_of(gold, sql, outcome, metric)
    verdict, score = worth.verdict, worth.score
    if isinstance(outcome, QueryError):
        error_class = classify_error(outcome)
        return Judgement(verdict, score, error_class, outcome.message, error_class)
    if not outcome.rows:
        told = "The query ran and returned no rows."
        logged = None if verdict.match else ErrorClass.EMPTY_RESULT
        return Judgement(verdict, score, ErrorClass.EMPTY_RESULT, told, logged)
    logged = None if verdict.match else ErrorClass.WRONG_RESULT
    if feedback == "oracle":
        told = "The query ran, but its rows do not answer the question."
        return Judgement(verdict, score, logged, told, logged)
    told = (
        f"The query ran and returned {len(outcome.rows)} rows. Nobody has said whether they "
        "answer the question: check, and give the same query again if it is right."
    )
    return Judgement(verdict, score, None, told, logged)


async def prepare_aside(sql: str, metric: str) -> str:
    """Return a statement as the metric wants it run; a long one is prepared in a thread."""
    prepare = find_metric(metric).prepare
    return prepare(sql) if len(sql) <= SHORT_SQL else await asyncio.to_thread(prepare, sql)


async def judge_aside(
    gold: Gold | None,
    outcome: QueryResult | QueryError,
    metric: str,
    feedback: Feedback,
    sql: str | None = None,
) -> Judgement:
    """Judge, and in a thread where that may take more than a moment: others share the loop."""
    if _is_quick(gold, outcome):
        return judge(gold, outcome, metric, feedback, sql)
    known = None if gold is None or sql is None else find_worth(gold, sql, outcome, metric)
    if known is not None:
        return judge(gold, outcome, metric, feedback, sql, known)
    return await asyncio.to_thread(judge, gold, outcome, metric, feedback, sql)


def _is_quick(gold: Gold | None, outcome: QueryResult | QueryError) -> bool:
    """Whether judging takes no longer than an event loop can wait."""
    if gold is None:
        return True
    if "tie" not in vars(gold):
        return False  # its first verdict parses the gold query, and may run it without its LIMIT
    if isinstance(outcome, QueryError):
        return True
    return len(outcome.rows) + len(gold.result.rows) <= FEW_ROWS


def is_over(
    attempt: int,
    max_attempts: int,
    feedback: Feedback,
    outcome: QueryResult | QueryError,
    match: bool,
    *,
    trusted: bool = False,
) -> bool:
    """Whether an episode ends with this attempt; ``trusted`` is what the signals say of it."""
    if attempt >= max_attempts:
        return True
    if feedback == "always":
        return attempt >= 2
    if feedback == "oracle":
        return match
    if feedback == "signals":
        return isinstance(outcome, QueryResult) and trusted
    return isinstance(outcome, QueryResult) and bool(outcome.rows)


def _without_gold(outcome: QueryResult | QueryError) -> Worth:
    """Judge where nobody wrote a gold query: what runs and returns rows will do."""
    if isinstance(outcome, QueryError):
        return Worth(Verdict(False, "timeout" if outcome.timeout else "pred_error"), 0.0)
    right = bool(outcome.rows)
    return Worth(Verdict(right, "no_gold", pred_rows=len(outcome.rows)), float(right))
