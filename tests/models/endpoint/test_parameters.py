"""A parameter that a server refuses is renamed or left out, once, after its own words."""

from __future__ import annotations

import asyncio

import pytest
from answering import REQUEST, answering, delta, events, whole

from sqlbench.exceptions import ConfigError
from sqlbench.models import Calling, ModelError
from sqlbench.models.endpoint.parameters import Parameters, describe_changes

ASKED = {"model": "m", "messages": [], "temperature": 0.1, "seed": 1, "max_tokens": 1024}
STREAMED = ASKED | {"stream": True, "stream_options": {"include_usage": True}}
URL = "http://localhost:1/v1"
LIMIT = {"max_tokens": "max_completion_tokens"}


def said(message: str, **more: object) -> dict[str, object]:
    return {"message": message} | more


REFUSALS = [
    (said("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
          "'max_completion_tokens' instead.", param="max_tokens"), LIMIT),
    (said("Unrecognized request argument supplied: max_tokens"), LIMIT),
    (said("max_tokens is deprecated in favor of max_output_tokens"),
     {"max_tokens": "max_output_tokens"}),
    (said("Unsupported value: 'temperature' does not support 0.1 with this model. Only the default "
          "(1) value is supported.", param="temperature"), {"temperature": None}),
    (said("`temperature` may only be set to 1 when thinking is enabled."), {"temperature": None}),
    (said("`temperature` is deprecated for this model."), {"temperature": None}),
    (said("'seed' : property 'seed' is unsupported"), {"seed": None}),
    (said('Invalid JSON payload received. Unknown name "seed": Cannot find field.'),
     {"seed": None}),
    (said("unknown field `seed`, expected one of `messages`, `temperature`, `max_tokens`"),
     {"seed": None}),
    (said("Unknown parameter: seed. Supported parameters: temperature, max_tokens"),
     {"seed": None}),
    (said("parameter seed is not supported, use random_seed instead"), {"seed": "random_seed"}),
    ({"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not "
                  "permitted", "input": 7},
                 {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "no"}]},
     {"seed": None, "stream_options": None}),
    (said("Your organization must be verified to stream this model.", param="stream"),
     {"stream": None}),
]  # fmt: skip


@pytest.mark.parametrize(("refusal", "changes"), REFUSALS)
def test_a_refused_parameter_is_renamed_or_left_out(refusal, changes):
    parameters = Parameters("openai:m", "", URL)
    assert parameters.learn(refusal, STREAMED, parameters.sent(STREAMED))
    assert parameters.changes == changes
    sent = parameters.sent(STREAMED)
    for old, new in changes.items():
        assert old not in sent and (new is None or sent[new] == STREAMED[old])
    assert ("stream" in sent) == ("stream" not in changes)
    assert "stream_options" not in sent or "stream" in sent


@pytest.mark.parametrize(
    "refusal",
    [
        said("'max_tokens' or 'max_completion_tokens' is too large: 1024. This model's maximum "
             "context length is 4096 tokens; not supported."),
        said("Invalid 'temperature': decimal above maximum value. Expected a value <= 2."),
        said("Unknown model 'seed-1'", param="model"),
        said("Unsupported content", loc=["body", "messages", 0, "content"],
             input="the temperature and the seed"),
        said("something else"),
        "", None,
    ],
)  # fmt: skip
def test_other_refusals_change_nothing(refusal):
    parameters = Parameters("openai:m", "", URL)
    assert not parameters.learn(refusal, ASKED, parameters.sent(ASKED))
    assert parameters.sent(ASKED) == ASKED


def test_a_limit_refused_by_both_names_is_left_out_but_not_under_a_budget():
    for budget in (False, True):
        parameters = Parameters("openai:m", "", URL, budget=budget)
        first = said("Unsupported parameter: max_tokens")
        assert parameters.learn(first, ASKED, parameters.sent(ASKED))
        second = said("Unsupported parameter: max_completion_tokens")
        assert parameters.learn(second, ASKED, parameters.sent(ASKED)) is not budget
        assert parameters.changes == (LIMIT if budget else {"max_tokens": None})


