"""Any model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import os
import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlbench.exceptions import ConfigError, ModelSetupError
from sqlbench.models.base import Completion, ModelError, ModelRequest, Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

HUGGING_FACE_ROUTER = "https://router.huggingface.co/v1"
OPENAI_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "Qwen/Qwen2.5-72B-Instruct"
MAX_COMPLETION_TOKENS = 1024
TIMEOUT_SECONDS = 120.0
_HUGGING_FACE_HOSTS = ("huggingface.co", "huggingface.cloud")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to call, and the key that was set for that host."""

    base_url: str
    key: str


def find_endpoint(environ: Mapping[str, str]) -> Endpoint:
    """Find the endpoint and its key in the environment's variables.

    ``OPENAI_BASE_URL`` goes with ``OPENAI_API_KEY``; ``API_BASE_URL`` (by default the Hugging Face
    router) with ``HF_TOKEN`` on Hugging Face's hosts and with ``API_KEY`` elsewhere. A key is sent
    to no other host than the one that it was set for. An endpoint on this machine needs no key.

    Raises
    ------
    ModelSetupError
        If the key is missing, an address is malformed, or two different ones are set.
    """
    openai_url, api_url = environ.get("OPENAI_BASE_URL"), environ.get("API_BASE_URL")
    if openai_url and api_url and openai_url != api_url:
        raise ModelSetupError(
            f"Both OPENAI_BASE_URL ({openai_url}) and API_BASE_URL ({api_url}) are set; unset one."
        )
    if openai_url:
        url, variable = openai_url, "OPENAI_API_KEY"
    elif api_url:
        url, variable = api_url, "HF_TOKEN" if _on_hugging_face(api_url) else "API_KEY"
    elif environ.get("OPENAI_API_KEY") and not environ.get("HF_TOKEN"):
        url, variable = OPENAI_URL, "OPENAI_API_KEY"
    else:
        url, variable = HUGGING_FACE_ROUTER, "HF_TOKEN"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ModelSetupError(f"The endpoint {url!r} is no http(s) address.")
    key = environ.get(variable, "")
    if not key:
        if parts.hostname not in _LOOPBACK:
            raise ModelSetupError(
                f"The model needs a key for {parts.hostname}: set {variable}"
                + (
                    ", or OPENAI_BASE_URL and OPENAI_API_KEY for another endpoint."
                    if variable == "HF_TOKEN"
                    else "."
                )
            )
        key = "none"
    return Endpoint(url, key)


