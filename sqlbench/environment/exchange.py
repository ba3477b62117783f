"""What goes into the environment and what comes out: actions, observations, rewards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from sqlbench.databases.base import QueryResult
from sqlbench.episodes.episode import Episode, Step
from sqlbench.episodes.errors import ErrorClass, extract_offending_token
from sqlbench.episodes.repair import AUTO, GENERATE, KEEP, RepairAction
from sqlbench.episodes.reward import clamp_score
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.html import Card, Shown, Sql, Text
from sqlbench.models.base import Restart
from sqlbench.policies import Decision
from sqlbench.suites import Question

Event = dict[str, Any]
CUSTOM = "custom"
ACTIONS = (GENERATE, AUTO, *RepairAction, KEEP)
SHOWN_ROWS = 5


class Action(BaseModel):
    """What to do next: `generate`, a repair, `keep`, or `auto`; custom SQL skips the model.

    `keep` repairs nothing: the answer that is there stands, no model is called, and the episode is
    over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    repair_action: str = AUTO
    custom_sql: str | None = None


class Observation(Shown, BaseModel):
    """What the agent sees. Nothing of the gold query or its rows is ever in it."""

    model_config = ConfigDict(frozen=True)

    question: str
    schema_info: str
    current_sql: str | None
    error_message: str | None
    error_class: str | None
    attempt_number: int
    max_attempts: int
    task_id: str
    task_difficulty: str
    doubt: float | None = None
    signals: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    def card(self) -> Card:
        """Return what a notebook shows of it."""
        message, sql = self.error_message, self.current_sql
        token = extract_offending_token(message, sql) if message else None
        tried = [Sql(self.current_sql, token)] if self.current_sql is not None else []
        told = [Text(f"{self.error_class or 'told'}: {self.error_message}")]
        known = [] if self.doubt is None else [Text(f"Doubt {self.doubt:.0%}")]
        known += [Text(f"· {line}") for line in (*self.signals, *self.facts)]
        return Card(
            f"Attempt {self.attempt_number} of {self.max_attempts} "
            f"({self.task_id}, {self.task_difficulty})",
            [Text(self.question), *tried, *(told if self.error_message else []), *known],
        )


class RewardInfo(BaseModel):
    """The clamped task score, whether the episode is over and right, and the details."""

    model_config = ConfigDict(frozen=True)

    value: float
    success: bool
    done: bool
    info: dict[str, Any]


def resolve_action(
    action: Action | str, suggested: Decision | None, *, first: bool
) -> tuple[str, Decision | None, str | None]:
    """Return an action's name, the policy's decision if it took one, and custom SQL.

    Parameters
    ----------
    action : Action or str
        What is asked for.
    suggested : Decision or None
        What ``auto`` would do.
    first : bool
        Whether this is attempt 1, which only `generate` can be.

    Raises
    ------
    UnknownNameError, ConfigError
        If there is no such action, or it cannot come first.
    """
    wanted = action.repair_action if isinstance(action, Action) else action
    custom = action.custom_sql if isinstance(action, Action) else None
    name = str(wanted)
    if name not in ACTIONS:
        raise UnknownNameError("action", name, ACTIONS)
    if custom is not None:
        return CUSTOM, None, custom
    if first:
        if name not in (GENERATE, AUTO):
            raise ConfigError(
                f"Attempt 1 is always 'generate' (or 'auto'): there is nothing yet for "
                f"{name!r} to repair."
            )
        return GENERATE, None, None
    if name == AUTO:
        assert suggested is not None
        return str(suggested.action), suggested, None
    return name, None, None


