"""One of several first answers to a question, drawn independently of the others."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from sqlbench.episodes.errors import ErrorClass

_CLOCKS = ("latency", "elapsed")


@dataclass(frozen=True, slots=True)
class Sample:
    """A first answer, and what came of it. The fields are those of `Step`.

    Attributes
    ----------
    sql : str
        What ran.
    success : bool
        Whether its result is right.
    error_class : ErrorClass or None
        How it failed; None on success.
    reason : str
        The verdict's reason.
    row_count : int or None
        Rows returned; None if it did not run.
    score : float
        The task score in [0, 1].
    reproducible : bool
        False if the clock or the memory limit stopped the query.
    prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens : int
        Of the model call.
    answer : str or None
        The model's answer where no SQL was found in it.
    latency, elapsed : float
        Wall-clock seconds of the call and of the query; in no record.
    """

    sql: str
    success: bool
    error_class: ErrorClass | None
    reason: str
    row_count: int | None
    score: float
    reproducible: bool = True
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    answer: str | None = None
    latency: float = field(default=0.0, compare=False)
    elapsed: float = field(default=0.0, compare=False)

    def record(self) -> dict[str, Any]:
        """Return it as JSON values, without wall-clock facts."""
        values = asdict(self)
        for name in (*_CLOCKS, *(["answer"] if self.answer is None else [])):
            del values[name]
        return values

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Sample:
        """Read what `record` wrote."""
        error = record["error_class"]
        return cls(**record | {"error_class": ErrorClass(error) if error else None})
