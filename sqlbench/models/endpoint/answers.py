"""What an endpoint says, read with care: any of it may be missing, or of another shape."""

from __future__ import annotations

import re
from typing import Any

from sqlbench.models.base import Usage

# How servers name the parts of a message that were thought and not said.
_THOUGHT_PARTS = ("thinking", "reasoning", "redacted_thinking", "reasoning_text", "reasoning.text")
_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
# What an answer ends with where its limit of tokens, or the model's, cut it off.
_CUT = ("length", "max_tokens", "model_length", "max_length", "model_context_window_exceeded")


class Answer:
    """What an answer holds so far: one whole message, or the pieces of a stream.

    Attributes
    ----------
    text, thought, refusal : str
        What was said, thought and refused.
    finish_reason : str or None
        Why it ended, in lower case, ``"length"`` for every name of that; None: nobody said so.
    usage : Usage
        Its tokens.
    whole : bool
        Whether it is known to be whole although no reason was given.
    choice : bool
        Whether there was an answer at all.
    called : bool
        Whether the model called a tool instead.
    """

    def __init__(self) -> None:
        self.text = self.thought = self.refusal = ""
        self.finish_reason: str | None = None
        self.usage = Usage()
        self.whole = self.choice = self.called = False

    def feed(self, value: dict[str, Any]) -> str:
        """Take in a message or an event, and return what it says."""
        if isinstance(value.get("usage"), dict):
            self.usage = usage_of(value["usage"])
        choice = first_choice(value.get("choices"))
        if choice is None:
            return ""
        self.choice = True
        self.finish_reason = finish_of(choice) or self.finish_reason
        message, delta = choice.get("message"), choice.get("delta")
        said = delta if isinstance(delta, dict) else {}
        if isinstance(message, dict) and not said:
            # Not streamed, or a last event that repeats the whole of it.
            said = message | {"content": None} if self.text else message
            self.refusal = self.refusal or refusal_of(message)
        elif isinstance(choice.get("text"), str):
            said = {"content": choice["text"]} | said
        piece = spoken_of(said.get("content"))
        self.text += piece
        if said is delta or not self.thought:
            self.thought += thought_of(said)
        if said is delta:
            self.refusal += refusal_of(said)
        self.called = self.called or bool(said.get("tool_calls") or said.get("function_call"))
        return piece


def first_choice(choices: Any) -> dict[str, Any] | None:
    """Return the first choice of an answer, if there is one."""
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else None


def finish_of(choice: dict[str, Any]) -> str | None:
    """Return why a choice ended; None while it goes on."""
    reason = text_of(choice.get("finish_reason")).lower()
    if reason in ("", "null", "none"):
        return None
    return "length" if reason in _CUT else reason


def text_of(value: Any) -> str:
    """Return a text, and an empty one in place of anything else."""
    return value if isinstance(value, str) else ""


def spoken_of(content: Any) -> str:
    """Return what a message says: a text, or a list of typed parts of which some are texts."""
    return "".join(_part_text(p) for p in _parts(content) if _kind(p) not in _THOUGHT_PARTS)


def thought_of(message: dict[str, Any]) -> str:
    """Return what a model thought, where its endpoint keeps that apart."""
    for name in _THOUGHT_FIELDS:
        if thought := "".join(map(_thought_text, _parts(message.get(name)))):
            return thought
    parts = _parts(message.get("content"))
    return "".join(_thought_text(p) for p in parts if _kind(p) in _THOUGHT_PARTS)


def refusal_of(message: dict[str, Any]) -> str:
    """Return with what words a model refused."""
    parts = (p for p in _parts(message.get("content")) if isinstance(p, dict))
    return text_of(message.get("refusal")) or "".join(text_of(p.get("refusal")) for p in parts)


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


def _parts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _kind(part: Any) -> str:
    return text_of(part.get("type")) if isinstance(part, dict) else "text"


def _part_text(part: Any) -> str:
    if not isinstance(part, dict):
        return text_of(part)
    text = part.get("text")
    return text_of(text.get("value")) if isinstance(text, dict) else text_of(text)


def _thought_text(part: Any) -> str:
    if not isinstance(part, dict):
        return text_of(part)
    fields = (part.get(name) for name in ("thinking", "text", "reasoning", "summary", "content"))
    return next((t for f in fields if (t := "".join(map(_thought_text, _parts(f))))), "")
