"""Refuse an argument of the wrong kind in one sentence, where it is given."""

from __future__ import annotations

import math
import os
from numbers import Integral, Real
from pathlib import Path

from sqlbench.exceptions import ConfigError


def check_whole(name: str, value: object, least: int = 0, most: int | None = None) -> None:
    """Refuse what is no whole number within these bounds; a truth value is none.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if whole and value >= least and (most is None or value <= most):  # type: ignore[operator]
        return
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    raise ConfigError(f"{name} is a whole number {bounds}, not {value!r}.")


def check_number(name: str, value: object, least: float = 0.0) -> None:
    """Refuse what is no finite number of at least ``least``; a truth value is none.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not least <= value < math.inf:  # type: ignore[operator]
        raise ConfigError(f"{name} is a number of at least {least:g}, not {value!r}.")


def check_has(name: str, value: object, attribute: str, expected: str) -> None:
    """Refuse an object that cannot be what it is given for.

    Parameters
    ----------
    name : str
        The argument.
    value : object
        What was given.
    attribute : str
        What it would have if it were of the right kind.
    expected : str
        What can be given, in words.

    Raises
    ------
    ConfigError
        If it lacks the attribute.
    """
    if not hasattr(value, attribute):
        raise ConfigError(f"{name} is {expected}, not {value!r}.")


def check_kind(name: str, value: object, kind: type | tuple[type, ...], expected: str) -> None:
    """Refuse an object of another kind.

    Parameters
    ----------
    name : str
        The argument.
    value : object
        What was given.
    kind : type or tuple of type
        What it may be.
    expected : str
        The same, in words.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    if not isinstance(value, kind):
        raise ConfigError(f"{name} is {expected}, not {value!r}.")


def as_path(name: str, value: object) -> Path | None:
    """Return a path; a whole number is one, too: so a folder comes that is called by a date.

    Raises
    ------
    ConfigError
        If it is something else, or empty.
    """
    if value is None:
        return None
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if isinstance(value, str | os.PathLike) and str(value).strip():
        return Path(value)
    if whole:
        return Path(str(value))
    raise ConfigError(f"{name} is the name of a file or folder, not {value!r}.")
