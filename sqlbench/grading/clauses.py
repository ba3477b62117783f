"""Which clauses a query cannot have, by its words: parsing takes longer than most queries."""

from __future__ import annotations

import re

_ORDERS = re.compile(r"\border\b", re.IGNORECASE)
_LIMITS = re.compile(r"\b(?:limit|fetch|top)\b", re.IGNORECASE)


def orders_rows(sql: str) -> bool:
    """Whether a query may have an ORDER BY: False means that it has none."""
    return _ORDERS.search(sql) is not None


def limits_rows(sql: str) -> bool:
    """Whether a query may have a LIMIT: False means that it has none."""
    return _LIMITS.search(sql) is not None
