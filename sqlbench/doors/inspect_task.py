"""Inspect's door: ``inspect eval sqlbench/text_to_sql``.

The solver asks, runs what is answered and tells what came of it, up to five times; the scorers read
what the episode came to. The gold query is no target of a sample: a log may be shared.
"""

from __future__ import annotations

from typing import Any

from sqlbench.doors.desk import desk
from sqlbench.doors.extras import need
from sqlbench.episodes.context import MAX_ATTEMPTS

ai: Any = need("inspect_ai", "inspect")

from inspect_ai.dataset import MemoryDataset, Sample  # noqa: E402  `need` says what is missing
from inspect_ai.model import ChatMessageSystem, ChatMessageUser  # noqa: E402
from inspect_ai.scorer import Score, mean, scorer, stderr  # noqa: E402
from inspect_ai.solver import solver  # noqa: E402

_STORE = "sqlbench"


# Inspect puts the package's name before a task's, but not where the package is installed editably
# and its distribution has another name, as this one's has.
_NAME = "text_to_sql" if "site-packages" in __file__ else "sqlbench/text_to_sql"


@ai.task(name=_NAME)  # type: ignore[untyped-decorator]
def text_to_sql(
    suite: str = "marketplace",
    split: str | None = None,
    attempts: int = MAX_ATTEMPTS,
    log: str | None = None,
) -> Any:
    """Answer questions about a database in SQL, with up to five attempts each.

    Parameters
    ----------
    suite : str
        What is asked.
    split : str or None
        ``train``, ``dev``, ``test``, or None for all.
    attempts : int
        1 to 5.
    log : str or None
        A run's folder in which every finished episode is kept, beside Inspect's own log.
    """
    shared = desk(suite)
    samples = []
    for question in shared.questions(split):
        system, user = shared.begin(question.id).messages
        samples.append(
            Sample(
                id=question.id,
                input=[
                    ChatMessageSystem(content=system["content"]),
                    ChatMessageUser(content=user["content"]),
                ],
                metadata={"question_id": question.id, "task_id": question.task_id},
            )
        )
    return ai.Task(
        dataset=MemoryDataset(samples, name=suite),
        solver=attempt_sql(suite, attempts, log),
        scorer=[success(), value()],
    )


@solver  # type: ignore[untyped-decorator]
def attempt_sql(suite: str, attempts: int = MAX_ATTEMPTS, log: str | None = None) -> Any:
    """Let the model answer, run its SQL, and tell it what came of it, until it is right."""
    shared = desk(suite, log)

    async def solve(state: Any, generate: Any) -> Any:
        episode = shared.begin(state.metadata["question_id"], max_attempts=attempts)
        try:
            while not episode.done and not state.completed:
                state = await generate(state)
                told = await episode.reply(state.output.completion)
                if not episode.done:
                    state.messages.append(ChatMessageUser(content=told))
        finally:
            episode.finish()
        state.store.set(
            _STORE,
            {
                "value": episode.value,
                "success": episode.success,
                "attempts": len(episode.steps),
                "sql": episode.steps[-1].sql if episode.steps else "",
                "outcome": episode.steps[-1].outcome if episode.steps else "no attempt",
            },
        )
        return state

    return solve


@scorer(metrics=[mean(), stderr()])  # type: ignore[untyped-decorator]
def success() -> Any:
    """1 if the question was answered."""

    async def score(state: Any, target: Any) -> Any:
        came = _outcome(state)
        return Score(
            value=float(came["success"]), answer=came["sql"], explanation=str(came["outcome"])
        )

    return score


@scorer(metrics=[mean(), stderr()])  # type: ignore[untyped-decorator]
def value() -> Any:
    """1 − 0.1·(t − 1) if attempt t is right; else two thirds of the best task score."""

    async def score(state: Any, target: Any) -> Any:
        came = _outcome(state)
        return Score(value=came["value"], metadata={"attempts": came["attempts"]})

    return score


def _outcome(state: Any) -> dict[str, Any]:
    none = {"value": 0.0, "success": False, "attempts": 0, "sql": "", "outcome": "no attempt"}
    found: dict[str, Any] = state.store.get(_STORE, none)
    return found
