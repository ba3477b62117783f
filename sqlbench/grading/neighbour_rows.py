"""The rows of one neighbour database (see `sqlbench.grading.neighbours`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlbench.databases.base import Row

if TYPE_CHECKING:
    from sqlbench.grading.literals import Value

MAX_ROWS = 5_000  # a table; larger ones are sampled
_LITERAL_SHARE, _BETWEEN_SHARE = 0.25, 0.1
_NULL_SHARE = 0.1
_ASKED_SHARE = 0.9


class Kind(StrEnum):
    """What a neighbour changes, mildest first."""

    PLAIN = "plain"
    NAMES = "repeated names"
    NULLS = "NULLs"


_KINDS = (Kind.PLAIN, Kind.PLAIN, Kind.NAMES, Kind.NULLS)


def kind_of(number: int) -> Kind:
    """Return the kind of a neighbour, from 0."""
    return _KINDS[number % len(_KINDS)]


@dataclass(frozen=True)
class Reference:
    """A foreign key, as places in the rows of both tables."""

    columns: tuple[int, ...]
    table: str
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """A table of the original: what may change in it, and what may not."""

    name: str
    columns: tuple[str, ...]
    rows: list[Row]
    nullable: tuple[bool, ...]
    keys: frozenset[int]  # primary, unique or referred to: a repeated row needs new ones
    primary: frozenset[int]
    references: tuple[Reference, ...]
    literals: dict[int, list[Value]]


class RowMaker:
    """Makes the rows of one neighbour."""

    def __init__(self, tables: Mapping[str, Table], rng: np.random.Generator, kind: Kind) -> None:
        self._tables, self._rng = tables, rng
        self._nulls, self._keep_names = kind is Kind.NULLS, kind is not Kind.NAMES
        self._drop, self._repeat = rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.3)
        self._redraw = rng.uniform(0.3, 0.8)
        self._made: dict[str, list[list[Any]]] = {}

    def rows(self) -> dict[str, list[list[Any]]]:
        """Return the rows of each table."""
        for table in self._tables.values():
            self._made[table.name] = self._make(table)
        return self._made

    def _make(self, table: Table) -> list[list[Any]]:
        rng = self._rng
        rows = table.rows
        if len(rows) > MAX_ROWS:
            rows = [rows[i] for i in sorted(rng.choice(len(rows), MAX_ROWS, replace=False))]
        if not rows:
            return []
        kept = [list(row) for row in rows if rng.random() >= self._drop] or [list(rows[0])]
        repeated = [list(kept[i]) for i in rng.integers(len(kept), size=self._extra(len(kept)))]
        referring = {i for r in table.references for i in r.columns}
        for place in table.keys - referring:
            fresh = _fresh([row[place] for row in table.rows])
            for row in repeated:
                row[place] = fresh(row[place])
        everything = kept + repeated
        free = [i for i in range(len(table.columns)) if i not in table.keys | referring]
        for place in free:
            self._redraw_column(table, place, everything)
        # A reference into this table itself needs the rows that there will be.
        self._made[table.name] = everything
        for reference in table.references:
            everything = self._refer(table, reference, everything, len(kept))
        return everything

    def _extra(self, kept: int) -> int:
        return max(1, round(self._repeat * kept))

    def _redraw_column(self, table: Table, place: int, rows: list[list[Any]]) -> None:
        rng = self._rng
        own = [row[place] for row in table.rows[:MAX_ROWS]]
        literals = _fitting(table.literals.get(place, []), own)
        numbers = [v for v in own if isinstance(v, int | float)]
        spread = len(set(numbers)) > 3 and len(numbers) > len(own) / 2
        nulls = self._nulls and table.nullable[place]
        names = _are_names(own)
        if names and self._keep_names:
            self._rename(place, rows, own, literals)
        for row in rows:
            if nulls and rng.random() < _NULL_SHARE:
                row[place] = None
            elif names and self._keep_names:
                continue
            elif rng.random() < self._redraw:
                kind = rng.random()
                if literals and kind < _LITERAL_SHARE:
                    row[place] = literals[rng.integers(len(literals))]
                elif spread and kind > 1 - _BETWEEN_SHARE:
                    row[place] = _between(numbers, rng)
                else:
                    row[place] = own[rng.integers(len(own))]

    def _rename(
        self, place: int, rows: list[list[Any]], own: list[Any], literals: list[Value]
    ) -> None:
        """Deal out names, no two rows the same one; those that queries ask for come first."""
        rng = self._rng
        asked = [v for v in dict.fromkeys(literals) if rng.random() < _ASKED_SHARE]
        others = [v for v in own if v not in set(asked)]
        names = [*asked, *(others[i] for i in rng.permutation(len(others)))]
        fresh = _fresh(own)
        while len(names) < len(rows):
            names.append(fresh(own[len(names) % len(own)]))
        for row, i in zip(rows, rng.permutation(len(rows)), strict=True):
            row[place] = names[i]

    def _refer(
        self, table: Table, reference: Reference, rows: list[list[Any]], kept: int
    ) -> list[list[Any]]:
        """Point each row at a row that there is; drop what is alone in having lost its own."""
        rng = self._rng
        referred = self._made.get(reference.table, [])
        made = dict.fromkeys(tuple(row[i] for i in reference.targets) for row in referred)
        targets = [t for t in made if None not in t]  # in order: 1 and '1' sort alike
        before = {
            _text(tuple(row[i] for i in reference.targets))
            for row in self._tables[reference.table].rows
        }
        there = {_text(t) for t in targets}
        choices = sorted(targets, key=_text)
        # One row for each row referred to (the reference is the whole key): it follows its own.
        one_to_one = table.primary and table.primary <= set(reference.columns)
        nulls = self._nulls and all(table.nullable[i] for i in reference.columns)
        result = []
        for number, row in enumerate(rows):
            old = tuple(row[i] for i in reference.columns)
            lost = _text(old) not in there
            if None in old or (lost and _text(old) not in before):
                result.append(row)  # no reference, or one that never pointed anywhere
                continue
            if (one_to_one and number < kept and lost) or not choices:
                continue
            new: tuple[Any, ...] = old
            if nulls and rng.random() < _NULL_SHARE / 2:
                new = (None,) * len(old)
            elif one_to_one and number < kept:
                pass
            elif lost or number >= kept or rng.random() < self._redraw:
                new = choices[rng.integers(len(choices))]
            for place, value in zip(reference.columns, new, strict=True):
                row[place] = value
            result.append(row)
        return result


def _are_names(values: Sequence[Any]) -> bool:
    """Whether a column holds texts of which no two are the same."""
    return (
        len(values) > 2
        and all(isinstance(v, str) for v in values)
        and len(set(values)) == len(values)
    )


def _fresh(values: Sequence[Any]) -> Callable[[Any], Any]:
    """Return a function that gives a key of the same kind which no row has."""
    numbers = [int(v) for v in values if isinstance(v, int | float) and abs(v) < 2**52]
    numbers += [int(v) for v in values if isinstance(v, str) and v.isdecimal() and len(v) < 15]
    count = max(numbers, default=0)

    def fresh(value: Any) -> Any:
        nonlocal count
        count += 1
        if isinstance(value, str):
            return str(count) if value.isdecimal() else f"{value} {count}"
        if isinstance(value, bytes):
            return value + str(count).encode()
        return float(count) if isinstance(value, float) else count

    return fresh


def _fitting(literals: Sequence[Value], own: Sequence[Any]) -> list[Value]:
    """Return the literals as a column holds them: numbers as texts where it holds texts."""
    texts = sum(isinstance(v, str) for v in own)
    if texts * 2 > len(own):
        fitting: list[Value] = [str(v) for v in literals]
        many = len({v for v in own if v is not None})
        if many > 10 and many * 2 > len(own):
            # In a column of names, not of categories: one that only begins like the literal.
            fitting += [f"{v}q" for v in literals if isinstance(v, str)]
        return fitting
    return [v for v in literals if not isinstance(v, str)]


def _between(numbers: Sequence[int | float], rng: np.random.Generator) -> int | float:
    low, high = min(numbers), max(numbers)
    if all(isinstance(n, int) for n in numbers) and abs(low) < 2**62 > abs(high):
        return int(rng.integers(int(low), int(high) + 1))
    return round(float(rng.uniform(low, high)), 2)


def _text(values: tuple[Any, ...]) -> tuple[str, ...]:
    """Return keys as texts: Spider's references mix 1 and '1'."""
    return tuple(str(v) for v in values)
