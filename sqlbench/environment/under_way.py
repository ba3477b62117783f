"""What can be asked of an episode that is under way; nothing here moves it on."""

from __future__ import annotations

from typing import Any

from sqlbench.databases.base import Database, QueryResult
from sqlbench.environment.asking import make_messages
from sqlbench.environment.attempt import next_context
from sqlbench.environment.exchange import (
    Observation,
    RewardInfo,
    episode_state,
    observe,
    reward_info,
)
from sqlbench.environment.judging import Feedback
from sqlbench.episodes.context import Context
from sqlbench.episodes.episode import Episode
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.known import Known
from sqlbench.episodes.repair import AUTO, GENERATE, FailedAttempt, Message, Prompts
from sqlbench.exceptions import ConfigError
from sqlbench.models import ModelRequest
from sqlbench.models.base import ChatModel
from sqlbench.policies import Decision, Policy
from sqlbench.seeds import Role, call_seed, generator
from sqlbench.suites import Question, Suite


class UnderWay:
    """The readable side of `sqlbench.environment.environment.SQLAgentEnv`, which fills it."""

    suite: Suite
    model: ChatModel | None
    policy: Policy
    prompts: Prompts
    seed: int
    temperature: float
    feedback: Feedback
    max_attempts: int
    question: Question
    episode: Episode | None
    _database: Database
    _schema: str
    _history: list[tuple[str, ErrorClass | None]]
    _told: list[FailedAttempt]
    _token: str | None
    _known: Known | None
    _context: Context | None
    _next: Decision | None
    _result: QueryResult | None
    _progress: float

    def last_result(self) -> tuple[Observation, RewardInfo]:
        """Return what the last attempt brought, as `step` did: for those who streamed it.

        Raises
        ------
        RuntimeError
            Before the episode's first attempt.
        """
        if self.episode is None or not self.episode.steps:
            raise RuntimeError("last_result() before an attempt: call step() first.")
        return self.observation, reward_info(self.episode, self._result)

    def state(self) -> dict[str, Any]:
        """Return where the episode stands, as a dict of JSON values."""
        if self.episode is None:
            return {"active": False}
        return episode_state(self.episode, self.observation)

    @property
    def observation(self) -> Observation:
        """What the agent sees of the episode; raises `RuntimeError` before a reset."""
        if self.episode is None:
            raise RuntimeError("observation before reset(): call reset() first.")
        return observe(
            self.episode,
            self.question,
            self._schema,
            self.suite.task(self.episode.task_id).difficulty,
            self.max_attempts,
            self.told,
        )

    @property
    def result(self) -> QueryResult | None:
        """All rows of the last attempt; None if it did not run, or there was none."""
        return self._result if self.episode is not None and self.episode.steps else None

    @property
    def told(self) -> tuple[str | None, ErrorClass | None]:
        """What the agent is told of its last attempt, and its class; nothing of a right one."""
        return (self._told[-1].message, self._history[-1][1]) if self._failing() else (None, None)

    @property
    def next_action(self) -> str | None:
        """What ``auto`` would do next; None before attempt 1 and when the episode is over."""
        return str(self.suggestion.action) if self.suggestion else None

    @property
    def context(self) -> Context | None:
        """What the policy sees now; None before attempt 1 and when the episode is over."""
        if self.episode is None or not self.episode.steps or self.episode.done:
            return None
        if self._context is None:
            self._context = next_context(self.policy, self._history, self._known)
        return self._context

    @property
    def suggestion(self) -> Decision | None:
        """What `auto` would do next; None before attempt 1 and when the episode is over."""
        context = self.context
        if context is not None and self._next is None:
            self._next = self._select(context)
        return self._next if context is not None else None

    def prompt(self, action: str = AUTO) -> tuple[Message, ...]:
        """Return the messages that a model would get for its next attempt.

        Parameters
        ----------
        action : str
            From attempt 2 on the repair whose prompt it is; ``auto`` lets the policy choose.

        Raises
        ------
        RuntimeError
            Before a reset, or after the episode is over.
        """
        self._open_episode()
        if action == AUTO:
            action = str(self.suggestion.action) if self.suggestion else GENERATE
        return self.messages(action)

    def messages(self, action: str) -> tuple[Message, ...]:
        """Return the messages that an action would send now."""
        asked = self.question, self._schema, self._database.dialect
        return make_messages(self.prompts, action, *asked, self._told, self._token, self._known)

    def _open_episode(self) -> Episode:
        if self.episode is None:
            raise RuntimeError("step() before reset(): call reset() first.")
        if self.episode.done:
            raise RuntimeError("step() after the episode is over: call reset() to start another.")
        return self.episode

    def request(self, name: str = GENERATE, attempt: int = 1, sample: int = 0) -> ModelRequest:
        """Return what an action would ask the model now; ``sample`` draws another answer to it."""
        assert self.episode is not None
        repair = name != GENERATE
        return ModelRequest(
            messages=self.messages(name),
            question_id=self.question.id,
            repeat=self.episode.repeat,
            attempt=attempt,
            action=name,
            seed=call_seed(self.seed, self.question.id, self.episode.repeat, attempt, sample),
            temperature=self.temperature,
            context=self._context if repair else None,
            failing_sql=self._told[-1].sql if repair else None,
            progress=self._progress,
        )

    def _select(self, context: Context) -> Decision:
        assert self.episode is not None
        key = (self.question.id, self.episode.repeat, context.attempt_number)
        decision = self.policy.select(context, generator(self.seed, Role.POLICY, *key))
        if unknown := [arm for arm, score in decision.scores.items() if score != score]:
            raise ConfigError(
                f"The policy {type(self.policy).__name__} gave the score nan to "
                f"{', '.join(map(str, unknown))}: expected a number for each arm; look at what "
                "its scores are divided by."
            )
        return decision

    def _failing(self) -> bool:
        """Whether there is anything to tell the agent: only an oracle tells it that it is right."""
        assert self.episode is not None
        steps = self.episode.steps
        return bool(steps) and not (steps[-1].success and self.feedback == "oracle")
