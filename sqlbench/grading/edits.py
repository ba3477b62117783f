"""What the fault edits share: a gold query as a tree and as tokens, and its text after a change."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

import sqlglot
from sqlglot import Token, exp
from sqlglot.errors import SqlglotError

from sqlbench.databases.base import Column, Schema, Table
from sqlbench.databases.trees import parse_one
from sqlbench.grading.written import written

Change = tuple[exp.Expr, str, Any]
"""A node, one of its arguments, and what that argument becomes."""

Node = TypeVar("Node", bound=exp.Expr)
T = TypeVar("T")


# sqlglot writes these as REAL, INTEGER or a call of DATE(): in SQLite each is a NUMERIC of its own.
_NUMERIC = (
    exp.DataType.Type.DECIMAL,
    exp.DataType.Type.BOOLEAN,
    exp.DataType.Type.DATE,
    exp.DataType.Type.DATETIME,
    exp.DataType.Type.TIME,
    exp.DataType.Type.TIMESTAMP,
)


def _keep_types(tree: exp.Expr) -> None:
    """Let casts be written as they were: a variant differs by the named change alone."""
    for cast in tree.find_all(exp.Cast):
        kind = cast.to
        if isinstance(kind, exp.DataType) and kind.this in _NUMERIC:
            named = exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=kind.sql())
            cast.set("to", named)


class Query:
    """A gold query, ready to be edited. Where it does not parse, it has tokens but no nodes.

    Parameters
    ----------
    sql : str
        The query.
    schema : Schema
        Of the database that it runs on.
    """

    def __init__(self, sql: str, schema: Schema) -> None:
        self.schema = schema
        self.dialect = schema.dialect
        self._original = sql
        try:
            self.tree: exp.Expr | None = parse_one(sql, self.dialect)
            if self.dialect == "sqlite":
                _keep_types(self.tree)
            self.sql = self.render()
        except (SqlglotError, RecursionError):
            self.tree, self.sql = None, sql.strip().rstrip(";").rstrip()

    def render(self, *changes: Change) -> str:
        """Return the query's text with some arguments changed; the tree itself stays as it is."""
        assert self.tree is not None
        before = [(node, key, dict(node.args)) for node, key, _ in changes]
        for node, key, value in changes:
            node.set(key, value)
        try:
            return self.text_of(self.tree)
        finally:
            for node, key, args in reversed(before):
                node.set(key, args.get(key))
                # Their order too: it decides in which order `nodes` finds what it finds.
                node.args = args

    def text_of(self, tree: exp.Expr) -> str:
        """Return a tree that was made of this one as SQL; comma joins stay what they are."""
        return written(tree, self.dialect, self._original, pretty=True)

    def nodes(self, kind: type[Node]) -> list[Node]:
        """Return all nodes of a kind, the outermost first."""
        return list(self.tree.find_all(kind)) if self.tree is not None else []

    @cached_property
    def selects(self) -> list[exp.Select]:
        """Every SELECT, the outermost first."""
        return self.nodes(exp.Select)

    @cached_property
    def tokens(self) -> list[Token]:
        """The tokens of the text."""
        try:
            return sqlglot.tokenize(self.sql, read=self.dialect)
        except SqlglotError:
            return []

    def retyped(self, token: Token, text: str) -> str:
        """Return the text with other characters in the place of a token."""
        return (self.sql[: token.start] + text + self.sql[token.end + 1 :]).rstrip()

    @cached_property
    def tables(self) -> dict[str, Table]:
        """The schema's tables by lower-case name."""
        return {t.name.lower(): t for t in self.schema.tables}

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The schema's columns by lower-case name; the first of each name."""
        found: dict[str, Column] = {}
        for table in self.schema.tables:
            for column in table.columns:
                found.setdefault(column.name.lower(), column)
        return found

    @cached_property
    def base_columns(self) -> list[exp.Column]:
        """The nodes that name a column of the schema."""
        return [c for c in self.nodes(exp.Column) if c.name.lower() in self.columns]

    @cached_property
    def base_tables(self) -> list[exp.Table]:
        """The nodes that name a table of the schema."""
        return [t for t in self.nodes(exp.Table) if t.name.lower() in self.tables]

    def sources(self, select: exp.Select) -> list[tuple[str, Table]]:
        """Return the schema's tables that a SELECT reads directly, each with its alias."""
        return [
            (t.alias_or_name, self.tables[t.name.lower()])
            for t in self.base_tables
            if t.find_ancestor(exp.Select) is select
        ]

    def column_of(self, select: exp.Select, alias: str, name: str) -> exp.Column:
        """Return a reference to a column, qualified where the SELECT reads several tables."""
        table = alias if select.args.get("joins") else None
        return exp.column(exp.to_identifier(name), table=table)

    @cached_property
    def number(self) -> int:
        """A number that differs from query to query, and is the same in every process."""
        return int.from_bytes(hashlib.sha256(self.sql.encode()).digest()[:4], "big")

    def turned(self, items: Sequence[T]) -> list[T]:
        """Return items from another start for each query, then those before it."""
        start = self.number % len(items) if items else 0
        return [*items[start:], *items[:start]]

    def mixed(self, kinds: Sequence[Iterator[str]]) -> Iterator[str]:
        """Take from several kinds of edit in turn; which comes first differs by query."""
        return in_turn(self.turned(kinds))


