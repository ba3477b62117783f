"""What an endpoint says, read with care: any of it may be missing, or of another shape."""

from __future__ import annotations

import re
from typing import Any

from sqlbench.models.base import Usage


def first_choice(choices: Any) -> dict[str, Any] | None:
    """Return the first choice of an answer, if there is one."""
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else None


def text_of(value: Any) -> str:
    """Return a text, and an empty one in place of anything else."""
    return value if isinstance(value, str) else ""


def thought_of(message: dict[str, Any]) -> str:
    """Return what a model thought, where its endpoint keeps that apart."""
    return text_of(message.get("reasoning_content")) or text_of(message.get("reasoning"))


def usage_of(usage: Any) -> Usage:
    """Return the tokens that an answer says it used."""
    usage = usage if isinstance(usage, dict) else {}

    def count(values: Any, name: str) -> int:
        value = values.get(name) if isinstance(values, dict) else None
        return value if isinstance(value, int) and value > 0 else 0

    return Usage(
        count(usage, "prompt_tokens"),
        count(usage, "completion_tokens"),
        count(usage.get("prompt_tokens_details"), "cached_tokens"),
        count(usage.get("completion_tokens_details"), "reasoning_tokens"),
    )


def shorten(text: str) -> str:
    """Return the beginning of a body, or what a page of HTML is called."""
    text = " ".join(text.split())
    if re.match(r"<(!doctype|html)", text, re.IGNORECASE):
        title = re.search(r"<title>\s*(.*?)\s*</title>", text, re.IGNORECASE)
        return "an HTML page" + (f" ({title[1][:80]})" if title else "")
    return text[:300]
