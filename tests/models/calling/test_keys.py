"""The key of an answer does not depend on how its hash is worked out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from scripted import request

from sqlbench.models.calling.keys import request_key
from sqlbench.models.endpoint.openai import OpenAIModel


@pytest.mark.parametrize(
    "texts",
    [["a"], ['"é" \\ \ud800', "s" * 3_000], ["(the text of a message)"] * 2, []],
)
@pytest.mark.parametrize("name", ["m", "(the text of a message)"])
def test_a_key_is_the_hash_of_all_that_is_asked_however_it_is_put_together(texts, name):
    model = OpenAIModel(name, {"OPENAI_BASE_URL": "http://a.example/v1", "OPENAI_API_KEY": "k"})
    asked = replace(request(), messages=tuple({"role": "user", "content": t} for t in texts))
    content = {
        "model": model.spec, "fingerprint": model.fingerprint, "endpoint": model.address,
        "asked": model.sent(asked), "sample": asked.repeat,
    }  # fmt: skip
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert request_key(model, asked) == hashlib.sha256(text.encode()).hexdigest()
