"""What the signals read, put together once for each answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, TypeVar

from sqlglot.errors import SqlglotError

from sqlbench.databases.base import Database, Outcome, QueryError, Row
from sqlbench.signals.base import Signal
from sqlbench.signals.catalogue import Catalogue, catalogue_of
from sqlbench.signals.links import Links, links_of
from sqlbench.signals.question import Question
from sqlbench.signals.statement import Statement

READ_ROWS = 2_000  # rows of a result that are looked at
_PROBES = 12  # extra statements of one diagnosis
_DEEPEST = 20_000  # letters of a statement that is parsed

Measure = float | tuple[float, str] | None
"""A signal's value, with its sentence where it speaks; None is unknown."""


class Reading:
    """One answer: question, statement, database and outcome.

    Attributes
    ----------
    asked : str
        The question in words.
    question : Question
        What was read of it.
    sql : str
    catalogue : Catalogue
    links : Links
        What the question's words stand for.
    error : QueryError or None
        What it raised.
    rows : list of tuple or None
        Its first `READ_ROWS` rows; None if it raised.
    size : int
        How many rows it gave, as far as the sandbox fetched them.
    """

    def __init__(self, question: str, sql: str, database: Database, outcome: Outcome) -> None:
        self.asked, self.sql = question, sql
        self.catalogue: Catalogue = catalogue_of(database)
        self.links: Links = links_of(question, self.catalogue)
        self.question: Question = self.links.question
        self.error: QueryError | None = None
        self.rows: list[Row] | None = None
        self.names: tuple[str, ...] = ()
        self.size = 0
        self.probes = _PROBES
        self.memory: dict[str, Any] = {}  # what several signals read, by name
        if isinstance(outcome, QueryError):
            self.error = outcome
        else:
            self.rows, self.size = outcome.rows[:READ_ROWS], len(outcome.rows)
            self.names = outcome.columns

    @cached_property
    def statement(self) -> Statement | None:
        """The parsed statement; None if it does not parse."""
        if len(self.sql) > _DEEPEST:
            return None
        try:
            found = Statement(self.sql, self.catalogue)
        except (SqlglotError, RecursionError):
            return None
        return found if found.scopes else None

    @property
    def width(self) -> int:
        """How many columns the result has."""
        return len(self.names)

    def ask(self, sql: str) -> list[Row] | None:
        """Return the rows of an extra statement; None if a limit was hit or it raised."""
        if self.probes <= 0:
            return None
        self.probes -= 1
        result = self.catalogue.ask(sql)
        return None if result is None else result.rows


@dataclass(frozen=True, slots=True)
class Definition:
    """A signal: its name, what it reads, how it is measured, and what it says of itself."""

    name: str
    reads: str
    measure: Callable[[Reading], Measure]
    about: str

    def read(self, reading: Reading) -> Signal:
        """Measure the signal on one answer."""
        found = self.measure(reading)
        said = ""
        if isinstance(found, tuple):
            found, said = found
        if not found:  # most signals say nothing most of the time: one record for all of that
            return _silent(self.name, None if found is None else 0.0)
        return Signal(self.name, float(found), said)


@cache
def _silent(name: str, value: float | None) -> Signal:
    return Signal(name, value)


F = TypeVar("F", bound=Callable[..., Measure])


class Register:
    """Collects the signals of one file, in the order of the file."""

    def __init__(self, reads: str) -> None:
        self.reads = reads
        self.found: list[Definition] = []

    def __call__(self, measure: Callable[[Reading], Measure]) -> Callable[[Reading], Measure]:
        """Register a function of a reading; None wherever what it reads is not there."""
        self._add(measure, measure)
        return measure

    def of_statement(
        self, measure: Callable[[Reading, Statement], Measure]
    ) -> Callable[[Reading, Statement], Measure]:
        """Register a function of a parsed statement: unknown where it does not parse."""

        def guarded(reading: Reading) -> Measure:
            statement = reading.statement
            return None if statement is None else measure(reading, statement)

        self._add(measure, guarded)
        return measure

    def of_rows(
        self, measure: Callable[[Reading, list[Row]], Measure]
    ) -> Callable[[Reading, list[Row]], Measure]:
        """Register a function of a result: unknown where the statement raised."""

        def guarded(reading: Reading) -> Measure:
            return None if reading.rows is None else measure(reading, reading.rows)

        self._add(measure, guarded)
        return measure

    def _add(self, named: Callable[..., Measure], measure: Callable[[Reading], Measure]) -> None:
        about = (named.__doc__ or "").strip().split("\n")[0]
        self.found.append(Definition(named.__name__, self.reads, measure, about))


def shown(names: Iterable[str], most: int = 3) -> str:
    """Return a few names, as a sentence has them."""
    kept = list(dict.fromkeys(names))
    return ", ".join(kept[:most]) + (", …" if len(kept) > most else "")
