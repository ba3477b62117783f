"""How models are called: none of this ever changes a result."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from sqlbench.exceptions import ConfigError, UnknownNameError

CacheMode = Literal["auto", "replay", "record", "off"]
CACHE_MODES: tuple[str, ...] = get_args(CacheMode)
_MAY_BE_ZERO = {"retries", "budget", "max_calls"}


@dataclass(frozen=True, slots=True)
class Calling:
    """How a run calls its model.

    Attributes
    ----------
    cache : path or None
        The response store. None keeps one in the run's folder where a call costs money (a model
        behind an endpoint), and none otherwise.
    cache_mode : {"auto", "replay", "record", "off"}
        ``auto`` calls out for what is not stored. ``replay`` never calls out. ``record`` always
        does, and replaces what is stored. ``off`` uses no store.
    max_requests_per_minute, max_tokens_per_minute : int or None
        What the provider allows; never passed in any 60 seconds.
    connect_seconds, first_token_seconds, answer_seconds : float
        Time limits of one call: until it is connected, until a streamed answer begins, until the
        answer is whole.
    retries : int
        How often a call that failed in passing is repeated.
    stream : bool
        Whether an experiment's answers are streamed, so that the limit on the first token holds.
    budget : float or None
        What the run may cost, in the currency of the prices, over all its resumptions.
    max_calls : int or None
        How many requests the run may send, over all its resumptions.
    prices : path or None
        A TOML file of prices; None takes the package's.
    ledger : path or None
        Where runs that share the budget and ``max_calls`` count together; `run_grid` sets it.
    offline : bool
        Whether no call will be made, so that no key is needed. ``replay`` is always offline.

    Raises
    ------
    ConfigError, UnknownNameError
        If a value has the wrong form.
    """

    cache: str | Path | None = None
    cache_mode: CacheMode = "auto"
    max_requests_per_minute: int | None = None
    max_tokens_per_minute: int | None = None
    connect_seconds: float = 10.0
    first_token_seconds: float = 60.0
    answer_seconds: float = 120.0
    retries: int = 6
    stream: bool = False
    budget: float | None = None
    max_calls: int | None = None
    prices: str | Path | None = None
    ledger: str | Path | None = None
    offline: bool = False

    def __post_init__(self) -> None:
        if self.cache_mode not in CACHE_MODES:
            raise UnknownNameError("cache mode", self.cache_mode, CACHE_MODES)
        if self.cache_mode == "replay" and self.cache is None:
            raise ConfigError(
                "cache_mode='replay' needs the store to replay from: name cache=FILE."
            )
        if self.cache_mode == "off" and self.cache is not None:
            raise ConfigError(
                f"cache_mode='off' keeps no answer, so the store {str(self.cache)!r} would not be "
                "used: leave one of the two out."
            )
        if self.cache_mode == "replay":
            object.__setattr__(self, "offline", True)
        for field in fields(self):
            value = getattr(self, field.name)
            if not str(field.type).startswith(("int", "float")):
                continue
            if value is None and "None" in str(field.type):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{field.name} is a number, not {value!r}.")
            zero = field.name in _MAY_BE_ZERO
            if not (value >= 0 if zero else value > 0):
                least = "at least 0" if zero else "more than 0"
                raise ConfigError(f"{field.name} is {least}, not {value!r}.")
