"""A frame of an agent's session by the short way: read once, and its answer written once.

openenv reads a frame into models of its own, and makes dicts, a model and a text of an observation:
more work than the step. Where an episode is under way and a frame is a plain step or reset, the
gate answers it here. Whatever else comes goes on to openenv, which also opens and ends all
sessions; and what is sent is the same, which `tests/server/test_short_way.py` sees to.
"""

from __future__ import annotations

import json
import math
import time
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

import orjson

from sqlbench.environment.wire import MAX_SQL_CHARS, SQLAgentObservation

# openenv closes a session that it has seen nothing of for long: at least so often it sees a frame.
SEEN_SECONDS = 1.0
_RESET = {"seed", "episode_id", "task_id", "question_id", "split", "index"}
_DEFAULTS: dict[str, Any] = {
    name: None if field.is_required() else field.get_default(call_default_factory=True)
    for name, field in SQLAgentObservation.model_fields.items()
    if name not in ("reward", "done")
}


class Session(Protocol):
    """What answers: `sqlbench.server.sessions.SQLEnvironment` is one."""

    async def reset_fields(self, **asked: Any) -> dict[str, Any]:
        """Start an episode, and return the observation's fields that are not defaults."""
        ...

    async def step_fields(self, sql: str) -> dict[str, Any]:
        """Make one attempt, and return the same."""
        ...


class Plain(NamedTuple):
    """A frame that needs no check but its own: a step's SQL, or what a reset names."""

    sql: str | None
    asked: dict[str, Any]


class ShortWay:
    """The short way of one WebSocket: closed until a session says that it has been reset."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self._seen = -math.inf

    def read(self, text: str | None) -> Plain | None:
        """Return what a frame asks for; None if it is not for the short way."""
        if self.session is None or text is None:
            return None
        now = time.monotonic()
        frame = _plain(text) if now - self._seen < SEEN_SECONDS else None
        if frame is None:
            self._seen = now
        return frame

    async def answer(self, frame: Plain) -> str:
        """Do what a frame asks for, and return the frame that answers it."""
        assert self.session is not None
        try:
            if frame.sql is None:
                fields = await self.session.reset_fields(**frame.asked)
            else:
                fields = await self.session.step_fields(frame.sql)
        except Exception as error:  # as openenv does: whatever went wrong, the client is told
            said = {"message": str(error), "code": "EXECUTION_ERROR"}
            return json.dumps({"type": "error", "data": said})
        return _observation(fields)


SHORT_WAY: ContextVar[ShortWay | None] = ContextVar("short_way", default=None)
"""That of the WebSocket whose frames are being answered."""


def _plain(text: str) -> Plain | None:
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(frame, dict) or len(frame) != 2:
        return None
    kind, data = frame.get("type"), frame.get("data")
    if not isinstance(data, dict):
        return None
    if kind == "step" and len(data) == 1:
        sql = data.get("sql")
        return Plain(sql, {}) if isinstance(sql, str) and len(sql) <= MAX_SQL_CHARS else None
    names = kind == "reset" and data.keys() <= _RESET
    # A float may have been a whole number that is too large for orjson.
    if names and all(isinstance(value, str | int) for value in data.values()):
        return Plain(None, data)
    return None


def _observation(fields: dict[str, Any]) -> str:
    """Return the frame of an observation, as openenv writes it."""
    reward, done = fields.pop("reward", None), fields.pop("done", False)
    data = {"observation": _DEFAULTS | fields, "reward": reward, "done": done}
    frame = {"type": "observation", "data": data}
    try:
        return orjson.dumps(frame).decode()
    except TypeError:  # half a surrogate pair, or a whole number past 64 bits
        return json.dumps(frame)
