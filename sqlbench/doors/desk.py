"""An episode that an agent's replies play: what every door needs, in no trainer's words."""

from __future__ import annotations

import atexit
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from sqlbench.databases.base import QueryResult
from sqlbench.environment.agent import AgentSQL, agent_sql
from sqlbench.environment.environment import Observation, SQLAgentEnv
from sqlbench.episodes.context import MAX_ATTEMPTS
from sqlbench.episodes.episode import Step
from sqlbench.episodes.repair import Message, Prompts
from sqlbench.episodes.returns import DEFAULT_REWARD, check_reward, episode_value, paid
from sqlbench.exceptions import UnknownNameError
from sqlbench.grading import Golds
from sqlbench.models.extract import extract_sql
from sqlbench.runs.log import EpisodeLog
from sqlbench.suites import Question, Suite, load_suite
from sqlbench.suites.splits import splits

SHOWN_ROWS, SHOWN_CHARS = 5, 200
AGAIN = "Write a query that answers the question."


class Desk:
    """What the episodes of one process share: the suite, its gold results, and the log.

    Parameters
    ----------
    suite : str
        What is asked, see `load_suite`.
    log : path-like, optional
        A run's folder in which every finished episode is kept.
    """

    def __init__(self, suite: str = "marketplace", log: str | Path | None = None) -> None:
        self.suite: Suite = load_suite(suite)
        self.golds = Golds(self.suite)
        self.prompts = Prompts.load()
        self.log = None if log is None else EpisodeLog(log, self.suite, golds=self.golds)
        if self.log is not None:
            atexit.register(self.log.close)  # a trainer says to nobody that it is done

    def questions(self, split: str | None = None, seed: int = 0) -> tuple[Question, ...]:
        """Return a split's questions, or all.

        Raises
        ------
        UnknownNameError
            If the suite has no such split.
        """
        if split is None:
            return tuple(self.suite)
        found: dict[Any, tuple[Question, ...]] = {**splits(self.suite, seed)}
        if split not in found:
            raise UnknownNameError("split", split, found)
        return found[split]

    def begin(
        self, question_id: str, *, reward: str = DEFAULT_REWARD, max_attempts: int = MAX_ATTEMPTS
    ) -> DeskEpisode:
        """Begin an episode on a question."""
        return DeskEpisode(self, question_id, reward, max_attempts)


@cache
def desk(suite: str = "marketplace", log: str | None = None) -> Desk:
    """Return the process's desk for a suite and a log."""
    return Desk(suite, log)


class DeskEpisode:
    """One episode: the messages that ask, an attempt for each reply, and what it comes to.

    Parameters
    ----------
    shared : Desk
        The suite and its gold results.
    question_id : str
        The question.
    reward : {"gain", "final", "shaped", "score"}
        What `rewards` are, see `sqlbench.episodes.returns.paid`.
    max_attempts : int
        1 to 5.

    Attributes
    ----------
    messages : tuple of dict
        The system and the user message that ask the question.
    rewards : list of float
        What each attempt paid.
    """

    def __init__(
        self,
        shared: Desk,
        question_id: str,
        reward: str = DEFAULT_REWARD,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        check_reward(reward)
        self._desk, self._reward = shared, reward
        self.env = SQLAgentEnv(
            shared.suite,
            None,
            "resample",
            golds=shared.golds,
            prompts=shared.prompts,
            max_attempts=max_attempts,
        )
        question = shared.suite.question(question_id)
        self.env.reset_with_question(question.task_id, question.id)
        self.messages: tuple[Message, ...] = self.env.prompt()
        self.rewards: list[float] = []
        self._kept = False

    @property
    def done(self) -> bool:
        """Whether no further attempt can be made."""
        return self.env.episode is None or self.env.episode.done

    @property
    def success(self) -> bool:
        """Whether the last attempt is right."""
        return self.env.episode is not None and self.env.episode.success

    @property
    def steps(self) -> list[Step]:
        """The attempts so far."""
        return self.env.episode.steps if self.env.episode is not None else []

    @property
    def value(self) -> float:
        """The episode's value so far: what ``gain`` has paid in all."""
        return episode_value(self.steps)

    async def reply(self, text: str) -> str:
        """Make an attempt of an answer in prose: its last SQL counts.

        Returns
        -------
        str
            What to tell the agent.
        """
        sql = extract_sql(text)
        if sql:
            return await self.run(AgentSQL(sql))
        return await self.run(
            AgentSQL("", "There is no SQL in the answer: give one SELECT in a ```sql block.")
        )

    async def run(self, sql: object) -> str:
        """Make an attempt of SQL; after the last one nothing runs.

        Returns
        -------
        str
            What to tell the agent.
        """
        if self.done:
            return "The episode is over: no further query is run."
        observation, info = await self.env.step(agent_sql(sql))
        self.rewards.append(paid(self.steps, info.done, self._reward))
        if info.done:
            self.finish()
        return told(observation, self.env.result, info.success, info.done)

    def finish(self) -> None:
        """End the episode where the agent leaves it, and keep it in the log, once."""
        episode = self.env.episode
        if self._kept or episode is None or not episode.steps:
            return
        self._kept = True
        if not episode.done:
            episode.done = True
            if self._reward == "final":  # it is paid when the episode is over, and it is now
                self.rewards[-1] = paid(episode.steps, True, self._reward)
        if self._desk.log is not None:
            self._desk.log.append(episode)


async def replayed(
    shared: Desk, question_id: str, replies: Iterable[str], **options: Any
) -> DeskEpisode:
    """Play an episode that is written down, and return it: its value, without the log.

    Parameters
    ----------
    shared : Desk
        The suite and its gold results.
    question_id : str
        The question.
    replies : iterable of str
        The agent's answers in their order; those after the end do not count.
    **options
        As for `Desk.begin`.
    """
    episode = shared.begin(question_id, **options)
    episode._kept = True
    for text in replies:
        if episode.done:
            break
        await episode.reply(text)
    return episode


def told(observation: Observation, result: QueryResult | None, success: bool, done: bool) -> str:
    """Say what an attempt came to, as the next message to the agent. No gold is in it."""
    if success:
        return "The query ran, and its rows answer the question."
    parts = [observation.error_message or "The query ran."]
    if result is not None and result.rows:
        parts.append(_table(result))
    parts.append("No further attempt is left." if done else AGAIN)
    return "\n\n".join(parts)


def _table(result: QueryResult) -> str:
    lines = [" | ".join(_short(c) for c in result.columns)]
    lines += [" | ".join(_short(cell) for cell in row) for row in result.rows[:SHOWN_ROWS]]
    more = len(result.rows) - SHOWN_ROWS
    if more > 0:
        lines.append(f"… and {more} more rows")
    return "Its rows:\n" + "\n".join(lines)


def _short(cell: object) -> str:
    text = "NULL" if cell is None else " ".join(str(cell).split())
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
