"""What went wrong with a call to an endpoint: one sentence, a kind, and whether to try again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from sqlbench.models.base import ModelError, Usage
from sqlbench.models.endpoint.reasons import (
    is_filtered,
    is_too_long,
    reason_of,
    status_of,
    words_of,
)

# What no later call will change: no key, no permission, no money, no such model.
_SETUP = (401, 402, 403, 404)
_TRANSIENT = (408, 409, 425, 429)


class EndlessError(Exception):
    """Raised when an answer is longer than any answer is."""


class LateError(TimeoutError):
    """Raised when a limit passed; its seconds are the argument."""


def explain(error: Exception, where: str, limit: float) -> ModelError:
    """Turn what a client raised into a `ModelError`.

    Parameters
    ----------
    error : Exception
        What was raised.
    where : str
        The endpoint and the model, for the sentence.
    limit : float
        The time limit on an answer, where the error does not say which one passed.
    """
    import openai
    from aiohttp import ClientConnectorError, ClientHttpProxyError, ConnectionTimeoutError

    unreachable = ClientConnectorError, ClientHttpProxyError, ConnectionTimeoutError
    if isinstance(error, ModelError):
        return error
    wire = _on_the_wire(error)
    if isinstance(wire, unreachable):
        text = f"{where} cannot be reached: {_reason(error)}."
        return ModelError(text, "connection", transient=True, usage=Usage())
    if isinstance(wire or error, openai.APITimeoutError | TimeoutError):
        late = error.args[0] if isinstance(error, LateError) else limit
        return ModelError(f"{where} did not answer in {late:g} s.", "timeout", transient=True)
    if isinstance(error, EndlessError):
        return ModelError(f"{where} gave an answer without end.", "server", transient=True)
    if isinstance(error, openai.APIStatusError):
        said = error.message if error.body is None else error.body
        return refused(where, said, int(error.status_code), error.response.headers)
    text = f"{where} broke off its answer: {type(error).__name__}: {_reason(error)}."
    return ModelError(text, "broken", transient=True)


def refused(
    where: str,
    value: Any,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    usage: Usage | None = None,
) -> ModelError:
    """Explain what a server says went wrong: with an error status, or in an answer or an event.

    Parameters
    ----------
    where : str
        The endpoint and the model, for the sentence.
    value : object
        The error, of any shape.
    status : int or None
        The answer's status; None where it was one of success, and the error says what it is.
    headers : mapping of str to str or None
        The answer's.
    usage : Usage or None
        What the call used all the same; None if nobody knows.
    """
    words, reason = words_of(value), reason_of(value)
    if status is None:
        status, text = status_of(value) or 500, f"{where} failed: {reason}"
    else:
        text, usage = f"{where} answered {status}: {reason}", Usage()
    if status == 413 or (status in (400, 422, 500) and is_too_long(words)):
        # This prompt is too long; the next one need not be.
        return ModelError(text, "refused", usage=usage)
    if status == 429 and "request too large" in words.lower():  # larger than a whole minute's share
        return ModelError(text, "refused", usage=usage)
    if status in (400, 403, 451) and is_filtered(words):
        return ModelError(text, "refused", usage=usage)
    if status in _SETUP or "insufficient_quota" in words:
        return ModelError(text, "setup", usage=usage)
    if status in _TRANSIENT or status >= 500:
        kind = {429: "rate_limit", 503: "rate_limit", 408: "timeout"}.get(status, "server")
        wait = retry_after(headers or {})
        return ModelError(text, kind, transient=True, retry_after=wait, usage=usage)
    return ModelError(text, "bad_request", usage=usage)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an endpoint asks to wait: ``Retry-After`` in either form, or ms."""
    milliseconds, value = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        return None if value is None else max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value or "").timestamp() - time.time())
    except ValueError:
        return None


def _on_the_wire(error: BaseException | None) -> Exception | None:
    """Return what the connection itself raised.

    The layers above give a connection that was closed and one that was never made the same name.
    """
    from aiohttp import ClientError

    while error is not None and not isinstance(error, ClientError):
        error = error.__cause__
    return error


def _reason(error: Exception) -> str:
    return (str(error.__cause__ or error) or type(error).__name__).rstrip(".")
