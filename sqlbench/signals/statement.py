"""A statement as the signals read it: parsed once, every column with the table that it is of.

SQLite takes a name in double quotes that no table has for a text; here it is a literal too.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from sqlglot import exp

from sqlbench.databases.trees import parse_one
from sqlbench.signals.catalogue import Catalogue, full_name

_CLAUSES = {
    "from_": "from", "where": "where", "group": "group", "having": "having", "order": "order",
    "limit": "limit", "offset": "limit", "expressions": "select", "distinct": "select",
}  # fmt: skip
_OPERATORS: dict[type, str] = {
    exp.EQ: "=", exp.NEQ: "!=", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
    exp.Like: "like", exp.ILike: "like", exp.Glob: "like", exp.In: "in", exp.Between: "between",
    exp.Is: "is",
}  # fmt: skip
AGGREGATES: dict[type, str] = {
    exp.Count: "count", exp.Sum: "sum", exp.Avg: "avg", exp.Min: "min", exp.Max: "max",
}  # fmt: skip
_SETS = (exp.Union, exp.Intersect, exp.Except)
_Compared: TypeAlias = "tuple[Set[int], ColumnUse | None, bool]"


@dataclass(eq=False, slots=True)
class ColumnUse:
    """A column where a statement uses it.

    ``table`` is the real table's name in lower case; empty where the column is of a sub-query,
    or where no table has it (``known`` is False then).
    """

    table: str
    name: str
    clause: str
    function: str
    scope: Scope
    node: exp.Column
    known: bool

    @property
    def full(self) -> str:
        """The column as ``table.column``."""
        return f"{self.table}.{self.name}" if self.table else self.name


@dataclass(eq=False, slots=True)
class LiteralUse:
    """A literal, with the column and the operator that it is compared by, if it is.

    ``operator`` is that of the comparison around it. ``column`` is there only where the literal is
    compared with the column's own values; ``folded`` is True where their case does not count.
    """

    text: str
    number: bool
    clause: str
    scope: Scope
    node: Any
    column: ColumnUse | None = None
    operator: str = ""
    folded: bool = False


@dataclass(eq=False)
class Scope:
    """One SELECT.

    Attributes
    ----------
    select : Select
        sqlglot's node.
    parent : Scope or None
        The SELECT around it.
    kind : {"outer", "set", "derived", "sub"}
        The outermost, a further part of its set operation, one in a FROM or WITH, another one.
    sources : dict of str to str
        Alias to real table in lower case; "" for a sub-query.
    columns, literals : list
        The uses of its own, those of inner SELECTs left out.
    """

    select: exp.Select
    parent: Scope | None
    kind: str
    sources: dict[str, str] = field(default_factory=dict)
    columns: list[ColumnUse] = field(default_factory=list)
    literals: list[LiteralUse] = field(default_factory=list)

    @cached_property
    def tables(self) -> list[str]:
        """The real tables, in the order in which they are named."""
        return [t for t in self.sources.values() if t]

    @cached_property
    def joins(self) -> list[exp.Join]:
        """The joins of its FROM."""
        return list(self.select.args.get("joins") or ())

    @cached_property
    def projections(self) -> list[Any]:
        """The expressions of its list, without their aliases."""
        return [e.unalias() for e in self.select.expressions]

    def clause(self, name: str) -> Any:
        """Return a clause of the SELECT by sqlglot's name of it, None if it has none."""
        return self.select.args.get(name)

    def used(self, *clauses: str) -> list[ColumnUse]:
        """Return the columns that some clauses use."""
        return [c for c in self.columns if c.clause in clauses]


