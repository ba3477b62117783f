"""Does a query fix its own answer? Order, ties and bare columns, read from its syntax tree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sqlbench.databases.base import Database, QueryError, Row

# Parsing takes longer than most queries: what has none of these words has no LIMIT.
_LIMITS = re.compile(r"\b(?:limit|fetch|top)\b", re.IGNORECASE)


def is_ordered(sql: str, dialect: str) -> bool:
    """Whether the outermost statement of a query has ORDER BY."""
    try:
        tree: exp.Expr | None = sqlglot.parse_one(sql, read=dialect)
    except (SqlglotError, RecursionError):
        return _ordered_by_tokens(sql, dialect)
    while isinstance(tree, (exp.Subquery, exp.Paren)) and not tree.args.get("order"):
        tree = tree.this
    return tree is not None and tree.args.get("order") is not None


def _ordered_by_tokens(sql: str, dialect: str) -> bool:
    """Look for ORDER BY outside all parentheses, where a query does not parse."""
    depth = 0
    try:
        tokens = sqlglot.tokenize(sql, read=dialect)
    except SqlglotError:
        return False
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.text.upper() in ("ORDER BY", "ORDER"):
            return True
    return False


def limits_rows(sql: str) -> bool:
    """Whether a query may have a LIMIT: False means that it has none."""
    return _LIMITS.search(sql) is not None


def cuts_tie(sql: str, database: Database, width: int | None = None) -> bool | None:
    """Whether a LIMIT of the query cuts through a tie; None where that cannot be told.

    Every ORDER BY that has a LIMIT is refined in two opposite ways, by all output columns
    ascending and by all of them descending. Where the two results differ as multisets, the query
    leaves open which rows belong to its answer. It cannot be told of a query that does not parse,
    or does not run when it is refined.

    Parameters
    ----------
    sql : str
        The query.
    database : Database
        Where it runs.
    width : int or None
        How many columns its result has, where that is known: ``SELECT *`` does not say.
    """
    if not limits_rows(sql):
        return False
    return _differ(sql, database, lambda t: _refine(t, width, _has_limit), Counter)


def leaves_order_open(sql: str, database: Database, width: int | None = None) -> bool:
    """Whether rows tie in the outermost ORDER BY, so that another order would be as right."""
    return bool(_differ(sql, database, lambda t: _refine(t, width, lambda q: q is t), list))


def has_open_columns(sql: str, database: Database) -> bool:
    """Whether a grouped query selects a column that its group does not fix.

    Every such column is replaced by its smallest, then by its largest value in the group. SQLite
    takes any of them; beside a min() or max() it takes that row's, which is left alone.
    """
    if "group" not in sql.lower():
        return False
    return bool(_differ(sql, database, _wrap_bare_columns, Counter))


def _differ(
    sql: str,
    database: Database,
    change: Callable[[exp.Expr], list[tuple[exp.Expr, str, object]]],
    view: Callable[[list[Row]], object],
) -> bool | None:
    """Whether a query changed in two opposite ways has two results; None if it does not run so.

    ``change`` changes a tree in the first way, and returns what to set in which of its nodes to
    have it changed in the second.
    """
    try:
        tree = sqlglot.parse_one(sql, read=database.dialect)
        opposite = change(tree)
        if not opposite:
            return False
        first = database.execute(tree.sql(dialect=database.dialect))
        for node, key, value in opposite:
            node.set(key, value)
        second = database.execute(tree.sql(dialect=database.dialect))
    except (SqlglotError, RecursionError, QueryError):
        return None  # the change is not valid here (an ordinal that the dialect refuses)
    return view(first.rows) != view(second.rows)


def _has_limit(query: exp.Query) -> bool:
    return bool(query.args.get("limit"))


def _refine(
    tree: exp.Expr, width: int | None, wanted: Callable[[exp.Query], bool]
) -> list[tuple[exp.Expr, str, object]]:
    """Append all output columns to the ORDER BY of the wanted queries, ascending."""
    opposite: list[tuple[exp.Expr, str, object]] = []
    for query in list(tree.find_all(exp.Query)):
        if not wanted(query) or isinstance(query, exp.Subquery):
            continue
        columns = len(query.selects)
        if any(e.is_star for e in query.selects):
            columns = width or 0 if query is tree else 0
        if not columns:
            continue
        order = query.args.get("order")
        added = [exp.Ordered(this=exp.Literal.number(i), desc=False) for i in range(1, columns + 1)]
        keys = list(order.expressions) if order else []
        query.set("order", exp.Order(expressions=[*keys, *added]))
        opposite += [(key, "desc", True) for key in added]
    return opposite


def _wrap_bare_columns(tree: exp.Expr) -> list[tuple[exp.Expr, str, object]]:
    opposite: list[tuple[exp.Expr, str, object]] = []
    for query in list(tree.find_all(exp.Select)):
        group = query.args.get("group")
        if group is None or query.find(exp.Min, exp.Max):
            continue
        keys = {e.sql().lower() for e in group.expressions}
        for selected in query.selects:
            inner = selected.unalias()
            if not isinstance(inner, exp.Column) or inner.is_star or inner.sql().lower() in keys:
                continue
            function = exp.Anonymous(this="MIN", expressions=[inner.copy()])
            selected.replace(exp.alias_(function, selected.alias_or_name, quoted=True))
            opposite.append((function, "this", "MAX"))
    return opposite
