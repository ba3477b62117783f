"""``POST /stream``: one whole episode as server-sent events. OpenEnv has no such route: it is ours.

The events bear the names of `SQLAgentEnv.step_streaming`, attempt after attempt, and the last is
``observation``. A failure of the model or of time comes as ``stream_error`` before it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sqlbench.environment.environment import ACTIONS, Event, SQLAgentEnv
from sqlbench.environment.wire import (
    MAX_NAME_CHARS,
    SQLAction,
    SQLAgentObservation,
    SQLObservation,
)
from sqlbench.episodes.context import MAX_ATTEMPTS
from sqlbench.exceptions import ConfigError, SQLBenchError, UnknownNameError
from sqlbench.models import ModelError
from sqlbench.server.bench import Workbench
from sqlbench.server.observing import observe
from sqlbench.server.sessions import finish, model_error, start, to_env


def _named(value: Any) -> Any:
    return {"repair_action": value} if isinstance(value, str) else value


# A union would blame a wrong SQLAction for not being a string.
StreamAction = Annotated[SQLAction, BeforeValidator(_named, json_schema_input_type=str | SQLAction)]


class StreamRequest(BaseModel):
    """Which question, and who acts: the served policy, another one, or a list of actions."""

    model_config = ConfigDict(extra="forbid")

    task_id: str | None = Field(default=None, max_length=MAX_NAME_CHARS)
    question_id: str | None = Field(default=None, max_length=MAX_NAME_CHARS)
    seed: int | None = Field(
        default=None, ge=0, strict=True, description="draws the question where none is named"
    )
    policy: str | None = Field(
        default=None,
        max_length=MAX_NAME_CHARS,
        description="the spec of a fresh policy to act; by default the served one, as it stands",
    )
    actions: list[StreamAction] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_ATTEMPTS,
        description="the attempts' actions; a list that ends early leaves the episode open",
    )


def add_stream_route(app: FastAPI, bench: Workbench) -> None:
    """Add ``POST /stream``, for at most ``max_sessions`` episodes at a time."""
    slots = asyncio.Semaphore(bench.config.max_sessions)

    @app.post(
        "/stream",
        tags=["Streaming (sqlbench's own extension)"],
        summary="Run one episode and stream its events",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def stream(request: StreamRequest) -> StreamingResponse:
        if request.policy is not None and request.actions is not None:
            raise ConfigError("A stream takes a policy or a list of actions, not both.")
        if bench.config.agent and (request.actions is None or request.policy is not None):
            raise ConfigError("This server has no model: a stream needs actions with custom_sql.")
        actions = _actions(request)
        question = bench.pick(request.task_id, request.question_id, request.seed)
        await bench.prepare(question)
        env = bench.environment()
        start(bench, env, question, request.policy)
        first = observe(bench, env, env.observation)
        if slots.locked():
            raise HTTPException(
                503, f"The server is full: {bench.config.max_sessions} streams are running."
            )
        await slots.acquire()
        return _Events(_episode(bench, env, actions, first), slots)


class _Events(StreamingResponse):
    """Server-sent events that give their place back however they end."""

    def __init__(self, events: AsyncIterator[Event], slots: asyncio.Semaphore) -> None:
        # A proxy, if there is one, must not collect the events.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(
            (_frame(event) async for event in events),
            media_type="text/event-stream",
            headers=headers,
        )
        self._slots = slots

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._slots.release()


def _actions(request: StreamRequest) -> list[SQLAction]:
    actions = request.actions if request.actions is not None else [SQLAction()] * MAX_ATTEMPTS
    for action in actions:
        if action.repair_action not in ACTIONS:
            raise UnknownNameError("action", action.repair_action, ACTIONS)
    return actions


async def _episode(
    bench: Workbench,
    env: SQLAgentEnv,
    actions: list[SQLAction],
    first: SQLObservation | SQLAgentObservation,
) -> AsyncIterator[Event]:
    observation = first
    for action in actions:
        limit = min(action.timeout_s or bench.config.session_timeout, bench.config.session_timeout)
        try:
            async for event in _within(env, action, limit):
                yield event
        except TimeoutError:
            yield _failure("timeout", f"The step took longer than its limit of {limit:g} s.")
            break
        except ModelError as error:
            yield _failure("model_error", model_error(error))
            break
        except SQLBenchError as error:
            yield _failure("invalid", str(error))
            break
        observation = observe(bench, env, *env.last_result())
        if observation.done:
            finish(bench, env)
            break
    yield {"type": "observation", **observation.model_dump()}


async def _within(env: SQLAgentEnv, action: SQLAction, limit: float) -> AsyncIterator[Event]:
    """Yield a step's events; raise `TimeoutError` once their making has taken ``limit`` seconds."""
    deadline = asyncio.get_running_loop().time() + limit
    events = env.step_streaming(to_env(action))
    try:
        while True:
            # A generator may not hold a timeout across a yield: it would cancel its reader.
            async with asyncio.timeout_at(deadline):
                event = await anext(events, None)
            if event is None:
                return
            yield event
    finally:
        await events.aclose()


def _failure(kind: str, message: str) -> Event:
    return {"type": "stream_error", "kind": kind, "message": message}


def _frame(event: dict[str, Any]) -> str:
    # ensure_ascii: nothing that a database holds can then break a line or an encoding.
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
