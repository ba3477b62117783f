"""A run's configuration: all that its results are a function of."""

from __future__ import annotations

from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
)

from sqlbench.environment.doubting import Ground
from sqlbench.environment.environment import Feedback
from sqlbench.episodes.context import MAX_ATTEMPTS
from sqlbench.episodes.known import MAX_DOUBT
from sqlbench.exceptions import ConfigError
from sqlbench.policies.learning import DEFAULT_HINDSIGHT
from sqlbench.signals.choice import Rule

# Their plans are lists in memory: a slip of the keyboard shall not fill it.
MAX_EPISODES = 10_000_000
MAX_SEEDS = 1_000_000
MAX_SAMPLES = 1_000
# Fields that came later are written only where they are set: what was written without them keeps
# its bytes, and a cell of a grid its name.
_LATER = ("samples", "prompts", "start_from", "choose", "ground", "max_doubt", "signals")


class RunConfig(BaseModel):
    """What a run's results are a function of. Concurrency is not in it: it changes nothing.

    ``prompts`` and ``start_from`` are paths: what is in them is in ``run.json`` as a hash.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    suite: str = "marketplace"
    task: str | None = None
    database: str | None = None
    model: str = "simulated"
    repair_model: str | None = None
    policy: str = "linucb"
    episodes: int = Field(default=300, ge=1, le=MAX_EPISODES)
    seed: int = Field(default=0, ge=0)
    lag: int = Field(default=0, ge=0)
    feedback: Feedback = "oracle"
    max_attempts: int = Field(default=MAX_ATTEMPTS, ge=1, le=MAX_ATTEMPTS)
    metric: str = "exact"
    temperature: float = Field(default=0.1, ge=0.0)
    hindsight: float = DEFAULT_HINDSIGHT
    learner: str = "standard"
    samples: int = Field(default=1, ge=1, le=MAX_SAMPLES)
    choose: Rule = "first"
    prompts: str | None = None
    start_from: str | None = None
    ground: Ground | None = None
    max_doubt: float = Field(default=MAX_DOUBT, ge=0.0, le=1.0)
    signals: bool = False

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        return {n: v for n, v in values.items() if n not in _LATER or v != fields[n].default}

    @property
    def repairing(self) -> str:
        """The spec of the model that makes every attempt after the first."""
        return self.repair_model or self.model

    @property
    def paid_models(self) -> tuple[str, ...]:
        """The specs of the models whose calls cost money."""
        models = dict.fromkeys((self.model, self.repair_model))
        return tuple(m for m in models if m and m.startswith("openai"))

    @field_validator(
        *("episodes", "seed", "lag", "max_attempts", "samples", "temperature", "hindsight"),
        mode="before",
    )
    @classmethod
    def _no_truth_value(cls, value: Any) -> Any:
        if isinstance(value, bool):  # which Python counts as 0 or 1
            raise ValueError("a number is expected")
        return value

    @field_validator("database")
    @classmethod
    def _without_password(cls, value: str | None) -> str | None:
        # Whoever makes a configuration: what is written from it never holds a password.
        login = (value or "").partition("://")[2].rpartition("@")[0]
        if value is None or (":" not in login and "password" not in value):
            return value
        from sqlbench.databases.postgres_url import PostgresURL

        return PostgresURL.parse(value).shown


def make_config(**values: Any) -> RunConfig:
    """Make a run's configuration.

    Raises
    ------
    ConfigError
        If a value has the wrong form: one sentence that names it.
    """
    try:
        return RunConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(p) for p in first["loc"])
        raise ConfigError(
            f"{name}={first['input']!r} will not do: {first['msg'][0].lower()}{first['msg'][1:]}."
        ) from None


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of ``0-9`` or ``0,1,5``.

    Raises
    ------
    ConfigError
        If it is neither, a range is empty, or there are more than a million.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        ends = [first, last] if dash else [first, first]
        if not all(end.isdecimal() for end in ends) or int(ends[0]) > int(ends[1]):
            raise ConfigError(f"Seeds are a range like 0-9 or a list like 0,1,5, not {text!r}.")
        more = range(int(ends[0]), int(ends[1]) + 1)
        if more.stop - more.start > MAX_SEEDS - len(seeds):
            raise ConfigError(f"There are at most {MAX_SEEDS:,} seeds, fewer than {text!r} names.")
        seeds += more
    return seeds
