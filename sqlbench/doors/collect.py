"""The door of OpenEnv's own collector: sessions for ``CollectRunner`` on a server of agents.

The collector calls an episode a success where its last reward is above 0. A near miss is paid, too,
so these sessions forward the declared field ``success`` as the reward, 1 or 0, and the episode's
value as a metric. Needs ``sqlbench serve --agent``.
"""

from __future__ import annotations

from typing import Any

from sqlbench.doors.extras import need

harness: Any = need("openenv.core.harness", "openenv")

from openenv.core import GenericEnvClient  # noqa: E402  `need` says what is missing
from openenv.core.env_server.mcp_types import Tool  # noqa: E402

TOOL = Tool(
    name="run_sql",
    description="Run one SELECT statement and see whether it answers the question.",
    input_schema={
        "type": "object",
        "properties": {"sql": {"type": "string", "description": "One SELECT statement."}},
        "required": ["sql"],
    },
)
SYSTEM = (
    "You write {dialect} queries. Call run_sql with one SELECT statement.\n\nDatabase schema:\n\n"
)


class SQLSession(harness.StepEnvSessionAdapter):  # type: ignore[misc]
    """One episode over OpenEnv, with the tool ``run_sql``."""

    def __init__(self, client: Any, task: Any, episode_id: str | None, seed: int | None) -> None:
        super().__init__(
            client,
            task=task,
            seed=seed,
            episode_id=episode_id,
            tool_specs=[TOOL],
            action_builder=lambda name, arguments: {"sql": arguments.get("sql")},
            initial_messages_builder=_ask,
            tool_result_builder=_result,
            verify_builder=_verify,
            reset_kwargs=dict(task or {}),
        )


class SQLSessionFactory(harness.ResourceSessionFactory):  # type: ignore[misc]
    """Makes a session for each episode.

    Parameters
    ----------
    base_url : str
        A server that was started with ``--agent``.
    token : str, optional
        Its token, if it has one.
    """

    def __init__(self, base_url: str, token: str | None = None) -> None:
        self.base_url = base_url
        self._options = {} if token is None else {"headers": {"Authorization": f"Bearer {token}"}}

    def create(
        self, task: Any, seed: int | None = None, episode_id: str | None = None
    ) -> SQLSession:
        """Return a session; a task is what ``reset`` takes, for example ``{"question_id": …}``."""
        client = GenericEnvClient(base_url=self.base_url, **self._options)
        return SQLSession(client, task, episode_id, seed)


def _ask(result: Any, task: Any) -> list[dict[str, Any]]:
    seen = result.observation
    hint = f"\nHint: {seen['hint']}" if seen.get("hint") else ""
    return [
        {
            "role": "system",
            "content": SYSTEM.format(dialect=seen["dialect"]) + seen["schema_info"],
        },
        {"role": "user", "content": f"Question: {seen['question']}{hint}"},
    ]


def _result(name: str, arguments: dict[str, Any], result: Any, state: Any) -> Any:
    seen = result.observation
    shown = {
        key: seen[key]
        for key in ("error_class", "error_message", "columns", "rows", "row_count", "success")
    }
    return harness.ToolResult(
        data=shown,
        done=bool(result.done),
        metadata={"reward": float(seen["success"]), "value": seen["value"]},
    )


def _verify(transcript: Any, final_state: Any, last: Any, state: Any) -> Any:
    seen = last.observation if last is not None else {"success": False, "value": 0.0}
    return harness.VerifyResult(
        env_reward=float(seen["success"]),
        done=bool(last is not None and last.done),
        metrics={"success": bool(seen["success"]), "value": seen["value"]},
    )
