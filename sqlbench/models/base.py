"""The contract of a language model: messages go in, text and usage come out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypedDict

from sqlbench.context import Context


class Message(TypedDict):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as the endpoint counts them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


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
    """

    text: str
    usage: Usage
    latency: float = 0.0
    finish_reason: str = "stop"


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
        ``"timeout"``, ``"rate_limit"``, ``"connection"``, ``"refused"``, ``"empty"``, ``"server"``
        or ``"setup"`` (no later call can succeed: stop the run).
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind


class ChatModel(Protocol):
    """A language model behind one async door.

    `complete` and `stream` answer the same request with the same text. Both raise `ModelError`
    when there is no usable answer, and nothing else for a call that failed. `stream` yields
    pieces of text and, last, the whole `Completion`. `simulated` is True for a model that is not
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
