"""One client's session: `SQLAgentEnv` behind OpenEnv's `Environment`."""

from __future__ import annotations

import asyncio
import logging
import math
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import EnvironmentMetadata
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import sqlbench
from sqlbench.environment.agent import AgentSQL
from sqlbench.environment.environment import Action, SQLAgentEnv
from sqlbench.environment.wire import (
    MAX_NAME_CHARS,
    SQLAction,
    SQLAgentAction,
    SQLAgentObservation,
    SQLObservation,
    SQLState,
    sentence,
)
from sqlbench.exceptions import ConfigError, DatabaseFailure, SQLBenchError
from sqlbench.models import ModelError
from sqlbench.server.bench import Workbench
from sqlbench.server.observing import agent_fields, observe, over_fields
from sqlbench.server.short_way import SHORT_WAY
from sqlbench.suites import Question

_log = logging.getLogger("sqlbench")
ENV_NAME = "sqlbench"
# OpenEnv's word for what is meant: what is not for training is for validation.
_SPLIT_TYPES = {"train": "train", "test": "test"}


class SessionError(SQLBenchError, RuntimeError):
    """Raised when a session cannot take a step: closed, not reset, or its model failed."""


class _Reset(BaseModel):
    """What `reset` takes. Strict: a misspelt name must not start another episode in silence."""

    model_config = ConfigDict(extra="forbid")

    seed: int | None = Field(default=None, ge=0, strict=True)
    episode_id: str | None = Field(default=None, max_length=MAX_NAME_CHARS)
    task_id: str | None = Field(default=None, max_length=MAX_NAME_CHARS)
    question_id: str | None = Field(default=None, max_length=MAX_NAME_CHARS)
    split: str | None = Field(default=None, max_length=MAX_NAME_CHARS)
    index: int | None = Field(default=None, ge=0, strict=True)


