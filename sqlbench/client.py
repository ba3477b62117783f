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

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlbench.environment.wire import SQLAction, SQLObservation, SQLState

# `sqlbench.environment.wire` has said what is missing where openenv is not installed.
from openenv.core.client_types import StepResult  # isort: skip
from openenv.core.env_client import EnvClient  # isort: skip

from sqlbench.exceptions import SQLBenchError

__all__ = ["SQLAction", "SQLBenchEnv", "SQLObservation", "SQLState", "ServerError"]


class ServerError(SQLBenchError, RuntimeError):
    """Raised when the server refuses a stream: its own sentence."""


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
        super().__init__(base_url, **options)

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
            If the server refuses.
        """
        import httpx

        body = {
            "task_id": task_id,
            "question_id": question_id,
            "seed": seed,
            "policy": policy,
            "actions": None if actions is None else [self._step_payload(a) for a in actions],
        }
        url = f"{self.base_url}/stream".replace("ws", "http", 1 if self._is_ws() else 0)
        timeout = httpx.Timeout(self._message_timeout, connect=self._connect_timeout)
        async with (
            httpx.AsyncClient(headers=self._headers, timeout=timeout) as http,
            http.stream("POST", url, json=body) as response,
        ):
            if response.status_code != 200:
                await response.aread()
                raise ServerError(_detail(response))
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

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


def _detail(response: Any) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {response.status_code}."
