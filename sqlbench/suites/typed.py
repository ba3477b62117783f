"""What a schema says of the tree of a query of SQLite: its columns, and its parts' types."""

from __future__ import annotations

from typing import cast

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from sqlbench.databases.base import Schema


class Known:
    """What the schema says of a tree: its columns, and types where sqlglot finds them.

    Parameters
    ----------
    tree : sqlglot.exp.Expr
        The query's; types are found once, when one is first asked for.
    schema : Schema
        The database's.

    Attributes
    ----------
    tables : dict
        Of each table in small letters: its columns, and their declared types.
    columns : set of str
        All columns in small letters.
    """

    def __init__(self, tree: exp.Expr, schema: Schema) -> None:
        self.tables = {
            t.name.lower(): {c.name.lower(): c.type for c in t.columns} for t in schema.tables
        }
        self.columns = {c for columns in self.tables.values() for c in columns}
        self._tree = tree
        self._twins: dict[int, exp.Expr] | None = None

    def kind(self, node: exp.Expr) -> str:
        """Return ``integer``, ``real``, ``text`` or nothing of what a node's value is."""
        return self._kind(self._twin(node))

    def divides_integers(self, division: exp.Div) -> bool:
        """Whether both sides of a division are integers."""
        twin = self._twin(division)
        sides = (twin.this, twin.expression) if twin is not None else (None,)
        return all(self._kind(side) == "integer" for side in sides)

    @staticmethod
    def _kind(found: exp.Expr | None) -> str:
        if found is None or found.type is None:
            return ""
        if found.is_type(*exp.DataType.INTEGER_TYPES):
            return "integer"
        if found.is_type(*exp.DataType.NUMERIC_TYPES):
            return "real"
        return "text" if found.is_type(*exp.DataType.TEXT_TYPES) else ""

    def _twin(self, node: exp.Expr) -> exp.Expr | None:
        if self._twins is None:
            self._twins = self._annotated()
        return self._twins.get(id(node))

    def _annotated(self) -> dict[int, exp.Expr]:
        """Return for each node its twin in a copy whose columns are found and typed."""
        schema = {
            table: {column: _sqlite_type(type_) for column, type_ in columns.items()}
            for table, columns in self.tables.items()
        }
        copy = self._tree.copy()
        try:
            copy = qualify(
                copy,
                schema=cast("dict[str, object]", schema),
                dialect="sqlite",
                quote_identifiers=False,
                identify=False,
                validate_qualify_columns=False,
                expand_stars=False,
                expand_alias_refs=False,
            )
            copy = annotate_types(copy, schema=cast("dict[str, object]", schema), dialect="sqlite")
        except (SqlglotError, RecursionError):
            return {}
        twins: dict[int, exp.Expr] = {}
        for kind in (
            exp.Column,
            exp.Literal,
            exp.Div,
            exp.AggFunc,
            exp.Func,
            exp.Subquery,
            exp.Neg,
        ):
            ours = list(self._tree.find_all(kind, bfs=False))
            theirs = list(copy.find_all(kind, bfs=False))
            if len(ours) == len(theirs):  # else qualifying has made or dropped some
                twins |= {id(a): b for a, b in zip(ours, theirs, strict=True)}
        return twins


def _sqlite_type(declared: str) -> str:
    """Return a declared type's affinity (SQLite's manual, datatype3) as a type of sqlglot's."""
    upper = declared.upper()
    if "INT" in upper:
        return "BIGINT"
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if any(word in upper for word in ("REAL", "FLOA", "DOUB")):
        return "DOUBLE"
    return "TEXT" if "DATE" in upper or "TIME" in upper else "DECIMAL"