class Statement:
    """A parsed statement; raises `sqlglot.errors.ParseError` or `TokenError` if it does not parse.

    Parameters
    ----------
    sql : str
        One statement.
    catalogue : Catalogue
        The database that its names are looked up in.

    Attributes
    ----------
    tree : Expression
        sqlglot's tree.
    scopes : list of Scope
        Every SELECT, outermost first.
    columns, literals : list
        Every use, in the order of the text.
    unknown_tables : list of str
        Names in FROM that no table has.
    kinds : dict
        How many nodes of each class the tree holds.
    """

    def __init__(self, sql: str, catalogue: Catalogue) -> None:
        self.sql = sql
        self.tree: Any = parse_one(sql, catalogue.dialect)
        self._catalogue = catalogue
        self.scopes: list[Scope] = []
        self.columns: list[ColumnUse] = []
        self.literals: list[LiteralUse] = []
        self.unknown_tables: list[str] = []
        self.kinds: dict[type, int] = {}
        self._defined: set[str] = set()
        self._walk(self.tree, None, "select", "", "outer")
        for scope in self.scopes:
            self._compare(scope)

    @cached_property
    def outer(self) -> Scope | None:
        """The SELECT whose columns are the answer's: the first of a set operation."""
        return self.scopes[0] if self.scopes else None

    @cached_property
    def outers(self) -> list[Scope]:
        """The outermost SELECT, and the further ones of its set operation."""
        return [s for s in self.scopes if s.kind in ("outer", "set")]

    @cached_property
    def tables(self) -> list[str]:
        """Every mention of a real table, in lower case."""
        return [t for s in self.scopes for t in s.tables]

    @cached_property
    def selected(self) -> list[ColumnUse]:
        """The columns in the list of the outermost SELECT."""
        return self.outer.used("select") if self.outer is not None else []

    @property
    def projections(self) -> list[Any]:
        """What the outermost SELECT returns, without aliases."""
        return self.outer.projections if self.outer is not None else []

    def count(self, *kinds: type) -> int:
        """Return how many nodes of these classes the tree holds."""
        return sum(self.kinds.get(kind, 0) for kind in kinds)

    def first(self, kind: type) -> Any:
        """Return the first node of a class, None if there is none."""
        return self.tree.find(kind) if self.kinds.get(kind) else None

    def _walk(self, node: Any, scope: Scope | None, clause: str, function: str, kind: str) -> None:
        cls = type(node)
        self.kinds[cls] = self.kinds.get(cls, 0) + 1
        if cls is exp.Column:
            self._column(node, scope, clause, function)
        elif cls is exp.Literal:
            if scope is not None:
                use = LiteralUse(str(node.this), not node.is_string, clause, scope, node)
                self._keep(use)
        elif cls is exp.Table:
            self._table(node, scope)
        elif cls is exp.Select:
            self._select(node, scope, kind)
        elif cls in _SETS:
            self._set(node, scope, clause, kind)
        elif cls is exp.CTE:
            self._defined.add(node.alias.lower())
            self._walk(node.this, scope, "from", "", "derived")
        elif cls is exp.Subquery:
            if kind == "derived" and scope is not None and node.alias:
                scope.sources[node.alias.lower()] = ""
            for key, value in node.args.items():
                if key != "alias":
                    self._each(value, scope, clause, "", kind)
        else:
            function = AGGREGATES.get(cls, function)
            for key, value in node.args.items():
                if value and key != "alias":
                    self._each(value, scope, clause, function, kind)

    def _each(self, value: Any, scope: Scope | None, clause: str, function: str, kind: str) -> None:
        for child in value if type(value) is list else (value,):
            if isinstance(child, exp.Expression):
                self._walk(child, scope, clause, function, kind)

    def _set(self, node: Any, scope: Scope | None, clause: str, kind: str) -> None:
        args = node.args
        self._each(args.get("with_"), scope, "from", "", "derived")
        first = len(self.scopes)
        self._walk(node.this, scope, clause, "", kind)
        last = self.scopes[first] if first < len(self.scopes) else scope
        inner = "set" if kind == "outer" else kind
        self._walk(args["expression"], scope, clause, "", inner)
        for key in ("order", "limit", "offset"):
            self._each(args.get(key), last, _CLAUSES[key], "", "sub")

    def _select(self, node: Any, parent: Scope | None, kind: str) -> None:
        scope = Scope(node, parent, kind)
        self.scopes.append(scope)
        args = node.args
        self._each(args.get("with_"), None, "from", "", "derived")
        self._each(args.get("from_"), scope, "from", "", "derived")
        for join in args.get("joins") or ():
            self.kinds[exp.Join] = self.kinds.get(exp.Join, 0) + 1
            self._walk(join.this, scope, "join", "", "derived")
        for join in args.get("joins") or ():
            self._each(join.args.get("on"), scope, "join", "", "sub")
            self._each(join.args.get("using"), scope, "join", "", "sub")
        for key, value in args.items():
            if value and key not in ("from_", "joins", "with_"):
                self._each(value, scope, _CLAUSES.get(key, "where"), "", "sub")

    def _table(self, node: Any, scope: Scope | None) -> None:
        if scope is None:
            return
        name = node.name.lower()
        alias = (node.alias or node.name).lower()
        found = None
        if name not in self._defined:
            schema = f"{node.db.lower()}." if node.args.get("db") else ""
            found = self._catalogue.table(schema + name) or self._catalogue.table(name)
            if found is None and name not in self._catalogue.unread:
                self.unknown_tables.append(node.name)
        while alias in scope.sources:
            alias += "'"  # the same table twice without an alias: both count
        scope.sources[alias] = full_name(found).lower() if found is not None else ""

    def _column(self, node: Any, scope: Scope | None, clause: str, function: str) -> None:
        if scope is None or not isinstance(node.this, exp.Identifier):
            return
        name = node.name.lower()
        table, known = self._home(name, node.table.lower(), scope)
        if (
            not known
            and node.this.quoted
            and not node.table
            and self._catalogue.dialect == "sqlite"
        ):
            self._keep(LiteralUse(node.name, False, clause, scope, node))
            return
        use = ColumnUse(table, name, clause, function, scope, node, known)
        scope.columns.append(use)
        self.columns.append(use)

    def _keep(self, use: LiteralUse) -> None:
        use.scope.literals.append(use)
        self.literals.append(use)

    def _home(self, name: str, prefix: str, scope: Scope | None) -> tuple[str, bool]:
        """Return a column's table, and whether there is such a column."""
        while scope is not None:
            if prefix:
                if prefix in scope.sources:
                    table = scope.sources[prefix]
                    return table, not table or name in self._catalogue.columns(table)
            else:
                for table in scope.sources.values():
                    if table and name in self._catalogue.columns(table):
                        return table, True
                if "" in scope.sources.values() or name in _aliases(scope):
                    return "", True
            scope = scope.parent
        return "", False

    def _compare(self, scope: Scope) -> None:
        """Find for each literal the column that it is compared with.

        That is the column itself: it need hold neither what a function makes of it nor what the
        function is told.
        """
        columns = {id(c.node): c for c in scope.columns}
        read: dict[int, _Compared] = {}  # a list of IN may be long: it is read once
        for literal in scope.literals:
            node, operator = literal.node.parent, ""
            for _ in range(4):
                if node is None or isinstance(node, exp.Select):
                    break
                operator = _OPERATORS.get(type(node), "")
                if operator:
                    break
                node = node.parent
            if operator:
                literal.operator = operator
                if id(node) not in read:
                    read[id(node)] = _compared(node, columns)
                operands, column, folded = read[id(node)]
                if id(literal.node) in operands:
                    literal.column, literal.folded = column, folded


