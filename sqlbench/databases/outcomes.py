"""What statements gave, on a shelf: rows and errors as JSON has them, and back to the last bit."""

from __future__ import annotations

import base64
from typing import Any

from sqlbench.databases.base import NAN, Outcome, QueryError, QueryResult
from sqlbench.databases.revision import revision_of
from sqlbench.databases.shelf import Shelf, may_lie_there, shelf_key

_CELLS = 20_000  # of a result that is put there: it is read while others wait
_CODE = ("databases",)


def outcome_key(content: str, sql: str) -> bytes:
    """Return the key of what a statement gives on a database of this content and its limits."""
    return shelf_key("outcome", revision_of(*_CODE), content, sql)


def find_outcome(shelf: Shelf, content: str, sql: str) -> Outcome | None:
    """Return what a statement gave, if that lies there."""
    if not may_lie_there(sql):
        return None
    try:
        return _read(shelf.find(outcome_key(content, sql)), sql)
    except (KeyError, TypeError, ValueError):
        return None


def keep_outcome(shelf: Shelf, content: str, sql: str, outcome: Outcome) -> None:
    """Put what a statement gave there, if another run would have the same."""
    if is_lasting(outcome) and may_lie_there(sql) and (value := _written(outcome)) is not None:
        shelf.keep(outcome_key(content, sql), value)


def is_lasting(outcome: Outcome) -> bool:
    """Whether another run would have the same: no limit of time or memory ended it."""
    if isinstance(outcome, QueryError):
        return outcome.reproducible and not outcome.timeout
    return True


def _written(outcome: Outcome) -> dict[str, Any] | None:
    if isinstance(outcome, QueryError):
        return {
            "error": outcome.message,
            "sqlstate": outcome.sqlstate,
            "fault": outcome.fault,
            "elapsed": outcome.elapsed,
        }
    if len(outcome.rows) * (len(outcome.columns) + 1) > _CELLS:
        return None
    rows = [[_cell(v) for v in row] for row in outcome.rows]
    return {
        "columns": outcome.columns,
        "rows": rows,
        "truncated": outcome.truncated,
        "elapsed": outcome.elapsed,
    }


def _read(value: Any, sql: str) -> Outcome | None:
    if value is None:
        return None
    if "error" in value:
        error = QueryError(value["error"], sqlstate=value["sqlstate"], fault=value["fault"])
        error.elapsed, error.sql = float(value["elapsed"]), sql
        return error
    rows = [tuple([_value(v) for v in row]) for row in value["rows"]]
    return QueryResult(
        tuple(value["columns"]), rows, bool(value["truncated"]), float(value["elapsed"])
    )


def _cell(value: Any) -> Any:
    """Return a cell as JSON has it; a dict is what JSON knows nothing of."""
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    return value


def _value(cell: Any) -> Any:
    if isinstance(cell, dict):
        return base64.b64decode(cell["bytes"], validate=True)
    return NAN if cell != cell else cell