def test_openais_own_host_is_sent_its_own_name_of_the_limit():
    parameters = Parameters("openai:gpt-5", "", "https://api.openai.com/v1")
    assert "max_tokens" not in parameters.sent(ASKED)
    assert parameters.sent(ASKED)["max_completion_tokens"] == 1024 and not parameters.changes
    assert parameters.learn(said("unknown: max_completion_tokens"), ASKED, parameters.sent(ASKED))
    assert parameters.sent(ASKED) == ASKED


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("omit=top_p", "without 'top_p'"),
        ("omit=", "without ''"),
        ("omit=max_tokens&max_tokens=9", "choose one"),
        ("omit=seed&omit=seed", "twice"),
        ("seed=1", "not 'seed'"),
    ],
)
def test_a_query_that_will_not_do(query, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Parameters("openai:m", query, URL)
    with pytest.raises(ConfigError, match="A budget needs a limit"):
        Parameters("openai:m", "omit=max_tokens", URL, budget=True)


async def test_what_is_omitted_beforehand_is_never_sent():
    with answering(lambda request: (200, whole("SELECT 1"))) as endpoint:
        model = endpoint.model("m?omit=seed,temperature&max_tokens=9")
        await model.complete(REQUEST)
        await model.aclose()
    assert endpoint.requests[0].keys() == {"model", "messages", "max_tokens"}
    assert model.spec == "openai:m?omit=seed,temperature&max_tokens=9"


def fussy(request):
    """Refuse as a reasoning model of OpenAI's does, one parameter at a time."""
    for name in ("max_tokens", "temperature", "stream"):
        if name in request:
            instead = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
            text = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
            return 400, {"error": {"message": text, "param": name, "type": "invalid_request_error"}}
    return 200, whole("SELECT 1")


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
async def test_a_server_is_asked_once_for_all_calls_and_the_user_told_once(streamed, caplog):
    async def call(model):
        if not streamed:
            return await model.complete(REQUEST)
        return [piece async for piece in model.stream(REQUEST)][-1]

    with answering(fussy) as endpoint:
        model = endpoint.model()
        answers = await asyncio.gather(*(call(model) for _ in range(4)))
        asked = len(endpoint.requests)
        answers.append(await call(model))
        assert len(endpoint.requests) == asked + 1
        await model.aclose()
    assert [a.text for a in answers] == ["SELECT 1"] * 5
    changes = {"max_tokens": "max_completion_tokens", "temperature": None}
    changes |= {"stream": None} if streamed else {}
    assert model.parameters.changes == changes
    assert [r.message.split(", so")[0] for r in caplog.records] == [
        f"openai:m refuses {name}" for name in changes
    ]
    assert "temperature was left out" in describe_changes(model.spec, changes)


async def test_what_a_store_is_asked_for_does_not_depend_on_what_a_server_refuses():
    with answering(fussy) as endpoint:
        model = endpoint.model()
        before = model.sent(REQUEST)
        await model.complete(REQUEST)
        await model.aclose()
    assert model.sent(REQUEST) == before and before["temperature"] == 0.1


async def test_a_refusal_that_is_understood_by_nobody_reaches_the_user():
    refusal = {"error": {"message": "seed and temperature are unsupported together with you"}}
    with answering(lambda request: (400, refusal)) as endpoint:
        model = endpoint.model(calling=Calling(answer_seconds=20))
        with pytest.raises(ModelError, match="unsupported together with you"):
            await model.complete(REQUEST)
        assert len(endpoint.requests) == 2  # with both, and without
        await model.aclose()


async def test_a_server_that_streams_where_nobody_asked_is_understood():
    body = events(delta("SELECT 1"), "[DONE]")
    with answering(lambda request: (200, body, "text/event-stream")) as endpoint:
        model = endpoint.model()
        assert (await model.complete(REQUEST)).text == "SELECT 1"
        await model.aclose()
