"""A simulated model's profile: how often it fails, how, and which repair mends what.

A profile is a TOML file; ``profiles/default.toml`` beside this file explains its keys. A profile
that names a ``base`` holds only what differs from it. Every number is an assumption unless
``source`` says otherwise.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from math import exp
from statistics import NormalDist
from typing import Any, NoReturn

from sqlbench.episodes.context import MAX_ATTEMPTS, Context
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import RepairAction
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.paths import located, shown

Row = Mapping[RepairAction, float]

_FOLDER = resources.files("sqlbench.models.simulated") / "profiles"
_PROBABILITIES = ("success", "keep_class", "repeat_factor", "break_rate")
_KEYS = {
    "description",
    "source",
    "base",
    "difficulty_spread",
    "first_attempt",
    "repair",
    "drift",
    "retry",
    *_PROBABILITIES,
}
NO_DECAY = (1.0,) * (MAX_ATTEMPTS - 1)
# Medians of 200 equally likely slices of a standard normal: a mean over these is a mean over
# questions.
_DIFFICULTIES = tuple(NormalDist().inv_cdf((i + 0.5) / 200) for i in range(200))


@dataclass(frozen=True)
class Profile:
    """How a simulated model behaves.

    Attributes
    ----------
    name : str
        The built-in profile's name, or the file's path.
    description, source : str
        What it stands for, and where its numbers come from (``"assumption"``).
    success : float
        P(an answer from scratch is right), averaged over questions.
    difficulty_spread : float
        Standard deviation of a question's difficulty on the logit scale.
    keep_class : float
        P(a repair that does not mend fails in the same class).
    repeat_factor : float
        What P(fixed) is multiplied by for an arm that has just failed on the same class.
    break_rate : float
        P(a repair of a right answer breaks it).
    first_attempt : mapping of ErrorClass to float
        How an answer from scratch fails: relative weights.
    repair : mapping of ErrorClass to (mapping of RepairAction to float)
        P(fixed | error class, arm).
    drift_at : float or None
        The progress from which ``drift_repair`` replaces rows of ``repair``.
    drift_repair : mapping of ErrorClass to (mapping of RepairAction to float)
        Those rows.
    retry : tuple of float
        What P(fixed) is multiplied by at attempts 2, 3, 4 and 5, whichever arm is tried.
    """

    name: str
    description: str
    source: str
    success: float
    difficulty_spread: float
    keep_class: float
    repeat_factor: float
    break_rate: float
    first_attempt: Mapping[ErrorClass, float]
    repair: Mapping[ErrorClass, Row]
    drift_at: float | None = None
    drift_repair: Mapping[ErrorClass, Row] = field(default_factory=dict)
    retry: tuple[float, ...] = NO_DECAY

    def row(self, error_class: ErrorClass | None, progress: float = 0.0) -> Row:
        """Return P(fixed) by arm for a class; None (rows that nobody judged) counts as wrong."""
        error_class = error_class or ErrorClass.WRONG_RESULT
        if self.drift_at is not None and progress >= self.drift_at:
            return self.drift_repair.get(error_class, self.repair[error_class])
        return self.repair[error_class]

    def p_fixed(self, context: Context, action: RepairAction, progress: float = 0.0) -> float:
        """Return P(fixed) of an arm in a context."""
        p = self.row(context.error_class, progress)[action]
        p *= self.retry[context.attempt_number - 2]
        repeated = context.previous_action == action and not context.error_changed
        return p * self.repeat_factor if repeated else p

    def p_success(self, difficulty: float) -> float:
        """Return P(an answer from scratch is right) for a question of this difficulty (in σ)."""
        if self.success in (0.0, 1.0):
            return self.success
        return _sigmoid(self._intercept - self.difficulty_spread * difficulty)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of everything that shapes an answer."""
        content = [
            [
                getattr(self, key)
                for key in (*_PROBABILITIES, "difficulty_spread", "drift_at", "retry")
            ],
            *(getattr(self, key) for key in ("first_attempt", "repair", "drift_repair")),
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @cached_property
    def _intercept(self) -> float:
        """The logit at which the mean over questions is `success` (bisection: it is monotone)."""
        width = 10 * (1 + self.difficulty_spread)
        low, high = -width, width
        for _ in range(60):
            middle = (low + high) / 2
            mean = sum(_sigmoid(middle - self.difficulty_spread * z) for z in _DIFFICULTIES)
            low, high = (middle, high) if mean < self.success * 200 else (low, middle)
        return (low + high) / 2


def profile_names() -> list[str]:
    """Return the names of the built-in profiles."""
    return sorted(f.name.removesuffix(".toml") for f in _FOLDER.iterdir() if f.name[-5:] == ".toml")


def difficulty(question_id: str) -> float:
    """Return a question's difficulty: a standard normal number, a function of its id alone."""
    digest = hashlib.sha256(f"difficulty\x00{question_id}".encode()).digest()
    return NormalDist().inv_cdf((int.from_bytes(digest[:6], "big") + 0.5) / 2**48)


def load_profile(name: str) -> Profile:
    """Load a built-in profile by its name, or a TOML file by its path.

    Raises
    ------
    UnknownNameError
        If there is neither.
    ConfigError
        If a key or a value is not valid: the message names the file, the key, the value and what
        was expected.
    """
    source, data = _read(name)
    if "base" in data:
        base_source, base = _read(_text(source, data, "base"))
        if "base" in base:
            _fail(base_source, "base", base["base"], "no base: it is one itself")
        data = _merged(base, data)
    return _profile(name, source, data)


def _read(name: str) -> tuple[str, dict[str, Any]]:
    path = located(name)
    own = path.suffix == ".toml"
    if name in profile_names():
        source, text = f"{name}.toml", (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    elif own and path.is_file():
        source, text = name, path.read_text(encoding="utf-8")
    elif own:
        raise ConfigError(
            f"The profile {shown(path)} does not exist; name a file, or one of "
            f"{', '.join(profile_names())}."
        )
    else:
        raise UnknownNameError("profile", name, profile_names())
    try:
        return source, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The profile {source} is not valid TOML: {error}.") from error


def _merged(base: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    merged = base | {k: v for k, v in data.items() if k != "base"}
    for key in ("first_attempt", "repair"):
        if isinstance(base.get(key), dict) and isinstance(data.get(key), dict):
            merged[key] = base[key] | data[key]
    return merged


def _profile(name: str, source: str, data: dict[str, Any]) -> Profile:
    _check_keys(source, "", data, _KEYS)
    spread = _number(source, "difficulty_spread", data.get("difficulty_spread"), high=10.0)
    rates = _table(source, "first_attempt", data.get("first_attempt"), ErrorClass)
    first_attempt = {
        c: _number(source, f"first_attempt.{c}", rates[c], high=float("inf")) for c in ErrorClass
    }
    if not sum(first_attempt.values()):
        _fail(source, "first_attempt", 0.0, "at least one rate above 0")
    rows = _table(source, "repair", data.get("repair"), ErrorClass)
    drift_at, drift_repair = None, {}
    if "drift" in data:
        drift = _table(source, "drift", data["drift"], ("at", "repair"))
        drift_at = _number(source, "drift.at", drift["at"])
        drift_repair = _rows(source, "drift.repair", drift["repair"])
    return Profile(
        name=name,
        description=_text(source, data, "description"),
        source=_text(source, data, "source"),
        **{key: _number(source, key, data.get(key)) for key in _PROBABILITIES},
        difficulty_spread=spread,
        first_attempt=first_attempt,
        repair=_rows(source, "repair", rows),
        drift_at=drift_at,
        drift_repair=drift_repair,
        retry=_retry(source, data.get("retry", list(NO_DECAY))),
    )


def _retry(source: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != len(NO_DECAY):
        _fail(source, "retry", value, "a list of 4 numbers in [0, 1], for attempts 2 to 5")
    return tuple(_number(source, f"retry[{i}]", v) for i, v in enumerate(value))


def _rows(source: str, key: str, rows: Any) -> dict[ErrorClass, Row]:
    if not isinstance(rows, dict):
        _fail(source, key, rows, "a table by error class")
    _check_keys(source, key, rows, ErrorClass)
    arms = {c: _table(source, f"{key}.{c}", rows[c], RepairAction) for c in rows}
    return {
        ErrorClass(c): {a: _number(source, f"{key}.{c}.{a}", row[a]) for a in RepairAction}
        for c, row in arms.items()
    }


def _table(source: str, key: str, value: Any, keys: Iterable[str]) -> dict[str, Any]:
    """Check that a value is a table with exactly these keys."""
    keys = [str(k) for k in keys]
    if not isinstance(value, dict):
        _fail(source, key, value, f"a table with the keys {', '.join(keys)}")
    _check_keys(source, key, value, keys)
    for missing in (k for k in keys if k not in value):
        _fail(source, f"{key}.{missing}", None, "a value for every key")
    return value


def _check_keys(source: str, key: str, value: Mapping[str, Any], keys: Iterable[str]) -> None:
    keys = sorted(str(k) for k in keys)
    for unknown in (k for k in value if k not in keys):
        full = f"{key}.{unknown}" if key else unknown
        raise ConfigError(
            f"The profile {source} has the unknown key {full!r}; expected: {', '.join(keys)}."
        )


def _number(source: str, key: str, value: Any, high: float = 1.0) -> float:
    expected = f"a number in [0, {high:g}]" if high < float("inf") else "a number, 0 or more"
    if isinstance(value, bool) or not isinstance(value, int | float):
        _fail(source, key, value, expected)
    if not 0 <= value <= high or value == float("inf"):
        _fail(source, key, value, expected)
    return float(value)


def _text(source: str, data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        _fail(source, key, value, "a text")
    return value


def _fail(source: str, key: str, value: object, expected: str) -> NoReturn:
    shown = "is missing" if value is None else f"is {value!r}"
    raise ConfigError(f"In the profile {source}, {key} {shown}; expected {expected}.")


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))
