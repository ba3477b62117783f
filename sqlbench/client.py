"""A typed client of a sqlbench server. It never imports the server.

Examples
--------
>>> async with SQLBenchEnv("http://localhost:8000") as env:  # doctest: +SKIP
...     result = await env.reset(task_id="join_queries", seed=1)
...     while not result.done:
...         result = await env.step("auto")

>>> with SQLBenchEnv("http://localhost:8000").sync() as env:  # doctest: +SKIP
...     result = env.reset()
...     result = env.step(SQLAction(custom_sql="SELECT 1"))
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlbench.environment.wire import SQLAction, SQLObservation, SQLState

# `sqlbench.environment.wire` has said what is missing where openenv is not installed.
from openenv.core.client_types import StepResult  # isort: skip
from openenv.core.env_client import EnvClient  # isort: skip
from websockets.exceptions import ConnectionClosed  # isort: skip

from sqlbench.exceptions import SQLBenchError

__all__ = [
    "SQLAction",
    "SQLBenchEnv",
    "SQLObservation",
    "SQLState",
    "ServerError",
    "SessionLostError",
]

# How long a client waits for an answer where the server does not say how long a step may take.
ANSWER_SECONDS = 660.0
# So much longer than the server: it is the one that says what took too long.
GRACE_SECONDS = 30.0
_OVER = "This session is over"


class ServerError(SQLBenchError, RuntimeError):
    """Raised when the server refuses a stream, its own sentence, or a stream breaks off."""


class SessionLostError(SQLBenchError, RuntimeError):
    """Raised when a session's connection is gone, and its episode with it: call `reset`."""


class SQLBenchEnv(EnvClient):  # type: ignore[misc]
    """A session on a sqlbench server: async, or plain through ``.sync()``.

    ``reset`` takes ``seed``, ``episode_id``, ``task_id`` and ``question_id``, or the Task API's
    ``split`` and ``index``. ``step`` takes an `SQLAction` or the name of an action. A refusal by
    the server is a ``RuntimeError`` with its sentence, and the session goes on.

    Parameters
    ----------
    base_url : str
        The server, for example ``http://localhost:8000``.
    token : str or None
        The server's token, if it has one.
    **options
        As for openenv's ``EnvClient``: time-outs, message size, headers.
    """

    def __init__(
        self, base_url: str | None = None, *, token: str | None = None, **options: Any
    ) -> None:
        if token is not None:
            headers = options.get("headers") or {}
            options["headers"] = {**headers, "Authorization": f"Bearer {token}"}
        options.setdefault("websocket_ping_timeout_s", None)
        self._limit_known = options.setdefault("message_timeout_s", None) is not None
        options["message_timeout_s"] = options["message_timeout_s"] or ANSWER_SECONDS
        self._session: Any = None  # the connection that holds an episode
        self._why_lost: str | None = None  # said until the next reset
        self._over = False
        super().__init__(base_url, **options)

    async def _connect_async(self) -> SQLBenchEnv:
        await super()._connect_async()
        await self._ask_limit()
        return self

    async def _ask_limit(self) -> None:
        """Learn how long the server lets a step take, once."""
        import httpx

        if self._limit_known:
            return
        self._limit_known = True
        try:
            async with httpx.AsyncClient(headers=self._headers, timeout=10) as http:
                limit = (await http.get(self._http_url("/info"))).json()["session_timeout"]
            self._message_timeout = float(limit) + GRACE_SECONDS
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            pass  # another server than sqlbench's, or an older one: ANSWER_SECONDS holds

    async def _send_and_receive(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message and return the answer; never one of another session than was begun."""
        begins = message["type"] == "reset"
        if begins:
            if self._over:  # the server keeps the socket of a session that is over
                await self._disconnect_async()
            self._session = self._why_lost = None
        elif self._session is not None and self._why_lost is None:
            if self._ws is not self._session:
                self._why_lost = "it was closed"
            elif self._session.close_code is not None:
                self._why_lost = _why(self._session)
        if self._why_lost is not None:
            raise self._lost()
        self._over = False
        try:
            response: dict[str, Any] = await super()._send_and_receive(message)
        except ConnectionClosed:
            self._why_lost = _why(self._ws)
            raise self._lost() from None
        except TimeoutError:
            self._why_lost = f"no answer came in {self._message_timeout:g} s"
            raise self._lost() from None
        except asyncio.CancelledError:
            self._why_lost = "a call was given up before its answer came"
            raise
        except RuntimeError as error:
            self._over = _OVER in str(error)
            raise
        if begins:
            self._session = self._ws
        return response

    def _lost(self) -> SessionLostError:
        return SessionLostError(
            f"The session at {self.base_url} was lost, and its episode with it: {self._why_lost}. "
            "Call reset() for a new one."
        )

    def _http_url(self, path: str) -> str:
        return f"{self.base_url}{path}".replace("ws", "http", 1 if self._is_ws() else 0)

    async def stream(
        self,
        task_id: str | None = None,
        question_id: str | None = None,
        *,
        seed: int | None = None,
        policy: str | None = None,
        actions: Sequence[SQLAction | str] | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """Run one whole episode on the server and yield its events, ``observation`` last.

        sqlbench's own extension (``POST /stream``), beside this client's session.

        Parameters
        ----------
        task_id, question_id, seed
            Which question, as for ``reset``.
        policy : str or None
            The spec of a fresh policy to act; None lets the served one.
        actions : sequence of SQLAction or str, or None
            The attempts' actions instead.

        Raises
        ------
        ServerError
            If the server refuses, breaks off, or gives no event in time.
        """
        import httpx

        body = {
            "task_id": task_id,
            "question_id": question_id,
            "seed": seed,
            "policy": policy,
            "actions": None if actions is None else [self._step_payload(a) for a in actions],
        }
        await self._ask_limit()
        limit = self._message_timeout
        timeout = httpx.Timeout(limit, connect=self._connect_timeout)
        try:
            async with (
                httpx.AsyncClient(headers=self._headers, timeout=timeout) as http,
                http.stream("POST", self._http_url("/stream"), json=body) as response,
            ):
                if response.status_code != 200:
                    await response.aread()
                    raise ServerError(_detail(response))
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        yield json.loads(line.removeprefix("data: "))
        except httpx.ReadTimeout:
            raise ServerError(
                f"The stream of {self.base_url} timed out: no event came in {limit:g} s."
            ) from None
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise ServerError(f"The stream of {self.base_url} broke off: {why}.") from error

    def _is_ws(self) -> bool:
        return str(self.base_url).startswith(("ws://", "wss://"))

    def _step_payload(self, action: SQLAction | str) -> dict[str, Any]:
        wanted = action if isinstance(action, SQLAction) else SQLAction(repair_action=action)
        payload: dict[str, Any] = wanted.model_dump(exclude_defaults=True)
        return payload

    def _parse_result(self, payload: dict[str, Any]) -> StepResult:
        reward, done = payload.get("reward"), payload.get("done", False)
        observation = SQLObservation(**payload["observation"], reward=reward, done=done)
        return StepResult(observation=observation, reward=reward, done=done)

    def _parse_state(self, payload: dict[str, Any]) -> SQLState:
        return SQLState(**payload)


def _why(connection: Any) -> str:
    """Say why a connection ended, as far as its close frame does."""
    if connection is None or connection.close_code in (None, 1006):
        return "the connection broke"
    reason = connection.close_reason or "no reason given"
    return f"the connection was closed ({connection.close_code}: {reason})"


def _detail(response: Any) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {response.status_code}."
