"""Any model behind an OpenAI-compatible endpoint: one call, whatever comes back.

The answer is read as bytes and checked here, because an endpoint may send anything: half an
answer, an error page, JSON of another shape, or no end. When a call is worth repeating is said
by `ModelError.transient`; repeating it is `sqlbench.models.calling.calling`'s affair.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlbench.episodes.repair import Message
from sqlbench.exceptions import ConfigError
from sqlbench.models.base import Completion, ModelError, ModelRequest, Usage
from sqlbench.models.calling.options import Calling
from sqlbench.models.calling.pacing import Turns
from sqlbench.models.endpoint.answers import Answer
from sqlbench.models.endpoint.call_errors import LateError, explain, retry_after
from sqlbench.models.endpoint.endpoint import Endpoint, find_endpoint
from sqlbench.models.endpoint.events import Part, Response, parts_of
from sqlbench.models.endpoint.parameters import Parameters
from sqlbench.models.endpoint.reasons import REFUSED
from sqlbench.models.reading.spoken import SpokenPieces
from sqlbench.models.reading.thoughts import split_thoughts

if TYPE_CHECKING:
    from openai import AsyncOpenAI

DEFAULT_MODEL = "Qwen/Qwen2.5-72B-Instruct"
# With these a server may refuse a parameter.
_REFUSALS = (400, 422, 500, 501)

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
        ``Qwen/Qwen2.5-72B-Instruct``. ``NAME?max_tokens=N`` limits the length of an answer, and
        ``NAME?omit=seed,temperature`` leaves out what a server refuses to be sent.
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
        # What shapes results stands in the spec; the timeout is the machine's affair.
        name, _, query = (name or "").partition("?")
        self.name = name or environ.get("MODEL_NAME") or DEFAULT_MODEL
        self.spec = f"openai:{self.name}" + (f"?{query}" if query else "")
        self.parameters = Parameters(
            self.spec, query, self.endpoint.base_url, budget=self.calling.budget is not None
        )
        self._opening: asyncio.Future[AsyncOpenAI] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def address(self) -> str:
        """The endpoint's URL: calls there cost money."""
        return self.endpoint.base_url

    @property
    def max_tokens(self) -> int:
        """The limit on an answer's length, in tokens."""
        return self.parameters.max_tokens

    def sent(self, request: ModelRequest) -> dict[str, Any]:
        """Return what the endpoint is asked: all that an answer can depend on.

        What its server refuses of it (`Parameters.learn`) is a fact about the server.
        """
        return {
            "model": self.name,
            "messages": [_sendable(message) for message in request.messages],
            **self.parameters.asked(request.temperature, request.seed),
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
        answer = Answer()
        try:
            client = await self._open()
            async with (
                asyncio.timeout(self.calling.answer_seconds),
                self._post(client, self.sent(request)) as response,
                aclosing(parts_of(response, self._where)) as parts,
            ):
                async for part in parts:
                    answer.feed(part.value)
                    answer.whole = answer.whole or part.last
        except Exception as error:
            raise self._explained(error, answer) from error
        return self._completion(answer, started)

    async def stream(self, request: ModelRequest) -> AsyncIterator[str | Completion]:
        """Yield the answer's pieces as they come, then the `Completion`.

        A server that does not stream gives the answer in one piece.
        """
        started = time.perf_counter()
        answer, spoken = Answer(), SpokenPieces()
        async with AsyncExitStack() as stack:
            try:
                parts = await self._begin(request, stack)
                async for part in _until(parts, started, self.calling):
                    answer.whole = answer.whole or part.last
                    if shown := spoken.feed(answer.feed(part.value)):
                        yield shown
            except Exception as error:
                raise self._explained(error, answer) from error
        completion = self._completion(answer, started)
        if shown := spoken.end():
            yield shown
        yield completion

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
    async def _post(self, client: AsyncOpenAI, asked: dict[str, Any]) -> AsyncIterator[Response]:
        """Send a request, and yield the response (httpx) before any of its body is read.

        What the server refuses of its parameters is renamed or left out, as it says.
        """
        from openai import APIStatusError, AsyncStream

        while True:
            sent = self.parameters.sent(asked)
            try:
                # Not by `chat.completions.create`: it walks through the whole body first, for its
                # types.
                answer = await client.post(
                    "/chat/completions",
                    body=sent,
                    cast_to=object,
                    stream=True,
                    stream_cls=AsyncStream[object],
                )
                break
            except APIStatusError as error:
                refusal = error.status_code in _REFUSALS
                if not refusal or not self.parameters.learn(error.body, asked, sent):
                    raise
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

    async def _begin(
        self, request: ModelRequest, stack: AsyncExitStack
    ) -> AsyncGenerator[Part, None]:
        """Begin a streamed answer, and return its parts."""
        client = await self._open()
        limit = min(self.calling.first_token_seconds, self.calling.answer_seconds)
        streamed = {"stream": True, "stream_options": {"include_usage": True}}
        async with _no_later(limit, limit):
            response = await stack.enter_async_context(
                self._post(client, self.sent(request) | streamed)
            )
        return await stack.enter_async_context(aclosing(parts_of(response, self._where)))

    def _completion(self, answer: Answer, started: float) -> Completion:
        """Return what an answer has come to.

        Raises
        ------
        ModelError
            If it broke off, was refused, or holds nothing.
        """
        reason, usage = answer.finish_reason, answer.usage
        if reason is None and not answer.whole:
            raise ModelError(f"{self._where} broke off its answer.", "broken", transient=True)
        if not answer.choice:
            raise ModelError(f"{self._where} gave no choice.", "empty", transient=True)
        if answer.refusal or reason in REFUSED:
            why = answer.refusal or f"{reason}".replace("_", " ")
            raise ModelError(f"The model refused: {why}.", "refused", usage=usage)
        text, aloud = split_thoughts(answer.text)
        thought = "\n\n".join(t for t in (answer.thought.strip(), aloud) if t)
        if not text.strip():
            raise ModelError(self._emptiness(answer, thought), "empty", usage=usage)
        return Completion(
            text=text,
            usage=usage,
            latency=time.perf_counter() - started,
            finish_reason=reason or "stop",
            reasoning=thought,
        )

    def _emptiness(self, answer: Answer, thought: str) -> str:
        """Say why there is no answer in an answer."""
        reason = answer.finish_reason
        if answer.called:
            return f"The model called a tool, and gave no answer ({reason})."
        if not thought and not answer.usage.reasoning_tokens:
            return f"The model gave an empty answer ({reason})."
        if reason != "length":
            return f"The model only thought, and gave no answer ({reason})."
        return (
            f"The model only thought, and was cut off at its limit of {self.max_tokens} tokens "
            f"before it answered: raise it, for example openai:{self.name}?max_tokens="
            f"{4 * self.max_tokens}."
        )

    def _explained(self, error: Exception, answer: Answer | None = None) -> ModelError:
        explained = explain(error, self._where, self.calling.answer_seconds)
        if explained.usage is None and answer is not None and answer.usage != Usage():
            explained.usage = answer.usage  # it broke off, and had said before what it used
        return explained


@asynccontextmanager
async def _no_later(seconds: float, limit: float) -> AsyncIterator[None]:
    """Give so many seconds, the last of a limit."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            yield
    except TimeoutError:
        raise LateError(limit) from None


async def _until(
    events: AsyncIterator[Part], started: float, calling: Calling
) -> AsyncIterator[Part]:
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


def _timeout(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"MODEL_TIMEOUT is a number of seconds above 0, not {text!r}.")
    return seconds
