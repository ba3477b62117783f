"""What travels between an OpenEnv server of sqlbench and its clients: action, observation, state.

Everything is a declared field: clients older than openenv 0.10 drop an observation's metadata.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from pydantic import (
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from sqlbench.exceptions import MissingExtraError

try:
    from openenv.core.env_server.types import Action as OpenEnvAction
    from openenv.core.env_server.types import Observation as OpenEnvObservation
    from openenv.core.env_server.types import State as OpenEnvState
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] != "openenv":
        raise
    raise MissingExtraError("OpenEnv (sqlbench serve, sqlbench.client)", "openenv") from error

MAX_SQL_CHARS = 100_000
MAX_NAME_CHARS = 200
MAX_STEP_SECONDS = 3600.0


class SQLAction(OpenEnvAction):  # type: ignore[misc]
    """What to do next: ``generate``, ``auto``, a repair or ``keep``; custom SQL skips the model."""

    repair_action: str = Field(
        default="auto",
        max_length=MAX_NAME_CHARS,
        description=(
            "generate, auto (the served policy chooses), one of the 8 repairs, or keep (stop here)"
        ),
    )
    custom_sql: str | None = Field(
        default=None,
        max_length=MAX_SQL_CHARS,
        description="SQL of your own, run in the model's place",
    )
    timeout_s: float | None = Field(
        default=None,
        gt=0,
        le=MAX_STEP_SECONDS,
        allow_inf_nan=False,
        strict=True,
        description="seconds after which the step is given up and not counted",
    )


class SQLAgentAction(OpenEnvAction):  # type: ignore[misc]
    """An agent's action: SQL. One that is malformed is an attempt that failed, not an error."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(
        max_length=MAX_SQL_CHARS,
        description="one SELECT statement, bare or in a ```sql code block",
    )
    _problem: str | None = PrivateAttr(default=None)

    @property
    def problem(self) -> str | None:
        """What is wrong with its form."""
        return self._problem

    @model_validator(mode="wrap")
    @classmethod
    def _lenient(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            action = handler({"sql": ""})
            action._problem = sentence(error, "The action", cls.model_fields)
            return action


class SQLObservation(OpenEnvObservation):  # type: ignore[misc]
    """What the agent sees. Nothing of the gold query or its rows is ever in it.

    ``reward`` and ``done`` are OpenEnv's own fields. Until the first step ``action`` and what
    follows it describe nothing and hold their defaults.

    Attributes
    ----------
    question, schema_info, current_sql, error_message, error_class, attempt_number, max_attempts,
    task_id, task_difficulty
        As in `sqlbench.environment.environment.Observation`.
    question_id : str
        The question.
    action : str or None
        The action just taken: ``generate``, a repair action, or ``custom``.
    propensity : float or None
        The probability with which the policy chose it; None where the caller chose.
    success : bool
        Whether the result is right.
    task_score : float or None
        From 0 to 1, before clamping.
    value : float
        The episode's value so far: what the reward ``gain`` has paid.
    shaped_reward : float or None
        The sum of the breakdown.
    breakdown : dict
        base, attempt_penalty, severity_bonus, change_bonus.
    suggested : str or None
        The repair that ``auto`` would take next.
    ucb_scores : dict
        The policy's scores of all arms for the next repair.
    columns, rows, row_count
        The result's column names, its first rows and their number; None if the query did not run.
    total_reward : float or None
        The attempts' shaped rewards and ±0.5 for the outcome, once the episode is over.
    simulated : bool
        Whether the model is simulated: label what you make of this.
    doubt, facts, evidence
        As in `SQLAgentObservation`.
    """

    # A client reads the observations of a newer server too.
    model_config = ConfigDict(extra="ignore")

    question: str
    schema_info: str
    current_sql: str | None = None
    error_message: str | None = None
    error_class: str | None = None
    attempt_number: int = 0
    max_attempts: int
    task_id: str
    task_difficulty: str
    question_id: str
    action: str | None = None
    propensity: float | None = None
    success: bool = False
    task_score: float | None = None
    value: float = 0.0
    shaped_reward: float | None = None
    breakdown: dict[str, float] = Field(default_factory=dict)
    suggested: str | None = None
    ucb_scores: dict[str, float] = Field(default_factory=dict)
    columns: list[str] = Field(default_factory=list)
    rows: list[list[Any]] = Field(default_factory=list)
    row_count: int | None = None
    total_reward: float | None = None
    simulated: bool = False
    doubt: float | None = None
    facts: list[str] = Field(default_factory=list)
    evidence: list[str] = Field(default_factory=list)


class SQLAgentObservation(OpenEnvObservation):  # type: ignore[misc]
    """What an agent with a model of its own sees: the schema once, at reset, and then its results.

    Nothing of the gold query or its rows is ever in it. ``reward`` and ``done`` are OpenEnv's own.

    Attributes
    ----------
    question, question_id, task_id, task_difficulty : str
        What is asked.
    attempt_number, max_attempts : int
        How many attempts were made, and how many there may be.
    schema_info, dialect, hint : str or None
        The database's schema, its SQL dialect and the question's hint, at reset only.
    error_class, error_message : str or None
        How the attempt failed, and what to tell the model.
    columns, rows, row_count
        The result's column names, its first rows and their number; None if the query did not run.
    success : bool
        Whether the result is right.
    task_score : float or None
        From 0 to 1.
    value : float
        The episode's value so far: what the reward ``gain`` has paid.
    doubt : float or None
        The probability that the answer is wrong, by its signals; None where none are served.
    facts, evidence : list of str
        What is known of the attempt without a gold query: real names and values, and what speaks
        against the answer. Empty where no signals are served.
    """

    model_config = ConfigDict(extra="ignore")

    question: str
    question_id: str
    task_id: str
    task_difficulty: str
    attempt_number: int = 0
    max_attempts: int
    schema_info: str | None = None
    dialect: str | None = None
    hint: str | None = None
    error_class: str | None = None
    error_message: str | None = None
    columns: list[str] = Field(default_factory=list)
    rows: list[list[Any]] = Field(default_factory=list)
    row_count: int | None = None
    success: bool = False
    task_score: float | None = None
    value: float = 0.0
    doubt: float | None = None
    facts: list[str] = Field(default_factory=list)
    evidence: list[str] = Field(default_factory=list)


class SQLState(OpenEnvState):  # type: ignore[misc]
    """Where a session's episode stands; before the first reset only ``active`` is set."""

    active: bool = False
    task_id: str | None = None
    question_id: str | None = None
    question: str | None = None
    attempt_number: int = 0
    max_attempts: int | None = None
    current_sql: str | None = None
    error_message: str | None = None
    error_class: str | None = None
    done: bool = False
    success: bool = False
    step_rewards: list[float] = Field(default_factory=list)
    total_reward: float | None = None


def sentence(
    error: ValidationError | list[Any], what: str = "The request", valid: Iterable[str] = ()
) -> str:
    """Say in one sentence what is wrong with a value that pydantic refused.

    Parameters
    ----------
    error : ValidationError or list
        What pydantic raised, or its errors.
    what : str
        What was refused.
    valid : iterable of str
        The names that it could have; openenv's ``metadata``, which nothing here reads, is not told.
    """
    first = error.errors()[0] if isinstance(error, ValidationError) else error[0]
    name = ".".join(str(part) for part in first["loc"] if part != "body")
    message = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    if first["type"] in ("missing", "extra_forbidden"):
        names = ", ".join(n for n in valid if n != "metadata")
        return f"{what}: {name!r}: {message}{f'; valid are: {names}' if names else ''}."
    if first["type"] == "json_invalid":
        return f"{what} is not valid JSON: {first.get('ctx', {}).get('error', message)}."
    given = ascii(first.get("input"))
    given = given if len(given) <= 80 else f"{given[:77]}..."
    return f"{what}: {f'{name}={given}' if name else given} will not do: {message}."