def swap(node: exp.Expr, new: exp.Expr) -> Change:
    """Return the change that puts another node in a node's place."""
    parent, key = node.parent, node.arg_key
    assert parent is not None and key is not None
    value = parent.args[key]
    if isinstance(value, list):
        return parent, key, [new if item is node else item for item in value]
    return parent, key, new


def without(node: exp.Expr) -> Change:
    """Return the change that takes a node out of its parent."""
    parent, key = node.parent, node.arg_key
    assert parent is not None and key is not None
    value = parent.args[key]
    if isinstance(value, list):
        return parent, key, [item for item in value if item is not node]
    return parent, key, None


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """Return a call of a function that sqlglot need not know."""
    return exp.Anonymous(this=name, expressions=[a.copy() for a in arguments])


def narrowed(select: exp.Select, condition: exp.Expr) -> Change:
    """Return the change that adds a condition to a SELECT's WHERE."""
    return select, "where", exp.Where(this=_and(select.args.get("where"), condition))


def having(select: exp.Select, condition: exp.Expr) -> Change:
    """Return the change that adds a condition to a SELECT's HAVING."""
    return select, "having", exp.Having(this=_and(select.args.get("having"), condition))


def _and(clause: exp.Expr | None, condition: exp.Expr) -> exp.Expr:
    # A node that is given to a new parent forgets its old one: new parents get copies, everywhere.
    return exp.and_(clause.this, condition) if clause is not None else condition.copy()


def is_number(column: Column) -> bool:
    """Whether a column is declared to hold numbers."""
    # PostgreSQL's "interval" and "point" only look like integers.
    kinds = r"(?<!po)int(?!erval)|real|num|dec|float|doub|money"
    return bool(re.search(kinds, column.type, re.IGNORECASE))


def is_date(column: Column) -> bool:
    """Whether a column's type or name says that it holds a date."""
    return bool(re.search(r"date|time|(_at|_on|year)$", f"{column.type} {column.name}", re.I))


def wrong_column_names(column: Column, table: str) -> list[str]:
    """Return names that a model might take for a column's."""
    name, short = column.name.replace(" ", "_"), singular(table).lower()
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    candidates = [
        snake.removeprefix(f"{short}_") if snake.startswith(f"{short}_") else f"{short}_{snake}",
        singular(name) if singular(name) != name else f"{name}s",
        snake if snake != name else name.replace("_", ""),
        f"{name}_{'value' if is_number(column) or is_date(column) else 'name'}",
    ]
    return [c for c in dict.fromkeys(candidates) if c and c.lower() != column.name.lower()]


def wrong_table_names(name: str) -> list[str]:
    """Return names that a model might take for a table's."""
    name = name.replace(" ", "_")
    other_number = singular(name) if singular(name) != name else f"{name}s"
    return [other_number, f"{name}_table", f"{name}_data", f"tbl_{name}"]


def singular(name: str) -> str:
    """Return an English noun's singular, roughly."""
    if name.lower().endswith("ies") and len(name) > 4:
        return name[:-3] + "y"
    return name[:-1] if re.search(r"[^su]s$", name, re.IGNORECASE) else name


def in_turn(iterators: Sequence[Iterator[T]]) -> Iterator[T]:
    """Yield from several iterators in turn until all are exhausted."""
    waiting = list(iterators)
    while waiting:
        for iterator in list(waiting):
            try:
                yield next(iterator)
            except StopIteration:
                waiting.remove(iterator)
