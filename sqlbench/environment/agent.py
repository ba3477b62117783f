"""Agents that bring their own model: an action is SQL, and a bad one is an attempt that failed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlbench.environment.exchange import ACTIONS, Action
from sqlbench.models.extract import extract_sql

MAX_SQL_CHARS = 100_000


@dataclass(frozen=True, slots=True)
class AgentSQL:
    """What an agent wants to be run; ``refusal`` says why it cannot be, if it cannot."""

    sql: str
    refusal: str | None = None


def agent_sql(action: object) -> AgentSQL:
    r"""Read an agent's action: SQL, bare or in a code block. It never raises.

    Parameters
    ----------
    action : object
        A string, or an `Action` with ``custom_sql``. Anything else is refused in a sentence, which
        the agent gets as the error of its attempt.

    Examples
    --------
    >>> agent_sql("```sql\nSELECT 1;\n```").sql
    'SELECT 1'
    >>> agent_sql(None).refusal
    'No SQL in the action: it is a NoneType, and a SELECT statement is expected.'
    """
    if isinstance(action, AgentSQL):
        return action
    given = action.custom_sql if isinstance(action, Action) else action
    if isinstance(action, Action) and given is None:
        given = action.repair_action
    if not isinstance(given, str):
        kind = type(given).__name__
        return AgentSQL(
            "", f"No SQL in the action: it is a {kind}, and a SELECT statement is expected."
        )
    if given in ACTIONS:
        return AgentSQL(
            "",
            f"No SQL in the action: {given!r} is an action of environments that have a model; "
            "this one expects a SELECT statement.",
        )
    if len(given) > MAX_SQL_CHARS:
        return AgentSQL(
            given[:200] + "…",
            f"The SQL has {len(given):,} characters; at most {MAX_SQL_CHARS:,} are taken.",
        )
    # Bare SQL, as nearly all is, runs as it stands.
    sql = extract_sql(given) if "```" in given or "<think" in given else given
    if not sql.strip():
        return AgentSQL("", "No SQL in the action: a SELECT statement is expected.")
    return AgentSQL(sql)
