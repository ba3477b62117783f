"""What a statement says of a column that does not exist: its surroundings, before any guess."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from sqlbench.signals.statement import ColumnUse, Statement

_OF_NUMBERS = {"sum", "avg"}


@dataclass(slots=True)
class Unknown:
    """A name that no table has, and what stands around it.

    Attributes
    ----------
    name : str
        The name without its prefix, in lower case.
    tables : set of str
        The real tables that its prefix names.
    scope : set of str
        The real tables of the SELECTs that use it.
    used : set of tuple
        The columns (table, name) that the statement uses and that are there.
    partners : set of tuple
        The columns that it is equated with.
    literals : set of str
        The texts that it is equated with.
    numeric : bool or None
        Whether it is used as a number; None if nothing says so.
    joins : bool
        Whether a join's condition uses it.
    """

    name: str
    tables: set[str] = field(default_factory=set)
    scope: set[str] = field(default_factory=set)
    used: set[tuple[str, str]] = field(default_factory=set)
    partners: set[tuple[str, str]] = field(default_factory=set)
    literals: set[str] = field(default_factory=set)
    numeric: bool | None = None
    joins: bool = False


def unknown_columns(statement: Statement) -> list[list[ColumnUse]]:
    """Return the uses of each name that no table has, in the order of the statement."""
    found: dict[tuple[str, str], list[ColumnUse]] = {}
    for use in statement.columns:
        if not use.known:
            found.setdefault((use.node.table.lower(), use.name), []).append(use)
    return list(found.values())


def unknown_name(uses: Sequence[ColumnUse], statement: Statement) -> Unknown:
    """Return what a statement says of one name.

    Parameters
    ----------
    uses : sequence of ColumnUse
        Where the statement uses it; at least one.
    statement : Statement
        The whole statement.
    """
    unknown = Unknown(uses[0].name)
    unknown.used = {(c.table, c.name) for c in statement.columns if c.known and c.table}
    for use in uses:
        if use.table:
            unknown.tables.add(use.table)
        unknown.scope.update(use.scope.tables)
        unknown.joins = unknown.joins or use.clause == "join"
        if use.function in _OF_NUMBERS:
            unknown.numeric = True
        _literals(use, unknown, statement)
        others = {id(node) for node in _opposite(use.node)}
        unknown.partners.update(
            (c.table, c.name)
            for c in statement.columns
            if id(c.node) in others and c.table and c.known
        )
    return unknown


def _literals(use: ColumnUse, unknown: Unknown, statement: Statement) -> None:
    for literal in statement.literals:
        if literal.column is use and literal.operator != "like":
            unknown.numeric = literal.number
            if not literal.number and literal.operator in ("=", "in"):
                unknown.literals.add(literal.text)


def _opposite(node: exp.Column) -> Iterator[Any]:
    """Yield what a column is equated with: across ``=``, ``IN (SELECT …)`` or a set operation."""
    parent: Any = node.parent
    if isinstance(parent, exp.EQ):
        yield parent.right if parent.left is node else parent.left
    elif isinstance(parent, exp.In) and parent.this is node:
        query = parent.args.get("query")
        select = query.find(exp.Select) if query is not None else None
        if select is not None:
            yield from (e.unalias() for e in select.expressions[:1])
    elif isinstance(parent, exp.Select):
        yield from _around(node, parent)


def _around(node: exp.Column, select: exp.Select) -> Iterator[Any]:
    """Yield what a column of a SELECT's list is compared with outside of that SELECT."""
    place = next((i for i, e in enumerate(select.expressions) if e is node), None)
    outside: Any = select.parent
    while place is not None and isinstance(outside, (exp.Subquery, exp.SetOperation)):
        if isinstance(outside, exp.SetOperation):
            for part in (outside.left, outside.right):
                other = part.find(exp.Select)
                if other is not None and other is not select:
                    yield from (e.unalias() for e in other.expressions[place : place + 1])
        outside = outside.parent
    if isinstance(outside, exp.In):
        yield outside.this