def _on_hugging_face(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return any(host == h or host.endswith(f".{h}") for h in _HUGGING_FACE_HOSTS)


class OpenAIModel:
    """A chat model behind an OpenAI-compatible endpoint; one client a process.

    Parameters
    ----------
    name : str or None
        The model's name at the endpoint; None reads ``MODEL_NAME``, by default
        ``Qwen/Qwen2.5-72B-Instruct``. ``NAME?max_tokens=N`` limits the length of an answer.
    environ : mapping of str to str or None
        Where addresses, keys and ``MODEL_TIMEOUT`` (seconds) are read; None takes the process's
        environment.

    Raises
    ------
    ModelSetupError
        If the key is missing or an address is malformed.
    ConfigError
        If a parameter or the timeout has the wrong form.
    """

    simulated = False
    fingerprint = ""

    def __init__(self, name: str | None = None, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self.endpoint = find_endpoint(environ)
        # The limit shapes results, so it stands in the spec; the timeout is the machine's affair.
        name, _, query = (name or "").partition("?")
        self.name = name or environ.get("MODEL_NAME") or DEFAULT_MODEL
        self.spec = f"openai:{self.name}" + (f"?{query}" if query else "")
        self.max_tokens = _max_tokens(self.spec, query)
        self.timeout = _timeout(environ.get("MODEL_TIMEOUT"))
        self._client: AsyncOpenAI | None = None

    async def complete(self, request: ModelRequest) -> Completion:
        """Answer a request."""
        started = time.perf_counter()
        try:
            answer = await self._open().chat.completions.create(**self._arguments(request))
        except Exception as error:
            raise self._explained(error) from error
        if isinstance(answer, str):  # what the client makes of a body that is not JSON
            raise self._not_the_api(answer)
        if not getattr(answer, "choices", None):
            raise ModelError(f"The endpoint {self.endpoint.base_url} gave no choice.", "empty")
        choice = answer.choices[0]
        return self._completion(
            choice.message.content or "",
            choice.message.refusal,
            choice.finish_reason,
            answer.usage,
            started,
        )

    async def stream(self, request: ModelRequest) -> AsyncIterator[str | Completion]:
        """Yield the answer's pieces as they come, then the `Completion`."""
        started = time.perf_counter()
        pieces: list[str] = []
        refusal, finish_reason, usage = "", None, None
        try:
            chunks = await self._open().chat.completions.create(
                **self._arguments(request), stream=True, stream_options={"include_usage": True}
            )
            if "event-stream" not in chunks.response.headers.get("content-type", ""):
                raise self._not_the_api((await chunks.response.aread()).decode(errors="replace"))
            async for chunk in chunks:
                usage = chunk.usage or usage
                for choice in chunk.choices[:1]:
                    refusal += choice.delta.refusal or ""
                    finish_reason = choice.finish_reason or finish_reason
                    if choice.delta.content:
                        pieces.append(choice.delta.content)
                        yield choice.delta.content
        except Exception as error:
            raise self._explained(error) from error
        if finish_reason is None:
            raise ModelError("The endpoint broke off its answer.", "connection")
        yield self._completion("".join(pieces), refusal, finish_reason, usage, started)

    async def aclose(self) -> None:
        """Close the client's connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _open(self) -> AsyncOpenAI:
        if self._client is None:
            from openai import AsyncOpenAI

            self._client = AsyncOpenAI(
                base_url=self.endpoint.base_url, api_key=self.endpoint.key, timeout=self.timeout
            )
        return self._client

    def _arguments(self, request: ModelRequest) -> dict[str, Any]:
        return {
            "model": self.name,
            "messages": list(request.messages),
            "temperature": request.temperature,
            "seed": request.seed,
            "max_tokens": self.max_tokens,
        }

    def _completion(
        self, text: str, refusal: str | None, finish_reason: str | None, usage: Any, started: float
    ) -> Completion:
        if refusal or finish_reason == "content_filter":
            raise ModelError(f"The model refused: {refusal or 'content filter'}.", "refused")
        if not text.strip():
            raise ModelError(f"The model gave an empty answer ({finish_reason}).", "empty")
        return Completion(
            text=text,
            usage=Usage(usage.prompt_tokens, usage.completion_tokens) if usage else Usage(),
            latency=time.perf_counter() - started,
            finish_reason=finish_reason or "stop",
        )

    def _explained(self, error: Exception) -> ModelError:
        """Turn what the client raised into one sentence and a kind."""
        import openai

        where = f"{self.endpoint.base_url} (model {self.name})"
        if isinstance(error, ModelError):
            return error
        if isinstance(error, openai.APITimeoutError):
            return ModelError(f"{where} did not answer in {self.timeout:g} s.", "timeout")
        if isinstance(error, openai.APIConnectionError):
            reason = str(error.__cause__ or error).rstrip(".")
            return ModelError(f"{where} cannot be reached: {reason}.", "connection")
        if isinstance(error, openai.APIStatusError):
            kind = {429: "rate_limit", 408: "timeout", 409: "server"}.get(error.status_code)
            kind = kind or ("setup" if error.status_code < 500 else "server")
            if "context" in f"{error.code} {error.type}":
                kind = "refused"  # this prompt is too long; the next one need not be
            # The client knows no message where the body is not the API's.
            message = _short(error.body if isinstance(error.body, str) else str(error.message))
            return ModelError(f"{where} answered {error.status_code}: {message}", kind)
        return ModelError(
            f"{where} gave an answer that is not the API's: {type(error).__name__}: {error}",
            "server",
        )

    def _not_the_api(self, body: str) -> ModelError:
        return ModelError(
            f"{self.endpoint.base_url} answered with {_short(body) or 'nothing'}, which is not the "
            "API's JSON; check the base URL (it often ends in /v1).",
            "setup",
        )


def _short(text: str) -> str:
    text = " ".join(text.split())
    if re.match(r"<(!doctype|html)", text, re.IGNORECASE):
        title = re.search(r"<title>\s*(.*?)\s*</title>", text, re.IGNORECASE)
        return "an HTML page" + (f" ({title[1][:80]})" if title else "")
    return text[:300]


def _max_tokens(spec: str, query: str) -> int:
    key, _, value = query.partition("=")
    if not query:
        return MAX_COMPLETION_TOKENS
    if key != "max_tokens":
        raise ConfigError(f"The model {spec!r} may have one parameter, max_tokens=N, not {key!r}.")
    if not value.isdigit() or not int(value):
        raise ConfigError(f"max_tokens of the model {spec!r} is a number from 1, not {value!r}.")
    return int(value)


def _timeout(text: str | None) -> float:
    try:
        seconds = float(text) if text else TIMEOUT_SECONDS
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"MODEL_TIMEOUT is a number of seconds above 0, not {text!r}.")
    return seconds
