"""An answer's body as the values that it holds: one JSON object, or the events of a stream.

Both come in answer to either request: servers that do not stream, and some that always do. Events
are split by the client library's own decoder, as their specification says: on bytes, at CR and LF,
always UTF-8.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

from sqlbench.models.base import ModelError
from sqlbench.models.endpoint.answers import shorten
from sqlbench.models.endpoint.call_errors import EndlessError, refused
from sqlbench.models.endpoint.reasons import error_in

MAX_ANSWER_BYTES = 4 * 2**20
# A stream whose server calls it something else begins with one of these all the same.
_BEGINNINGS = (b"data:", b"event:", b"id:", b"retry:", b":")


class Response(Protocol):
    """What is read of the client library's response."""

    @property
    def headers(self) -> Any:
        """The headers, by name in any case."""
        ...

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an answer.

    Attributes
    ----------
    value : dict
        The whole object, or an event's.
    last : bool
        Whether nothing is missing after it: the body was one object, or the stream said so.
    """

    value: dict[str, Any]
    last: bool = False


async def parts_of(response: Response, where: str) -> AsyncGenerator[Part, None]:
    """Yield the parts of an answer as they come.

    Parameters
    ----------
    response : Response
        Its status was one of success.
    where : str
        The endpoint and the model, for a sentence.

    Raises
    ------
    ModelError
        If it says that something failed, or is no answer at all.
    EndlessError
        If it is longer than any answer is.
    """
    body = _capped(response.aiter_bytes())
    if "event-stream" not in response.headers.get("content-type", "").lower():
        whole = b"".join([chunk async for chunk in body])
        if not whole.removeprefix(codecs.BOM_UTF8).lstrip().startswith(_BEGINNINGS):
            yield Part(_checked(_parsed(whole, where), where), last=True)
            return
        body = _once(whole)
    begun = False
    async for name, data in _events(body):
        if data.strip() == "[DONE]":
            yield Part({}, last=True)
            return
        if not data.strip():
            continue
        try:
            value = json.loads(data)
        except ValueError:
            if name == "error":
                raise refused(where, data) from None
            if begun:
                text = f"{where} broke off its answer in the middle of an event."
                raise ModelError(text, "broken", transient=True) from None
            value = _parsed(data.encode("utf-8", "replace"), where)  # says what it is instead
        if name == "error":
            raise refused(where, value)
        if value:  # an empty one keeps the connection alive
            if not isinstance(value, dict):
                value = _parsed(data.encode("utf-8", "replace"), where)
            begun = True
            yield Part(_checked(value, where))


def _parsed(body: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(body.removeprefix(codecs.BOM_UTF8))
    except ValueError:
        value = None
    if isinstance(value, list) and len(value) == 1:  # so some gateways wrap an error
        value = value[0]
    if not isinstance(value, dict):
        shown = shorten(body.decode("utf-8", "replace")) or "nothing"
        raise ModelError(
            f"{where} answered with {shown}, which is not the API's JSON; check the base URL (it "
            "often ends in /v1).",
            "not_api",
            transient=True,
        )
    return value


def _checked(value: dict[str, Any], where: str) -> dict[str, Any]:
    if (error := error_in(value)) is not None:
        raise refused(where, error)
    return value


async def _capped(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise EndlessError
        yield chunk


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _events(body: AsyncIterator[bytes]) -> AsyncIterator[tuple[str | None, str]]:
    """Yield each event's name and data."""
    from openai._streaming import SSEDecoder  # it has no public door that reads any JSON

    async def clean() -> AsyncIterator[bytes]:
        # The specification's UTF-8: a mark at the beginning is none of it, a broken byte is "�".
        decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        async for chunk in body:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
        yield b"\n\n"  # some servers hang up after the last event without its empty line

    async for event in SSEDecoder().aiter_bytes(clean()):
        yield event.event, event.data
