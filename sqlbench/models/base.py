"""The contract of a language model: messages go in, text and usage come out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from sqlbench.episodes.context import Context
from sqlbench.episodes.repair import Message

MAX_COMPLETION_TOKENS = 1024  # of an answer, where nobody says otherwise


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as the endpoint counts them.

    Attributes
    ----------
    prompt_tokens, completion_tokens : int
        What went in and what came out.
    cached_tokens, reasoning_tokens : int
        The part of the prompt that the provider had in its cache, and the part of the completion
        that was thought and not said.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer.

    Attributes
    ----------
    text : str
        As the model gave it; `sqlbench.models.extract.extract_sql` takes the statement out.
    usage : Usage
        Tokens of the call.
    latency : float
        Wall-clock seconds, for `timings.jsonl` only.
    finish_reason : str
        ``"stop"``, ``"length"``, …
    reasoning : str
        What the model thought before it answered; kept apart from the text, and never run.
    sql : str or None
        The statement, from a model that knows it apart from the text (simulated, predictions):
        what it says is run as it is, however broken. None where it must be taken out of the text.
    """

    text: str
    usage: Usage
    latency: float = 0.0
    finish_reason: str = "stop"
    reasoning: str = ""
    sql: str | None = None

    @property
    def cut(self) -> bool:
        """Whether the limit on its length cut it off."""
        return self.finish_reason == "length"


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What a model is asked, and the facts about the attempt that a simulator needs.

    Attributes
    ----------
    messages : tuple of Message
        The conversation.
    question_id : str
        The question that is asked.
    repeat : int
        How often the experiment asked this question before.
    attempt : int
        1 for the first answer.
    action : str
        ``"generate"`` or the repair action that the messages carry out.
    seed : int
        For this very call: a function of experiment seed, question, repeat and attempt.
    temperature : float
        Sampling temperature.
    context : Context or None
        What the policy saw; None for `generate`.
    failing_sql : str or None
        The query that is to be repaired; None for `generate`.
    progress : float
        The share of the experiment that lies before this episode, in [0, 1).
    """

    messages: tuple[Message, ...]
    question_id: str
    repeat: int
    attempt: int
    action: str
    seed: int
    temperature: float = 0.1
    context: Context | None = None
    failing_sql: str | None = None
    progress: float = 0.0


class ModelError(Exception):
    """A model gave no usable answer: recorded as `model_error`, never scored as wrong SQL.

    Parameters
    ----------
    message : str
        What went wrong, in one sentence.
    kind : str
        ``"timeout"``, ``"rate_limit"``, ``"connection"`` (it cannot be reached), ``"broken"`` (the
        answer broke off), ``"refused"``, ``"empty"``, ``"server"``, ``"not_api"`` (something else
        answers there), ``"bad_request"`` (the endpoint will not take this request) or ``"setup"``
        (no later call can succeed: stop the run).
    transient : bool
        Whether the same request may succeed if it is sent again.
    retry_after : float or None
        How many seconds the endpoint asks to wait before that.
    usage : Usage or None
        What the failed call used all the same; None if nobody knows.
    """

    def __init__(
        self,
        message: str,
        kind: str,
        *,
        transient: bool = False,
        retry_after: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.transient = transient
        self.retry_after = retry_after
        self.usage = usage


class Restart(str):
    """An empty piece of a stream: the answer broke off and begins anew, forget what came before."""

    __slots__ = ()


class ChatModel(Protocol):
    """A language model behind one async door.

    `complete` and `stream` answer the same request with the same text. Both raise `ModelError`
    when there is no usable answer, and nothing else for a call that failed. `stream` yields
    pieces of text and, last, the whole `Completion`; a `Restart` among them takes back the pieces
    before it. `simulated` is True for a model that is not
    real: everything that it feeds is labelled so. `fingerprint` is a hash of what its answers
    depend on beside its name (a profile, a file of predictions), empty where there is nothing.
    """

    spec: str
    simulated: bool
    fingerprint: str

    async def complete(self, request: ModelRequest) -> Completion:
        """Answer a request."""
        ...

    def stream(self, request: ModelRequest) -> AsyncIterator[str | Completion]:
        """Yield the answer's pieces as they come, then the `Completion`."""
        ...

    async def aclose(self) -> None:
        """Free the connections."""
        ...
