"""Under which key an answer is stored: a hash of all that it can depend on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any, cast

from sqlbench.models.base import ChatModel, ModelRequest

_GAP = "(the text of a message)"
_LONG = 1_000  # letters of a message that is likely to begin with a schema, and to come again
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def request_key(model: ChatModel, request: ModelRequest) -> str:
    """Return the hash under which a request's completion is kept.

    A model behind an endpoint says what it sends (`OpenAIModel.sent`); any other model's answer
    may depend on the whole request.
    """
    model = answering(model, request)
    sent = getattr(model, "sent", None)
    asked = sent(request) if sent is not None else asdict(request)
    content = {
        "model": model.spec,
        "fingerprint": model.fingerprint,
        "endpoint": getattr(model, "address", ""),
        "asked": asked,
        "sample": request.repeat,
    }
    text = _as_json(content, asked.get("messages"))
    return hashlib.sha256(text.encode()).hexdigest()


def _as_json(content: dict[str, Any], messages: Any) -> str:
    """Return the JSON text of what a key is made of.

    Nearly all of it is the schema, which stands in every request: that is encoded once.
    """
    texts = [message["content"] for message in messages or ()]
    content["asked"] = content["asked"] | {
        "messages": [message | {"content": _GAP} for message in messages or ()]
    }
    parts = _encode(content).split(f'"{_GAP}"')
    if not texts or len(parts) != len(texts) + 1:  # a name of a model, say, that is the mark
        content["asked"] |= {"messages": messages}
        return _encode(content)
    made = [parts[0]]
    for text, part in zip(texts, parts[1:], strict=True):
        made += (_quoted(text) if len(text) > _LONG else _encode(text)), part
    return "".join(made)


@lru_cache(maxsize=256)
def _quoted(text: str) -> str:
    return _encode(text)


def answering(model: ChatModel, request: ModelRequest) -> ChatModel:
    """Return the model that answers a request, where one stands for several (`TwoModels`)."""
    route = getattr(model, "answering", None)
    return model if route is None else cast(ChatModel, route(request))
