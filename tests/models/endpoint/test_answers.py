"""Answers as servers really give them: one text, whatever shape it came in; or one model error."""

from __future__ import annotations

import json

import pytest
from answering import REQUEST, answering, delta, events, whole

from sqlbench.models import Completion, ModelError

SSE = "text/event-stream"
SQL = "SELECT 1"
THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "A one."}], "closed": True}


async def ask(reply, *, streamed: bool) -> tuple[Completion, str]:
    """Return the answer and what a reader of the stream saw; raises what the model raised."""
    with answering(lambda request: reply) as endpoint:
        model, shown = endpoint.model(), ""
        try:
            if not streamed:
                return await model.complete(REQUEST), ""
            async for piece in model.stream(REQUEST):
                if isinstance(piece, Completion):
                    return piece, shown
                shown += piece
            raise AssertionError("a stream without a completion")
        finally:
            await model.aclose()


WHOLE = {
    "text": (whole(SQL), ""),
    "parts": (whole([THINKING, {"type": "text", "text": SQL}]), "A one."),
    "parts of text alone": (whole(["SELECT", {"type": "output_text", "text": " 1"}]), ""),
    "one part": (whole({"type": "text", "text": {"value": SQL}}), ""),
    "reasoning apart": (whole(SQL, reasoning_content="A one."), "A one."),
    "reasoning in details": (
        whole(SQL, reasoning_details=[{"type": "reasoning.text", "text": "A one."}]),
        "A one.",
    ),
    "no reason": (whole(SQL, None), ""),
    "an empty error beside it": (whole(SQL) | {"error": {"code": 0, "message": ""}}, ""),
    "an old completion": ({"choices": [{"text": SQL, "finish_reason": "stop"}]}, ""),
}


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", WHOLE)
async def test_an_answer_in_one_piece(name, streamed):
    value, thought = WHOLE[name]
    completion, shown = await ask((200, value), streamed=streamed)
    assert (completion.text, completion.reasoning) == (SQL, thought)
    assert completion.finish_reason == "stop" and shown in (SQL, "" if not streamed else SQL)


