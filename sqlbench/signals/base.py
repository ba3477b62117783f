"""The records of a diagnosis: frozen, versioned, and plain enough to be written as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

VERSION = 1
"""The version of these records; a file that holds another one is refused where it is read."""

"""What a statement's run gave: its rows, or the error that it raised."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that is known of an answer.

    Attributes
    ----------
    name : str
        The signal's name, for example ``"literal_absent"``.
    value : float or None
        How strongly it speaks, 0 where it does not; None if it is unknown, because a limit was
        hit or because what it reads is not there (SQL that does not parse, say).
    evidence : str
        One sentence for a person; empty where the signal does not speak.
    """

    name: str
    value: float | None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class NearNames:
    """The real names that are nearest to one that does not exist.

    Attributes
    ----------
    name : str
        What the statement says.
    kind : {"column", "table"}
        What it was to be.
    nearest : tuple of str
        Real names, nearest first; a column as ``table.column``.
    """

    name: str
    kind: str
    nearest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AbsentValue:
    """A literal that the column it is compared with does not hold.

    Attributes
    ----------
    column : str
        The column, as ``table.column``.
    literal : str
        What the statement compares it with.
    nearest : tuple of str
        Values that the column does hold, nearest first.
    elsewhere : tuple of str
        Columns (``table.column``) that hold the literal.
    sampled : bool
        True if only a part of the column's distinct values was looked at.
    """

    column: str
    literal: str
    nearest: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    sampled: bool = False


@dataclass(frozen=True, slots=True)
class JoinPath:
    """How tables hang together over foreign keys.

    Attributes
    ----------
    tables : tuple of str
        Every table on the path, those included that the statement does not name.
    conditions : tuple of str
        One ``a.x = b.y`` for each step.
    missing : tuple of str
        The tables of the path that the statement does not name.
    """

    tables: tuple[str, ...]
    conditions: tuple[str, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Emptying:
    """A condition without which an empty result would have rows.

    Attributes
    ----------
    condition : str
        The condition, as the statement says it.
    rows : int
        How many rows there are without it, counted up to a limit.
    alone : int or None
        How many rows hold it alone; None if that is unknown.
    """

    condition: str
    rows: int
    alone: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database holds instead.

    Attributes
    ----------
    names, values, paths, emptied : tuple
        What was found of each kind; empty where there is nothing to say.
    unknown : tuple of str
        What could not be looked up, a sentence each: a limit was hit.
    """

    names: tuple[NearNames, ...] = ()
    values: tuple[AbsentValue, ...] = ()
    paths: tuple[JoinPath, ...] = ()
    emptied: tuple[Emptying, ...] = ()
    unknown: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.names or self.values or self.paths or self.emptied or self.unknown)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is known of one answer.

    Attributes
    ----------
    doubt : float
        A calibrated probability that the answer is wrong.
    signals : tuple of Signal
        Every signal, in a fixed order.
    evidence : tuple of str
        The sentences of the signals that speak, most telling first.
    facts : Facts
        What the database holds instead.
    version : int
        The version of this record.
    """

    doubt: float
    signals: tuple[Signal, ...]
    evidence: tuple[str, ...] = ()
    facts: Facts = field(default_factory=Facts)
    version: int = VERSION

    def value(self, name: str) -> float | None:
        """Return the value of one signal; `KeyError` if there is no signal of that name."""
        for signal in self.signals:
            if signal.name == name:
                return signal.value
        raise KeyError(name)

    def as_dict(self) -> dict[str, Any]:
        """Return the diagnosis as plain values, for JSON."""
        return asdict(self)


def diagnosis_of(values: dict[str, Any]) -> Diagnosis:
    """Read what `Diagnosis.as_dict` wrote, also where it comes from JSON.

    Raises
    ------
    KeyError, TypeError
        If it is none of this version.
    """
    facts = values["facts"]
    return Diagnosis(
        doubt=values["doubt"],
        signals=tuple([Signal(**s) for s in values["signals"]]),
        evidence=tuple(values["evidence"]),
        facts=Facts(
            names=tuple([NearNames(**_tuples(v)) for v in facts["names"]]),
            values=tuple([AbsentValue(**_tuples(v)) for v in facts["values"]]),
            paths=tuple([JoinPath(**_tuples(v)) for v in facts["paths"]]),
            emptied=tuple([Emptying(**v) for v in facts["emptied"]]),
            unknown=tuple(facts["unknown"]),
        ),
        version=values["version"],
    )


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """Return values with tuples where JSON has lists."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
