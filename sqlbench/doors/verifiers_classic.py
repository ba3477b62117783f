"""The door of verifiers before 0.2: a `MultiTurnEnv` with a rubric, as its auditors still load.

The rubric runs the SQL of the transcript again, so that a completion scores the same whether or not
the environment's loop made it.
"""

from __future__ import annotations

from typing import Any

from sqlbench.doors.desk import DeskEpisode, desk, replayed
from sqlbench.doors.extras import need
from sqlbench.episodes.context import MAX_ATTEMPTS

vf: Any = need("verifiers", "verifiers")


class SQLMultiTurnEnv(vf.MultiTurnEnv):  # type: ignore[misc]
    """Answers every reply with what its SQL came to, up to five times."""

    def __init__(self, suite: str, split: str | None, log: str | None, max_attempts: int) -> None:
        from datasets import Dataset

        self._suite, self._log, self._attempts = suite, log, max_attempts
        shared = desk(suite)
        rows = [
            {
                "prompt": [dict(m) for m in shared.begin(question.id).messages],
                "answer": "",  # the gold query stays where the suite is
                "info": {"suite": suite, "question_id": question.id},
            }
            for question in shared.questions(split)
        ]
        rubric = vf.Rubric(funcs=[value])
        rubric.add_metric(success)
        data = Dataset.from_list(rows)
        super().__init__(dataset=data, eval_dataset=data, rubric=rubric, max_turns=max_attempts)

    async def setup_state(self, state: Any) -> None:
        """Begin the episode of a rollout."""
        shared = desk(self._suite, self._log)
        state["sql_episode"] = shared.begin(
            state["info"]["question_id"], max_attempts=self._attempts
        )

    async def env_response(self, messages: Any, state: Any, **kwargs: Any) -> Any:
        """Run the last reply's SQL, and say what came of it."""
        episode: DeskEpisode = state["sql_episode"]
        reply = [{"role": "user", "content": await episode.reply(_replies(messages)[-1])}]
        if episode.done:
            state["final_env_response"] = reply
        return reply

    @vf.cleanup  # type: ignore[untyped-decorator]
    async def keep_episode(self, state: Any) -> None:
        """Keep the episode in the log."""
        episode: DeskEpisode | None = state.get("sql_episode")
        if episode is not None:
            replies = _replies(state.get("completion") or [])
            if not episode.done and len(replies) > len(episode.steps):
                await episode.reply(replies[-1])  # the last turn, to which nothing was answered
            episode.finish()
            del state["sql_episode"]


async def value(completion: Any, info: Any) -> float:
    """1 − 0.1·(t − 1) if attempt t is right; else two thirds of the best task score."""
    return (await replayed(desk(info["suite"]), info["question_id"], _replies(completion))).value


async def success(completion: Any, info: Any) -> float:
    """1 if the question was answered."""
    played = await replayed(desk(info["suite"]), info["question_id"], _replies(completion))
    return float(played.success)


def load(
    suite: str, split: str | None, log: str | None, max_attempts: int = MAX_ATTEMPTS
) -> SQLMultiTurnEnv:
    """Return the environment."""
    return SQLMultiTurnEnv(suite, split, log, max_attempts)


def _replies(messages: Any) -> list[str]:
    if isinstance(messages, str):
        return [messages]
    found = []
    for message in messages:
        get = message.get if isinstance(message, dict) else lambda k, m=message: getattr(m, k, None)
        if get("role") == "assistant":
            content = get("content")
            found.append(content if isinstance(content, str) else str(content or ""))
    return found
