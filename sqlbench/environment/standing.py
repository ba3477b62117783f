"""Where an environment's episode stands: what its agent sees, and what a model would be asked."""

from __future__ import annotations

from typing import Any

from sqlbench.databases.base import Database, QueryResult
from sqlbench.environment.exchange import Observation, episode_state
from sqlbench.environment.judging import Feedback
from sqlbench.episodes.context import Context
from sqlbench.episodes.episode import Episode
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import (
    AUTO,
    GENERATE,
    FailedAttempt,
    Message,
    Prompts,
    RepairAction,
)
from sqlbench.policies import Decision, Policy
from sqlbench.seeds import Role, generator
from sqlbench.suites import Question, Suite


class Standing:
    """The half of `SQLAgentEnv` that changes nothing: it only looks at the open episode."""

    suite: Suite
    policy: Policy
    prompts: Prompts
    seed: int
    feedback: Feedback
    max_attempts: int
    episode: Episode | None
    question: Question
    _database: Database
    _schema: str
    _history: list[tuple[str, ErrorClass | None]]
    _told: list[FailedAttempt]
    _token: str | None
    _context: Context | None
    _next: Decision | None
    _result: QueryResult | None

    def state(self) -> dict[str, Any]:
        """Return where the episode stands, as a dict of JSON values."""
        if self.episode is None:
            return {"active": False}
        return episode_state(self.episode, self._observation())

    @property
    def result(self) -> QueryResult | None:
        """All rows of the last attempt; None if it did not run, or there was none."""
        return self._result if self.episode is not None and self.episode.steps else None

    @property
    def next_action(self) -> str | None:
        """What ``auto`` would do next; None before attempt 1 and when the episode is over."""
        return str(self.suggestion.action) if self.suggestion else None

    @property
    def context(self) -> Context | None:
        """What the policy sees now; None before attempt 1 and when the episode is over."""
        return self._context if self.episode is not None else None

    @property
    def suggestion(self) -> Decision | None:
        """What `auto` would do next; None before attempt 1 and when the episode is over."""
        if self.episode is None or self._context is None:
            return None
        if self._next is None:
            self._next = self._select(self._context)
        return self._next

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
        facts = {
            "schema": self._schema,
            "dialect": self._database.dialect,
            "question": self.question.text,
            "evidence": self.question.evidence,
        }
        if action == GENERATE:
            return self.prompts.generate(**facts)
        return self.prompts.repair(
            RepairAction(action), attempts=self._told, token=self._token, **facts
        )

    def _open_episode(self) -> Episode:
        if self.episode is None:
            raise RuntimeError("step() before reset(): call reset() first.")
        if self.episode.done:
            raise RuntimeError("step() after the episode is over: call reset() to start another.")
        return self.episode

    def _select(self, context: Context) -> Decision:
        assert self.episode is not None
        key = (self.question.id, self.episode.repeat, context.attempt_number)
        return self.policy.select(context, generator(self.seed, Role.POLICY, *key))

    def _failing(self) -> bool:
        """Whether there is anything to tell the agent: only an oracle tells it that it is right."""
        assert self.episode is not None
        steps = self.episode.steps
        return bool(steps) and not (steps[-1].success and self.feedback == "oracle")

    def _observation(self) -> Observation:
        assert self.episode is not None
        last = self.episode.steps[-1] if self.episode.steps else None
        failing = self._failing()
        return Observation(
            question=self.question.text,
            schema_info=self._schema,
            current_sql=last.sql if last else None,
            error_message=self._told[-1].message if failing else None,
            error_class=self._history[-1][1] if failing else None,
            attempt_number=len(self.episode.steps),
            max_attempts=self.max_attempts,
            task_id=self.episode.task_id,
            task_difficulty=self.suite.task(self.episode.task_id).difficulty,
        )
