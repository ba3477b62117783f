"""What a server says went wrong, in whatever shape it says it."""

from __future__ import annotations

import json
import re
from typing import Any

from sqlbench.models.endpoint.answers import finish_of, first_choice, shorten

# An answer that ends so was broken off by the server, whatever it holds.
_BROKEN = frozenset({"error", "abort", "aborted", "cancelled", "canceled", "failed", "timeout"})
_BROKEN |= {"time_limit", "network_error", "model_error", "eos_error"}
_BROKEN |= {"insufficient_system_resource"}
# And so, if the provider would not give it.
REFUSED = frozenset({"content_filter", "content_filtered", "refusal", "sensitive", "safety"})
REFUSED |= {"recitation", "blocklist", "spii", "prohibited_content", "guardrail_intervened"}

_SAID = ("message", "msg", "detail", "error_message", "error_msg", "errors", "description")
_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size|limit)|exceed_context_size|max_model_len"
    r"|(prompt|input|request|message|conversation)s?( body| is| are| was)* too[ _](long|large)"
    r"|(request|prompt|input|message)s?_too_(large|long)|string_above_max_length"
    r"|too many (input |prompt )?tokens|tokens_limit_reached"
    r"|(maximum|max) (prompt|input|model|sequence) length|maximum (sequence|number of input)"
    r"|(input|prompt|request)[^.]{0,60}(exceed|longer than|larger than)[^.]{0,60}"
    r"(token|length|model)"
    r"|token count[^.]{0,60}exceed|reduce the length of|available context"
    r"|`?inputs`? tokens \+ `?max_new_tokens|must have (less|fewer) than \d+ tokens"
    r"|context[^.]{0,20}overflow",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content[ _-]?(filter|management|policy)|moderation|flagged|responsible ?ai"
    r"|safety (system|filter)",
    re.IGNORECASE,
)


def is_too_long(words: str) -> bool:
    """Whether a refusal says that the prompt is too long for the model."""
    return bool(_TOO_LONG.search(words))


def is_filtered(words: str) -> bool:
    """Whether a refusal says that the provider will not have what the prompt holds."""
    return bool(_FILTERED.search(words))


def error_in(value: dict[str, Any]) -> Any:
    """Return the error that an answer or an event holds, beside half an answer or alone; or None.

    Parameters
    ----------
    value : dict
        What came with a status of success.
    """
    choice = first_choice(value.get("choices")) or {}
    for holder in (value, choice, choice.get("message"), choice.get("delta")):
        if isinstance(holder, dict) and _says_something(holder.get("error")):
            return holder["error"]
    if finish_of(choice) in _BROKEN:
        return {"message": f"its finish_reason is {choice['finish_reason']!r}"}
    if "error" in (value.get("type"), value.get("object"), value.get("status")):
        return value
    if "choices" not in value and any(
        _says_something(value.get(n)) for n in _SAID if not _is_message(value.get(n))
    ):
        return value
    return None


def reason_of(value: Any) -> str:
    """Return the text of an error, of any shape, in at most 300 characters."""
    return shorten(said_in(value)) or "it gave no reason"


def said_in(value: Any) -> str:
    """Return the text of an error, of any shape, as long as it is."""
    return _text(value)


def words_of(value: Any) -> str:
    """Return everything that an error says, its codes and types included, to look for words in."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def status_of(value: Any) -> int | None:
    """Return the HTTP status that an error names, by number or by its type."""
    if isinstance(value, list) and value:
        return status_of(value[0])
    if not isinstance(value, dict):
        return None
    for name in ("code", "status", "status_code", "http_status", "error_code"):
        digits = str(value.get(name))
        if digits.isdecimal() and 400 <= int(digits) <= 599:
            return int(digits)
    kinds = f"{value.get('type')} {value.get('code')} {value.get('status')}".lower()
    for word, status in _STATUS.items():
        if word in kinds:
            return status
    nested = value.get("error")
    return status_of(nested) if nested is not None else None


_STATUS = {
    "rate_limit": 429,
    "resource_exhausted": 429,
    "too_many_requests": 429,
    "overloaded": 503,
    "unavailable": 503,
    "authentication": 401,
    "invalid_api_key": 401,
    "unauthorized": 401,
    "permission": 403,
    "insufficient_quota": 402,
    "billing": 402,
    "model_not_found": 404,
    "timeout": 408,
    "invalid_request": 400,
    "invalid_argument": 400,
    "badrequest": 400,
}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return _unpacked(value)
    if isinstance(value, list):
        return "; ".join(dict.fromkeys(filter(None, map(_text, value))))
    if not isinstance(value, dict):
        return "" if value is None or isinstance(value, bool) else str(value)
    if isinstance(value.get("msg"), str) and isinstance(value.get("loc"), list):
        place = ".".join(str(p) for p in value["loc"] if p != "body")
        return f"{place}: {value['msg']}"
    said = next((t for n in _SAID if (t := _text(value.get(n)))), "")
    if outer := _text(value.get("error")):
        said = f"{outer}: {said}" if said and said not in outer else outer
    # A gateway passes its provider's own words on.
    if inner := _text((_dict(value.get("metadata"))).get("raw")):
        said = f"{said} ({inner})" if said else inner
    return said or (json.dumps(value, ensure_ascii=False, default=str) if value else "")


def _unpacked(text: str) -> str:
    """Return the text in a text that is JSON, as gateways wrap their providers' errors."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return _text(value) or text
    return text


def _says_something(value: Any) -> bool:
    """Whether an error is one: some servers send an empty one with every answer."""
    if isinstance(value, dict):
        return any(_says_something(v) for v in value.values())
    return bool(value)


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and "content" in value


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
