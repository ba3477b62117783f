"""What travels after a reset and after a step: the environment's observation, with its reward."""

from __future__ import annotations

import math
from typing import Any

from sqlbench.environment.environment import Observation, RewardInfo, SQLAgentEnv
from sqlbench.environment.wire import SQLAgentObservation, SQLObservation
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
        return SQLAgentObservation(**agent_fields(bench, env, observation, reward))
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
        seen |= _result(reward) | {
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


def agent_fields(
    bench: Workbench,
    env: SQLAgentEnv,
    observation: Observation,
    reward: RewardInfo | None = None,
) -> dict[str, Any]:
    """Return the fields of an `SQLAgentObservation`; one that is not here holds its default."""
    episode = env.episode
    assert episode is not None
    seen = _known(observation, episode.question_id)
    if reward is None:  # the schema is nearly all of a prompt: it comes once
        question = env.question
        seen["schema_info"] = observation.schema_info
        seen["dialect"] = env.suite.database(question).dialect
        seen["hint"] = question.evidence or None
    else:
        seen |= _result(reward) | {
            "reward": paid(episode.steps, episode.done, bench.config.reward),
            "done": reward.done,
            "task_score": reward.info["task_score"],
            "value": episode_value(episode.steps),
        }
    return seen


def over_fields(env: SQLAgentEnv) -> dict[str, Any]:
    """Return what an agent sees that steps on after the end: nothing more is to be had."""
    observation, _ = env.last_result()
    assert env.episode is not None
    return _known(observation, env.episode.question_id) | {
        "error_message": OVER,
        "reward": 0.0,
        "done": True,
        "success": env.episode.success,
        "value": episode_value(env.episode.steps),
    }


def _known(observation: Observation, question_id: str) -> dict[str, Any]:
    return {
        "question": observation.question,
        "question_id": question_id,
        "task_id": observation.task_id,
        "task_difficulty": observation.task_difficulty,
        "attempt_number": observation.attempt_number,
        "max_attempts": observation.max_attempts,
        "error_class": observation.error_class,
        "error_message": observation.error_message,
        "doubt": observation.doubt,
        "facts": list(observation.facts),
        "evidence": list(observation.signals),
    }


def _result(reward: RewardInfo) -> dict[str, Any]:
    info = reward.info
    return {
        "success": reward.success,
        "columns": info["columns"],
        "rows": [[cell(value) for value in row] for row in info["rows"]],
        "row_count": info["row_count"],
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