class SQLEnvironment(Environment):  # type: ignore[misc]
    """A session's environment: one episode at a time, isolated from every other session.

    Parameters
    ----------
    bench : Workbench
        What all sessions share.
    """

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self.bench = bench
        self.env = bench.environment()
        self._closed = False
        self._episode_id: str | None = None

    def reset(self, **kwargs: Any) -> SQLObservation | SQLAgentObservation:
        """Run `reset_async` where no event loop runs."""
        return asyncio.run(self.reset_async(**kwargs))

    def step(
        self, action: SQLAction | SQLAgentAction, **kwargs: Any
    ) -> SQLObservation | SQLAgentObservation:
        """Run `step_async` where no event loop runs."""
        return asyncio.run(self.step_async(action, **kwargs))

    async def reset_async(
        self, seed: int | None = None, episode_id: str | None = None, **kwargs: Any
    ) -> SQLObservation | SQLAgentObservation:
        """Start an episode. An open one is closed as a failure.

        Parameters
        ----------
        seed : int, optional
            Draws the question where none is named; without a seed it is the first.
        episode_id : str, optional
            The caller's name for the episode.
        **kwargs
            ``task_id`` and ``question_id``, or the Task API's ``split`` and ``index``.

        Raises
        ------
        SQLBenchError
            If a name or value will not do, or the session is closed.
        """
        with _telling_where():
            await self._reset(seed=seed, episode_id=episode_id, **kwargs)
            short_way = SHORT_WAY.get()
            if short_way is not None and self.bench.config.agent:
                short_way.session = self  # from now on its frames may come by it
            return observe(self.bench, self.env, self.env.observation)

    async def reset_fields(self, **asked: Any) -> dict[str, Any]:
        """Do as `reset_async`, and return the fields of an agent's observation."""
        with _telling_where():
            await self._reset(**asked)
            return agent_fields(self.bench, self.env)

    async def _reset(self, **given: Any) -> None:
        self._check_open()
        try:
            asked = _Reset(**given)
        except ValidationError as error:
            raise ConfigError(sentence(error, "reset()", _Reset.model_fields)) from None
        question = self._question(asked)
        await self.bench.prepare(question)
        start(self.bench, self.env, question)
        self._episode_id = asked.episode_id

    async def step_async(
        self, action: SQLAction | SQLAgentAction, timeout_s: float | None = None, **kwargs: Any
    ) -> SQLObservation | SQLAgentObservation:
        """Make one attempt.

        Raises
        ------
        SessionError
            If the session is closed or not reset, the model fails or the step takes too long:
            the attempt is not counted.
        SQLBenchError
            If the action does not exist or is not possible now.
        """
        asked = getattr(action, "timeout_s", None) or timeout_s or math.inf
        with _telling_where():
            if await self._step(to_env(action), asked):
                return observe(self.bench, self.env, *self.env.last_result())
            return SQLAgentObservation(**over_fields(self.env))

    async def step_fields(self, sql: str) -> dict[str, Any]:
        """Do as `step_async`, and return the fields of an agent's observation."""
        with _telling_where():
            made = await self._step(sql)
            return agent_fields(self.bench, self.env) if made else over_fields(self.env)

    async def _step(self, action: Action | AgentSQL | str, limit: float = math.inf) -> bool:
        """Make one attempt; False where an agent steps on after the end."""
        self._check_open()
        if self.env.episode is None:
            raise SessionError(
                "step() before reset(): call reset() first. Over plain HTTP every call has an "
                "environment of its own: an episode needs the WebSocket /ws, or POST /stream. A "
                "session ends with its connection: a client that has connected again has a new one."
            )
        if self.env.episode.done:
            if self.bench.config.agent:
                return False
            raise SessionError("step() after the episode is over: call reset() to start another.")
        limit = min(limit, self.bench.config.session_timeout)
        deadline = asyncio.timeout(limit)
        try:
            async with deadline:
                await self.env.attempt(action)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise SessionError(
                f"The step took longer than its limit of {limit:g} s: the attempt is not counted; "
                f"step again or reset."
            ) from None
        except ModelError as error:
            raise SessionError(model_error(error)) from None
        except DatabaseFailure as error:
            raise SessionError(f"{error} The attempt is not counted; step again.") from None
        self._check_open()
        finish(self.bench, self.env)
        return True

    @property
    def state(self) -> SQLState:
        """Where the episode stands."""
        self._check_open()
        state = self.env.state()
        if self._episode_id is None and self.env.episode is not None:
            self._episode_id = str(uuid4())  # made when it is asked for: it costs a system call
        return SQLState(
            episode_id=self._episode_id, step_count=state.get("attempt_number", 0), **state
        )

    def close(self) -> None:
        """End the session: every later call raises `SessionError`."""
        self._closed = True

    def get_metadata(self) -> EnvironmentMetadata:
        """Say what this environment is."""
        return EnvironmentMetadata(
            name=ENV_NAME,
            description="Text-to-SQL repair: up to five attempts at a question on a real database.",
            version=sqlbench.__version__,
        )

    def list_splits(self) -> list[dict[str, str]]:
        """List the suite, its tasks, and train, dev and test as splits (OpenEnv's Task API)."""
        return [
            {"name": name, "type": _SPLIT_TYPES.get(name, "validation")}
            for name in self.bench.splits()
        ]

    def list_tasks(self, split: str) -> list[dict[str, Any]]:
        """List a split's questions."""
        return [self._task(i, q) for i, q in enumerate(self.bench.split(split))]

    def num_tasks(self, split: str) -> int:
        """Count a split's questions."""
        return len(self.bench.split(split))

    def get_task(self, split: str, index: int) -> dict[str, Any]:
        """Return one question of a split."""
        questions = self.bench.split(split)
        if not 0 <= index < len(questions):
            raise ConfigError(
                f"The split {split!r} has no index {index}: 0 to {len(questions) - 1}."
            )
        return self._task(index, questions[index])

    def get_task_range(
        self, split: str, start: int | None = None, stop: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the questions of a slice."""
        return self.list_tasks(split)[slice(start, stop)]

    def _task(self, index: int, question: Question) -> dict[str, Any]:
        return {
            "id": question.id,
            "index": index,
            "task_id": question.task_id,
            "task_difficulty": self.bench.suite.task(question.task_id).difficulty,
            "question_id": question.id,
            "question": question.text,
        }

    def _question(self, asked: _Reset) -> Question:
        if asked.split is None:
            if asked.index is not None:
                raise ConfigError("reset(): 'index' needs the split that it counts in.")
            return self.bench.pick(asked.task_id, asked.question_id, asked.seed)
        if asked.task_id is not None or asked.question_id is not None:
            raise ConfigError("reset() takes split and index, or task_id and question_id.")
        if asked.index is None:
            return self.bench.draw(self.bench.split(asked.split), asked.split, asked.seed)
        return self.bench.suite.question(self.get_task(asked.split, asked.index)["id"])

    def _check_open(self) -> None:
        if self._closed:
            raise SessionError(
                "This session is over: it was closed, or had no step for "
                f"{self.bench.config.session_timeout:g} s. Connect again for a new one."
            )


@contextmanager
def _telling_where() -> Iterator[None]:
    """Log where an error that is nobody's request was raised, as in a policy of the user's own.

    openenv tells the client its message alone, and nobody else: so that holds its type.
    """
    try:
        yield
    except SQLBenchError:
        raise
    except Exception as error:
        said = "".join(traceback.format_exception_only(error)).strip()
        _log.exception("A session's request failed: %s", said)
        raise RuntimeError(f"{said} (the server's standard error says where)") from error


def start(
    bench: Workbench, env: SQLAgentEnv, question: Question, policy: str | None = None
) -> None:
    """Start an episode, and learn from the one that it closes."""
    open_episode = env.episode if env.episode is not None and not env.episode.done else None
    if policy is not None or not bench.config.agent:  # nobody asks an agent's for a repair
        env.policy = bench.policy(policy)
    env.begin(question.task_id, question.id)
    if open_episode is not None and open_episode.steps:
        bench.learn(open_episode)


def finish(bench: Workbench, env: SQLAgentEnv) -> None:
    """Learn from the episode if the step just made has ended it."""
    if env.episode is not None and env.episode.done:
        bench.learn(env.episode)


def to_env(action: SQLAction | SQLAgentAction) -> Action | AgentSQL | str:
    """Return the environment's action."""
    if isinstance(action, SQLAgentAction):
        return action.sql if action.problem is None else AgentSQL(action.sql, action.problem)
    return Action(repair_action=action.repair_action, custom_sql=action.custom_sql)


def model_error(error: ModelError) -> str:
    """Say that a model failed: never scored as wrong SQL."""
    return (
        f"model_error ({error.kind}): {error.message} The attempt is not counted; "
        f"step again or reset."
    )
