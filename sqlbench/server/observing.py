"""What travels after a reset and after a step: the environment's observation, with its reward."""

from __future__ import annotations

import math
from typing import Any

from sqlbench.databases.base import QueryResult
from sqlbench.environment.environment import Observation, RewardInfo, SQLAgentEnv
from sqlbench.environment.exchange import SHOWN_ROWS
from sqlbench.environment.wire import SQLAgentObservation, SQLObservation
from sqlbench.episodes.episode import Step
from sqlbench.episodes.returns import episode_value, paid
from sqlbench.server.bench import Workbench

MAX_CELL_CHARS = 500
OVER = "The episode is over: reset to start another. Nothing ran, and nothing is paid."


def observe(
    bench: Workbench,
    env: SQLAgentEnv,
    observation: Observation,
    reward: RewardInfo | None = None,
) -> SQLObservation | SQLAgentObservation:
    """Return what travels after a reset, or after a step with its reward."""
    if bench.config.agent:
        return SQLAgentObservation(**agent_fields(bench, env))
    episode = env.episode
    assert episode is not None
    seen: dict[str, Any] = {
        **observation.model_dump(exclude={"signals"}),
        "evidence": observation.signals,
        "question_id": episode.question_id,
        "simulated": bench.simulated,
    }
    if reward is not None:
        step, info, suggestion = episode.steps[-1], reward.info, env.suggestion
        seen |= _result(env.result, step) | {
            "reward": paid(episode.steps, episode.done, bench.config.reward),
            "done": reward.done,
            "action": step.action,
            "propensity": step.propensity,
            "task_score": info["task_score"],
            "value": episode_value(episode.steps),
            "shaped_reward": info["reward"],
            "breakdown": info["breakdown"],
            "suggested": suggestion.action if suggestion else None,
            "ucb_scores": suggestion.scores if suggestion else {},
            "total_reward": episode.total_reward if episode.done else None,
        }
    return SQLObservation(**seen)


def agent_fields(bench: Workbench, env: SQLAgentEnv) -> dict[str, Any]:
    """Return the fields of an `SQLAgentObservation`; one that is not here holds its default."""
    episode, question = env.episode, env.question
    assert episode is not None
    if not episode.steps:  # the schema is nearly all of a prompt: it comes once
        return _standing(env) | {
            "schema_info": env.suite.schema_text(question),
            "dialect": env.suite.database(question).dialect,
            "hint": question.evidence or None,
        }
    step = episode.steps[-1]
    return _standing(env) | {
        **_result(env.result, step),
        "reward": paid(episode.steps, episode.done, bench.config.reward),
        "done": episode.done,
        "task_score": step.score,
        "value": episode_value(episode.steps),
    }


def over_fields(env: SQLAgentEnv) -> dict[str, Any]:
    """Return what an agent sees that steps on after the end: nothing more is to be had."""
    assert env.episode is not None
    return _standing(env) | {
        "error_message": OVER,
        "reward": 0.0,
        "done": True,
        "success": env.episode.success,
        "value": episode_value(env.episode.steps),
    }


def _standing(env: SQLAgentEnv) -> dict[str, Any]:
    """Return what an agent sees after a reset and after a step."""
    episode, question = env.episode, env.question
    assert episode is not None
    known = episode.steps[-1].known if episode.steps else None
    message, error_class = env.told
    return {
        "question": question.text,
        "question_id": question.id,
        "task_id": episode.task_id,
        "task_difficulty": env.suite.task(episode.task_id).difficulty,
        "attempt_number": len(episode.steps),
        "max_attempts": env.max_attempts,
        "error_class": error_class,
        "error_message": message,
        "doubt": known.doubt if known else None,
        "facts": list(known.facts) if known else [],
        "evidence": list(known.evidence) if known else [],
    }


def _result(result: QueryResult | None, step: Step) -> dict[str, Any]:
    rows = result.rows[:SHOWN_ROWS] if result else []
    return {
        "success": step.success,
        "columns": list(result.columns) if result else [],
        "rows": [[cell(value) for value in row] for row in rows],
        "row_count": step.row_count,
    }


def cell(value: Any) -> Any:
    """Return a cell as a JSON value, cut short where it is long."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        value = f"x'{value[: MAX_CELL_CHARS // 2].hex()}'"
    text = str(value).encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_CELL_CHARS else text[: MAX_CELL_CHARS - 1] + "…"
