"""All signals, in the order in which a diagnosis lists them."""

from __future__ import annotations

from sqlbench.signals import (
    of_columns,
    of_conditions,
    of_joins,
    of_keys,
    of_probes,
    of_request,
    of_result,
    of_structure,
    of_values,
)
from sqlbench.signals.base import Signal
from sqlbench.signals.reading import Definition, Reading

SIGNALS: tuple[Definition, ...] = tuple(
    definition
    for module in (
        of_result,
        of_values,
        of_columns,
        of_joins,
        of_keys,
        of_request,
        of_conditions,
        of_structure,
        of_probes,
    )
    for definition in module.signal.found
)
"""Every signal's definition."""

NAMES: tuple[str, ...] = tuple(definition.name for definition in SIGNALS)


def measure(reading: Reading) -> tuple[Signal, ...]:
    """Measure every signal on one answer."""
    return tuple(definition.read(reading) for definition in SIGNALS)
