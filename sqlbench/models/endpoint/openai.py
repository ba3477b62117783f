"""Any model behind an OpenAI-compatible endpoint: one call, whatever comes back.

The answer is read as bytes and checked here, because an endpoint may send anything: half an
answer, an error page, JSON of another shape, or no end. When a call is worth repeating is said
by `ModelError.transient`; repeating it is `sqlbench.models.calling.calling`'s affair.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlbench.episodes.repair import Message
from sqlbench.exceptions import ConfigError
from sqlbench.models.base import MAX_COMPLETION_TOKENS, Completion, ModelError, ModelRequest
from sqlbench.models.calling.options import Calling
from sqlbench.models.calling.pacing import Turns
from sqlbench.models.endpoint.answers import first_choice, shorten, text_of, thought_of, usage_of
from sqlbench.models.endpoint.call_errors import EndlessError, LateError, explain, retry_after
from sqlbench.models.endpoint.endpoint import Endpoint, find_endpoint
from sqlbench.models.endpoint.reasoning import SpokenPieces, split_reasoning

if TYPE_CHECKING:
    from openai import AsyncOpenAI

DEFAULT_MODEL = "Qwen/Qwen2.5-72B-Instruct"
MAX_ANSWER_BYTES = 4 * 2**20

__all__ = [
    "DEFAULT_MODEL",
    "Endpoint",
    "OpenAIModel",
    "find_endpoint",
    "retry_after",
]


class OpenAIModel:
    """A chat model behind an OpenAI-compatible endpoint; one client a process.

    Parameters
    ----------
    name : str or None
        The model's name at the endpoint; None reads ``MODEL_NAME``, by default
        ``Qwen/Qwen2.5-72B-Instruct``. ``NAME?max_tokens=N`` limits the length of an answer.
    environ : mapping of str to str or None
        Where addresses, keys and ``MODEL_TIMEOUT`` (seconds, in place of the time limits on the
        answer and its first token) are read; None takes the process's environment.
    calling : Calling or None
        Time limits, whether `complete` streams, and whether there is any calling (``replay``
        needs no key).

    Raises
    ------
    ModelSetupError
        If the key is missing or an address is malformed.
    """

    simulated = False
    fingerprint = ""

    def __init__(
        self,
        name: str | None = None,
        environ: Mapping[str, str] | None = None,
        calling: Calling | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        self.calling = calling or Calling()
        if limit := environ.get("MODEL_TIMEOUT"):
            seconds = _timeout(limit)
            self.calling = replace(
                self.calling, answer_seconds=seconds, first_token_seconds=seconds
            )
        self.endpoint = find_endpoint(environ, offline=self.calling.offline)
        # The limit shapes results, so it stands in the spec; the timeout is the machine's affair.
        name, _, query = (name or "").partition("?")
        self.name = name or environ.get("MODEL_NAME") or DEFAULT_MODEL
        self.spec = f"openai:{self.name}" + (f"?{query}" if query else "")
        self.max_tokens = _max_tokens(self.spec, query)
        self._opening: asyncio.Future[AsyncOpenAI] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def address(self) -> str:
        """The endpoint's URL: calls there cost money."""
        return self.endpoint.base_url

    def sent(self, request: ModelRequest) -> dict[str, Any]:
        """Return what the endpoint is sent: all that an answer can depend on."""
        return {
            "model": self.name,
            "messages": [_sendable(message) for message in request.messages],
            "temperature": request.temperature,
            "seed": request.seed,
            "max_tokens": self.max_tokens,
        }

    async def complete(self, request: ModelRequest) -> Completion:
        """Answer a request."""
        if self.calling.stream:
            completion = None
            async for piece in self.stream(request):
                completion = piece
            assert isinstance(completion, Completion)
            return completion
        started = time.perf_counter()
        try:
            client = await self._open()
            async with (
                asyncio.timeout(self.calling.answer_seconds),
                self._post(client, request) as response,
            ):
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > MAX_ANSWER_BYTES:
                        raise EndlessError
        except Exception as error:
            raise self._explained(error) from error
        answer = self._parsed(body)
        choice = first_choice(answer.get("choices"))
        message = choice.get("message") if choice else None
        if not choice or not isinstance(message, dict):
            raise ModelError(f"{self._where} gave no choice.", "empty", transient=True)
        return self._completion(
            text_of(message.get("content")),
            thought_of(message),
            message.get("refusal"),
            choice.get("finish_reason"),
            answer.get("usage"),
            started,
        )

    async def stream(self, request: ModelRequest) -> AsyncIterator[str | Completion]:
        """Yield the answer's pieces as they come, then the `Completion`."""
        started = time.perf_counter()
        text, thought, refusal = "", "", ""
        finish_reason, usage = None, None
        spoken = SpokenPieces()
        async with AsyncExitStack() as stack:
            try:
                events = await self._events(request, stack, started)
                async for event in _until(events, started, self.calling):
                    usage = event.get("usage") or usage
                    choice = first_choice(event.get("choices"))
                    if choice is None:
                        continue
                    finish_reason = choice.get("finish_reason") or finish_reason
                    delta = choice.get("delta")
                    delta = delta if isinstance(delta, dict) else {}
                    refusal += text_of(delta.get("refusal"))
                    thought += thought_of(delta)
                    piece = text_of(delta.get("content"))
                    text += piece
                    if shown := spoken.feed(piece):
                        yield shown
            except Exception as error:
                raise self._explained(error) from error
        if finish_reason is None:
            raise ModelError(f"{self._where} broke off its answer.", "broken", transient=True)
        if shown := spoken.end():
            yield shown
        yield self._completion(text, thought, refusal, finish_reason, usage, started)

    async def aclose(self) -> None:
        """Close the client's connections."""
        if self._opening is not None and self._loop is asyncio.get_running_loop():
            await self._opening
            await self._client.aclose()
        self._opening = None

    @property
    def _where(self) -> str:
        return f"{self.endpoint.base_url} (model {self.name})"

    @asynccontextmanager
    async def _post(
        self, client: AsyncOpenAI, request: ModelRequest, **more: Any
    ) -> AsyncIterator[Any]:
        """Send a request, and yield the response (httpx) before any of its body is read."""
        from openai import AsyncStream

        # Not by `chat.completions.create`: it walks through the whole body first, for its types.
        answer = await client.post(
            "/chat/completions",
            body=self.sent(request) | more,
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
        )
        try:
            yield answer.response
        finally:
            await answer.response.aclose()

    async def _open(self) -> AsyncOpenAI:
        """Return the client of the running loop."""
        if self.calling.offline:
            raise ModelError(f"{self._where} was to be called, and calls are off.", "setup")
        loop = asyncio.get_running_loop()
        if self._opening is None or self._loop is not loop:
            # Connections belong to their loop: another loop (a second asyncio.run) needs others.
            self._loop, self._client, self._turns = loop, self._open_client(), Turns()
            self._opening = asyncio.ensure_future(anext(self._client))
        client = await asyncio.shield(self._opening)
        await self._turns.take()  # to put a request together takes most of a millisecond
        return client

    async def _open_client(self) -> AsyncGenerator[AsyncOpenAI, None]:
        """Yield a client, and close it with this generator; at the latest its loop does that."""
        # Made in a thread: its import and its certificates take a while.
        client = await asyncio.to_thread(self._make_client)
        try:
            yield client
        finally:
            await client.close()

    def _make_client(self) -> AsyncOpenAI:
        import openai

        limits = openai.Timeout(self.calling.answer_seconds, connect=self.calling.connect_seconds)
        return openai.AsyncOpenAI(
            base_url=self.endpoint.base_url,
            api_key=self.endpoint.key,
            timeout=limits,
            max_retries=0,
            # Half the processor time a call that httpx's own connections take.
            http_client=openai.DefaultAioHttpClient(timeout=limits),
        )

    async def _events(
        self, request: ModelRequest, stack: AsyncExitStack, started: float
    ) -> AsyncIterator[dict[str, Any]]:
        """Begin a streamed answer, and return its events."""
        client = await self._open()
        limit = min(self.calling.first_token_seconds, self.calling.answer_seconds)
        async with _no_later(limit, limit):
            response = await stack.enter_async_context(
                self._post(client, request, stream=True, stream_options={"include_usage": True})
            )

        async def events() -> AsyncIterator[dict[str, Any]]:
            size = 0
            kind = response.headers.get("content-type", "")
            if "event-stream" not in kind:  # an answer that is no stream: it says why
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > MAX_ANSWER_BYTES:
                        raise EndlessError
                self._parsed(body)
                raise ModelError(f"{self._where} did not stream.", "not_api", transient=True)
            async for line in response.aiter_lines():
                size += len(line)
                if size > MAX_ANSWER_BYTES:
                    raise EndlessError
                if not line.startswith("data:"):
                    continue
                data = line.removeprefix("data:").strip()
                if data == "[DONE]":
                    return
                yield self._parsed(data.encode())

        return events()

    def _parsed(self, body: bytes | bytearray) -> dict[str, Any]:
        try:
            value = json.loads(body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            shown = shorten(bytes(body).decode("utf-8", "replace")) or "nothing"
            raise ModelError(
                f"{self._where} answered with {shown}, which is not the API's JSON; check the base "
                "URL (it often ends in /v1).",
                "not_api",
                transient=True,
            )
        if value.get("error"):
            message = " ".join(str(value["error"]).split())[:300]
            raise ModelError(f"{self._where} failed: {message}", "server", transient=True)
        return value

    def _completion(
        self,
        text: str,
        thought: str,
        refusal: Any,
        finish_reason: Any,
        usage: Any,
        started: float,
    ) -> Completion:
        if refusal or finish_reason == "content_filter":
            reason = refusal or "content filter"
            raise ModelError(f"The model refused: {reason}.", "refused", usage=usage_of(usage))
        answer, aloud = split_reasoning(text)
        if not answer.strip():
            text = f"The model gave an empty answer ({finish_reason})."
            raise ModelError(text, "empty", usage=usage_of(usage))
        return Completion(
            text=answer,
            usage=usage_of(usage),
            latency=time.perf_counter() - started,
            finish_reason=str(finish_reason or "stop"),
            reasoning="\n\n".join(t for t in (thought.strip(), aloud) if t),
        )

    def _explained(self, error: Exception) -> ModelError:
        return explain(error, self._where, self.calling.answer_seconds)


@asynccontextmanager
async def _no_later(seconds: float, limit: float) -> AsyncIterator[None]:
    """Give so many seconds, the last of a limit."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            yield
    except TimeoutError:
        raise LateError(limit) from None


async def _until(
    events: AsyncIterator[dict[str, Any]], started: float, calling: Calling
) -> AsyncIterator[dict[str, Any]]:
    """Pass events on, within the time limits. No limit runs while the consumer is at work."""
    limit = min(calling.first_token_seconds, calling.answer_seconds)
    while True:
        async with _no_later(started + limit - time.perf_counter(), limit):
            try:
                event = await anext(events)
            except StopAsyncIteration:
                return
        limit = calling.answer_seconds
        yield event


def _sendable(message: Message) -> Message:
    """Return a message that UTF-8 can carry: "?" stands for half a character in a quoted answer."""
    text = message["content"]
    if text.isascii():
        return message
    return {"role": message["role"], "content": text.encode("utf-8", "replace").decode("utf-8")}


def _max_tokens(spec: str, query: str) -> int:
    key, _, value = query.partition("=")
    if not query:
        return MAX_COMPLETION_TOKENS
    if key != "max_tokens":
        raise ConfigError(f"The model {spec!r} may have one parameter, max_tokens=N, not {key!r}.")
    if not value.isdigit() or not int(value):
        raise ConfigError(f"max_tokens of the model {spec!r} is a number from 1, not {value!r}.")
    return int(value)


def _timeout(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"MODEL_TIMEOUT is a number of seconds above 0, not {text!r}.")
    return seconds
