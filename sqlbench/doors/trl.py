"""TRL's door: an environment class for ``GRPOTrainer(environment_factory=...)`` (TRL 1.16 and on).

The trainer makes instances as it needs them, resets one for each rollout with the row of the data
set, offers its public methods to the model as tools, and asks `get_reward` at the end. Nothing of
TRL is imported here, so that the class can be tried without it.
"""

from __future__ import annotations

from typing import Any

from sqlbench.doors.desk import DeskEpisode, desk
from sqlbench.episodes.context import MAX_ATTEMPTS
from sqlbench.episodes.returns import DEFAULT_REWARD

ASK = "Call the tool run_sql with your query; it says what came of it."


def rows(suite: str = "marketplace", split: str | None = "train") -> list[dict[str, Any]]:
    """Return the rows of a data set for `SQLTool`: ``prompt`` and ``question_id``.

    Parameters
    ----------
    suite : str
        What is asked.
    split : str or None
        ``train``, ``dev``, ``test``, or None for all.

    Examples
    --------
    >>> rows()[0]["question_id"]
    'simple_01'
    """
    shared = desk(suite)
    found = []
    for question in shared.questions(split):
        system, user = shared.begin(question.id).messages
        found.append(
            {
                "prompt": [
                    {"role": "system", "content": system["content"]},
                    {"role": "user", "content": f"{user['content']}\n\n{ASK}"},
                ],
                "question_id": question.id,
            }
        )
    return found


class SQLTool:
    """One rollout at a time: a question, up to five queries, and what they came to.

    Subclass it to change the class attributes: TRL calls a factory without arguments.

    Attributes
    ----------
    suite : str
        What is asked.
    log : str or None
        A run's folder in which every finished episode is kept.
    reward : {"gain", "final", "shaped"}
        What is summed, see `sqlbench.episodes.returns.paid`.
    max_attempts : int
        1 to 5.
    """

    suite: str = "marketplace"
    log: str | None = None
    reward: str = DEFAULT_REWARD
    max_attempts: int = MAX_ATTEMPTS

    def __init__(self) -> None:
        self._desk = desk(self.suite, self.log)
        self._episode: DeskEpisode | None = None

    def reset(self, question_id: str, **_: Any) -> None:
        """Begin an episode on a row's question."""
        self._finish()
        self._episode = self._desk.begin(
            question_id, reward=self.reward, max_attempts=self.max_attempts
        )

    async def run_sql(self, sql: str) -> str:
        """Run a SELECT statement on the database and see whether it answers the question.

        Args:
            sql: One SELECT statement.

        Returns:
            What came of it: an error, or its first rows and whether they answer the question.
        """  # noqa: D406, D407  the form that trainers read a tool's description from
        if self._episode is None:
            raise RuntimeError("run_sql() before reset(): call reset() first.")
        return await self._episode.run(sql)

    def get_reward(self) -> float:
        """Return what the episode paid in all."""
        self._finish()
        return sum(self._episode.rewards) if self._episode is not None else 0.0

    def _finish(self) -> None:
        if self._episode is not None:
            self._episode.finish()