LINES = "SELECT '\u2028\u2029\x85\x0b\x0c'"  # what str.splitlines takes for ends of lines
STREAMS = {
    "as documented": events(delta("SELECT"), delta(" 1"), delta(reason="stop"), "[DONE]"),
    "no reason but [DONE]": events(delta(SQL), "[DONE]"),
    "no [DONE]": events(delta(SQL, "stop")),
    "no empty line at the end": events(delta(SQL), "[DONE]").rstrip(),
    "parts": events(delta([THINKING]), delta([{"type": "text", "text": SQL}], "stop")),
    "carriage returns": events(delta(SQL), "[DONE]", end="\r\r"),
    "both": events(delta(SQL), "[DONE]", end="\r\n\r\n"),
    "no space": events(delta(SQL), "[DONE]").replace(b"data: ", b"data:"),
    "two lines": events(delta(SQL), "[DONE]").replace(b'"delta": ', b'"delta":\ndata: '),
    "a mark of the byte order": b"\xef\xbb\xbf" + events(delta(SQL), "[DONE]"),
    "comments": b": PROCESSING\n\n" + events(delta(SQL)) + b":\n\n" + events("[DONE]"),
    "odd events": events(
        {"choices": [], "prompt_filter_results": []},
        {"choices": None},
        {"type": "ping"},
        "",
        "null",
        '""',
        {"choices": [{"delta": None}]},
        {"choices": [{"finish_reason": ""}]},
        delta(SQL, "null"),
        {"choices": [{"index": 0, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": None}},
        "[DONE]",
    ),
    "the whole of it last": events(delta(SQL), whole(SQL)),
    "only the whole of it": events(whole(SQL), "[DONE]"),
}


@pytest.mark.parametrize("kind", [SSE, "Text/Event-Stream; charset=latin-1", "text/plain"])
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", STREAMS)
async def test_an_answer_in_pieces(name, streamed, kind):
    completion, shown = await ask((200, STREAMS[name], kind), streamed=streamed)
    assert completion.text == SQL and shown in ("", SQL)


@pytest.mark.parametrize("charset", ["", "; charset=ascii", "; charset=utf-16"])
async def test_a_stream_is_utf8_and_ends_its_lines_at_cr_and_lf_alone(charset):
    value = json.dumps(delta(LINES, "stop"), ensure_ascii=False)
    completion, shown = await ask((200, events(value, "[DONE]"), SSE + charset), streamed=True)
    assert completion.text == shown == LINES


async def test_a_broken_byte_in_a_stream_costs_a_character_and_no_more():
    body = events(delta(SQL), "[DONE]").replace(b"SELECT 1", b"SELECT '\xff'")
    completion, _ = await ask((200, body, SSE), streamed=True)
    assert completion.text == "SELECT '\N{REPLACEMENT CHARACTER}'"


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", "model_length"])
async def test_an_answer_that_was_cut_says_so_by_one_name(reason):
    completion, _ = await ask((200, whole("SELECT", reason)), streamed=False)
    assert completion.finish_reason == "length" and completion.cut


HALF = "SELECT COUNT(*) FROM"
BROKEN_CHOICE = {"finish_reason": "error", "error": {"code": 502, "message": "upstream idle"}}
FAILURES = {
    "a reason of its own": (whole(HALF, "error"), "server", "finish_reason is 'error'"),
    "another reason": (whole(HALF, "network_error"), "server", "network_error"),
    "an error in the choice": (
        {"choices": [whole(HALF)["choices"][0] | BROKEN_CHOICE]},
        "server",
        "upstream idle",
    ),
    "an error beside": (whole(HALF) | {"error": {"message": "it broke"}}, "server", "it broke"),
    "an error alone": ({"error": "out of memory"}, "server", "out of memory"),
    "overloaded": (
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        "rate_limit",
        "Overloaded",
    ),
    "vLLM's": ({"object": "error", "message": "engine died", "code": 500}, "server", "engine died"),
    "a detail": ({"detail": [{"loc": ["body", "n"], "msg": "is odd"}]}, "server", "n: is odd"),
    "errors": ({"errors": [{"message": "no"}, {"message": "never"}]}, "server", "no; never"),
    "a provider's own": (
        {"error": {"message": "Provider returned error", "code": 429,
                   "metadata": {"raw": '{"error": {"message": "slow down"}}'}}},
        "rate_limit",
        "Provider returned error (slow down)",
    ),
    "a list": ([{"error": {"code": 503, "message": "later"}}], "rate_limit", "later"),
    "too long": (
        {"error": {"code": 400, "message": "This model's maximum context length is 9 tokens."}},
        "refused",
        "maximum context length",
    ),
    "refused": (whole("", "content_filter"), "refused", "content filter"),
    "refused in words": (whole(None, refusal="I will not."), "refused", "I will not."),
    "refused in a part": (
        whole([{"type": "refusal", "refusal": "I will not."}]),
        "refused",
        "I will not.",
    ),
    "thought alone": (whole("", reasoning_content="Hm."), "empty", "only thought"),
    "thought aloud alone": (whole("<think>Hm.</think>"), "empty", "only thought"),
    "cut while it thought": (
        whole("", "length", reasoning_content="Hm."),
        "empty",
        "limit of 1024 tokens before it answered: raise it, for example openai:m?max_tokens=4096",
    ),
    "a call of a tool": (whole(None, "tool_calls", tool_calls=[{"id": "x"}]), "empty", "a tool"),
    "nothing": (whole(""), "empty", "empty answer"),
}  # fmt: skip


@pytest.mark.parametrize("streamed", ["no", "yes", "as an event", "after half an answer"])
@pytest.mark.parametrize("name", FAILURES)
async def test_an_answer_that_failed_is_a_model_error_with_the_servers_reason(name, streamed):
    value, kind, reason = FAILURES[name]
    reply = (200, value)
    if streamed in ("as an event", "after half an answer"):
        if kind == "empty" or isinstance(value, list):
            pytest.skip("not so in a stream")
        before = [delta(HALF)] if streamed == "after half an answer" else []
        reply = (200, events(*before, value, "[DONE]"), SSE)
    with pytest.raises(ModelError) as raised:
        await ask(reply, streamed=streamed != "no")
    assert raised.value.kind == kind and reason in raised.value.message
    assert raised.value.transient == (kind in ("server", "rate_limit"))


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        ("the engine died", "server", "the engine died"),
        ('{"message": "Overloaded", "type": "overloaded_error"}', "rate_limit", "Overloaded"),
        ('"in a text"', "server", "in a text"),
    ],
)
async def test_an_event_called_error_is_one_whatever_it_holds(data, kind, reason):
    body = events(delta(HALF)) + f"event: error\ndata: {data}\n\n".encode()
    with pytest.raises(ModelError) as raised:
        await ask((200, body, SSE), streamed=True)
    assert raised.value.kind == kind and reason in raised.value.message


@pytest.mark.parametrize("body", [events(delta(HALF)), events(delta(HALF), delta(SQL))[:-20]])
async def test_a_stream_that_just_ends_broke_off(body):
    with pytest.raises(ModelError, match="broke off") as raised:
        await ask((200, body, SSE), streamed=True)
    assert raised.value.kind == "broken" and raised.value.transient


TOO_LONG = [
    (400, {"error": {"message": "m", "code": "context_length_exceeded"}}),
    (400, {"object": "error", "message": "This model's maximum context length is 4096 tokens."}),
    (400, {"error": {"code": 400, "message": "m", "type": "exceed_context_size_error"}}),
    (400, {"error": {"message": "the request exceeds the available context size, try again"}}),
    (500, {"error": "input length exceeds the context length"}),
    (400, {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}),
    (413, {"type": "error", "error": {"type": "request_too_large", "message": "m"}}),
    (413, b"<html><head><title>413 Request Entity Too Large</title></head></html>"),
    (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000"}),
    (400, {"error": {"message": "The input token count (9) exceeds the maximum number of tokens"}}),
    (400, {"message": "Prompt contains 9 tokens and 0 draft tokens, too large for model with 8 "
                      "maximum context length", "code": "3051"}),
    (400, {"error": {"message": "This model's maximum prompt length is 8 but the request has 9"}}),
    (400, {"error": {"message": "Input is too long for requested model."}}),
    (400, {"error": {"message": "The input (9 tokens) is longer than the model's context length"}}),
    (400, {"error": {"message": "too many tokens: the prompt exceeds the limit of 4081"}}),
    (429, {"error": {"message": "Request too large for gpt on tokens per min (TPM): Limit 9."}}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), TOO_LONG)
async def test_a_prompt_that_is_too_long_is_one_model_error_in_any_words(status, body):
    with pytest.raises(ModelError) as raised:
        await ask((status, body), streamed=False)
    assert raised.value.kind == "refused" and not raised.value.transient
    assert f"answered {status}: " in raised.value.message


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"message": "Rate limit: tokens per minute exceeded"}}, "rate_limit"),
        (400, {"error": {"message": "max_tokens is too large: 9. It supports 8."}}, "bad_request"),
        (400, {"error": {"message": "Invalid 'temperature': above its maximum."}}, "bad_request"),
        (400, {"error": {"code": "content_filter", "message": "m"}}, "refused"),
        (403, {"error": {"message": "Your input was flagged by moderation."}}, "refused"),
        (401, {"error": {"message": "no key"}}, "setup"),
    ],
)
async def test_other_refusals_are_what_they_are(status, body, kind):
    with pytest.raises(ModelError) as raised:
        await ask((status, body), streamed=False)
    assert raised.value.kind == kind


async def test_a_refusal_of_many_parts_keeps_the_servers_reason():
    detail = [{"type": "extra_forbidden", "loc": ["body", "topic"], "msg": "Extra inputs are not "
               "permitted", "input": 1}]  # fmt: skip
    body = {"object": "error", "message": {"detail": detail}, "code": None}
    with pytest.raises(ModelError, match="answered 422: topic: Extra inputs are not permitted"):
        await ask((422, body), streamed=False)
