"""A rate that must be reached: for CI, where a run that falls below it is a failure."""

from __future__ import annotations

from collections.abc import Mapping

from sqlbench.exceptions import ConfigError, SQLBenchError, UnknownNameError
from sqlbench.stats import Rate


class BelowThresholdError(SQLBenchError, RuntimeError):
    """Raised when a rate is below what was asked for, after everything was written."""


def parse_threshold(text: str) -> tuple[str, float]:
    """Read ``any=0.7``.

    Raises
    ------
    ConfigError
        If it has another form, or the share is none.
    """
    name, _, value = text.partition("=")
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not name or not 0 <= share <= 1:
        raise ConfigError(
            f"--fail-under takes a rate and a share from 0 to 1, like any=0.7, not {text!r}."
        )
    return name.strip(), share


def check_threshold(rates: Mapping[str, Rate], name: str, share: float) -> None:
    """Raise if a rate is below a share.

    Raises
    ------
    UnknownNameError
        If there is no such rate.
    BelowThresholdError
        If it is below, or nothing was counted.
    """
    if name not in rates:
        raise UnknownNameError("rate", name, rates)
    found = rates[name]
    if found.rate is None or found.rate < share:
        raise BelowThresholdError(f"The rate {name} is {found}, below {share:.1%} (--fail-under).")