def _compared(node: Any, columns: dict[int, ColumnUse]) -> _Compared:
    """Return what a comparison compares: ids of nodes, the column, whether case is left out."""
    sides = [_operand(side) for side in node.iter_expressions()]
    operands = {id(side): columns.get(id(side)) for side, _ in sides}
    column = next((c for c in operands.values() if c is not None), None)
    return operands.keys(), column, any(folded for _, folded in sides)


def _operand(node: Any) -> tuple[Any, bool]:
    """Return whose values an expression has, and whether it has them but for their case."""
    folded = False
    while True:
        if isinstance(node, (exp.Lower, exp.Upper)) or _without_case(node):
            folded = True
        elif not isinstance(node, exp.Paren) and not _text_again(node):
            return node, folded
        node = node.this


def _without_case(node: Any) -> bool:
    return isinstance(node, exp.Collate) and node.expression.name.lower() == "nocase"


def _text_again(node: Any) -> bool:
    """Return whether a text is cast to text; what a cast makes of a column depends on its type."""
    return (
        isinstance(node, exp.Cast)
        and isinstance(node.this, exp.Literal)
        and node.this.is_string
        and node.to.this in (exp.DataType.Type.TEXT, exp.DataType.Type.VARCHAR)
        and not node.to.expressions
    )


def _aliases(scope: Scope) -> set[str]:
    return {e.alias.lower() for e in scope.select.expressions if e.alias}