def observe(
    episode: Episode,
    question: Question,
    schema: str,
    difficulty: str,
    max_attempts: int,
    told: tuple[str | None, ErrorClass | None],
) -> Observation:
    """Return what the agent sees of an episode.

    Parameters
    ----------
    episode : Episode
        With the attempts so far.
    question : Question
        What is asked; its gold is not read.
    schema, difficulty : str
        Of the question's database and task.
    max_attempts : int
        How many there may be.
    told : (str or None, ErrorClass or None)
        What the agent is told of its last attempt.
    """
    last = episode.steps[-1] if episode.steps else None
    message, error_class = told
    known = last.known if last else None
    return Observation(
        question=question.text,
        schema_info=schema,
        current_sql=last.sql if last else None,
        error_message=message,
        error_class=error_class,
        attempt_number=len(episode.steps),
        max_attempts=max_attempts,
        task_id=episode.task_id,
        task_difficulty=difficulty,
        doubt=known.doubt if known else None,
        signals=known.evidence if known else (),
        facts=known.facts if known else (),
    )


def episode_state(episode: Episode, seen: Observation) -> dict[str, Any]:
    """Return where an episode stands, as a dict of JSON values.

    Parameters
    ----------
    episode : Episode
        The episode.
    seen : Observation
        What the agent sees of it.
    """
    scores = [clamp_score(s.score) for s in episode.steps]
    return {
        "active": not episode.done,
        "task_id": episode.task_id,
        "question_id": episode.question_id,
        "question": seen.question,
        "attempt_number": seen.attempt_number,
        "max_attempts": seen.max_attempts,
        "current_sql": seen.current_sql,
        "error_message": seen.error_message,
        "error_class": seen.error_class,
        "done": episode.done,
        "success": episode.success,
        "step_rewards": scores,
        "total_reward": clamp_score(sum(scores) / len(scores) if scores else None),
    }


def reward_info(episode: Episode, result: QueryResult | None) -> RewardInfo:
    """Return what an episode's last attempt brought.

    Parameters
    ----------
    episode : Episode
        With at least one attempt.
    result : QueryResult or None
        The rows of the last one; None if it did not run.
    """
    step = episode.steps[-1]
    return RewardInfo(
        value=clamp_score(step.score),
        success=step.success,
        done=episode.done,
        info={
            "task_score": step.score,
            "reward": step.reward,
            "breakdown": _breakdown(step),
            "attempt": step.attempt,
            "rows": result.rows[:SHOWN_ROWS] if result else [],
            "row_count": step.row_count,
            "sql": step.sql,
            "columns": list(result.columns) if result else [],
            "elapsed": step.elapsed,
        },
    )


def chunk_event(piece: str | Restart) -> Event:
    """Return the event of a piece of an answer; after a restart what was shown does not count."""
    if isinstance(piece, Restart):
        return {"type": "sql_chunk", "chunk": "", "restart": True}
    return {"type": "sql_chunk", "chunk": piece}


def outcome_events(
    episode: Episode,
    failure: tuple[ErrorClass | None, str, str | None],
    suggested: Decision | None,
) -> Iterator[Event]:
    """Yield the events that follow an attempt.

    Parameters
    ----------
    episode : Episode
        With at least one attempt.
    failure : (error class, message, offending token)
        What the agent is told if the attempt failed.
    suggested : Decision or None
        What ``auto`` would do next.
    """
    step = episode.steps[-1]
    if not step.success:
        error_class, message, token = failure
        yield {
            "type": "rl_action",
            "action": step.action,
            "suggested": suggested.action if suggested else None,
            "ucb_scores": suggested.scores if suggested else {},
        }
        yield {
            "type": "error",
            "error_class": error_class,
            "error_message": message,
            "offending_token": token,
        }
    yield {
        "type": "rl_reward",
        "value": clamp_score(step.score),
        "reward": step.reward,
        "breakdown": _breakdown(step),
    }
    if step.success:
        yield {
            "type": "success",
            "attempt": step.attempt,
            "row_count": step.row_count,
            "sql": step.sql,
        }
    if episode.done:
        yield {
            "type": "rl_episode_end",
            "total_reward": episode.total_reward,
            "success": episode.success,
        }


def _breakdown(step: Step) -> dict[str, float]:
    b = step.breakdown
    return {
        "base": b.base,
        "attempt_penalty": b.attempt_penalty,
        "severity_bonus": b.severity_bonus,
        "change_bonus": b.change_bonus,
    }
