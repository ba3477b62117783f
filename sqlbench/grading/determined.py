"""Does a query fix its own answer? Order, ties and bare columns, read from its syntax tree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sqlbench.databases.base import Database, QueryError, Row
from sqlbench.databases.trees import parse_one
from sqlbench.grading.clauses import limits_rows, orders_rows
from sqlbench.grading.written import written

_AGGREGATES = re.compile(
    r"\b(?:group\s+by|count|sum|total|avg|min|max|group_concat|string_agg|json_group_\w+)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def is_ordered(sql: str, dialect: str) -> bool:
    """Whether the outermost statement of a query has ORDER BY."""
    if not orders_rows(sql):
        return False
    try:
        tree: exp.Expr | None = parse_one(sql, dialect)
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


def leaves_order_open(sql: str, database: Database, width: int | None = None) -> bool | None:
    """Whether rows tie in the outermost ORDER BY, so that another order would be as right.

    None where that cannot be told.
    """
    return _differ(sql, database, lambda t: _refine(t, width, lambda q: q is t), list)


def has_open_columns(sql: str, database: Database) -> bool | None:
    """Whether an aggregate query selects a column that its group does not fix.

    Every such column is replaced by its smallest, then by its largest value in the group. SQLite
    takes any of them; beside one min() or max() that is selected it takes that row's, which is left
    alone. None where it cannot be told.
    """
    if not _AGGREGATES.search(sql):
        return False
    return _differ(sql, database, lambda t: _wrap_bare_columns(t, database), Counter)


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
        tree = parse_one(sql, database.dialect)
        opposite = change(tree)
        if not opposite:
            return False
        first = database.execute(written(tree, database.dialect, sql))
        for node, key, value in opposite:
            node.set(key, value)
        second = database.execute(written(tree, database.dialect, sql))
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


def _wrap_bare_columns(tree: exp.Expr, database: Database) -> list[tuple[exp.Expr, str, object]]:
    opposite: list[tuple[exp.Expr, str, object]] = []
    for query in list(tree.find_all(exp.Select)):
        group = query.args.get("group")
        aggregates = [a for p in _asked(query) for a in p.find_all(exp.AggFunc) if _own(a, query)]
        if group is None and not aggregates:
            continue
        extremes = [a for a in aggregates if isinstance(a, (exp.Min, exp.Max))]
        selected_extremes = [e for s in query.selects for e in s.find_all(exp.Min, exp.Max)]
        if len(extremes) == 1 and any(e is extremes[0] for e in selected_extremes):
            continue  # SQLite takes the row of the one minimum or maximum
        if any(e.is_star for e in query.selects):
            _spell_out(query, database)
        keys = {k.sql().lower() for k in (group.expressions if group else [])}
        numbered = {int(k) for k in keys if k.isdigit()}
        for place, selected in enumerate(list(query.selects), start=1):
            inner = selected.unalias()
            bare = isinstance(inner, exp.Column) and not inner.is_star
            named = {inner.sql().lower(), inner.name.lower(), selected.alias_or_name.lower()}
            if not bare or place in numbered or named & keys or _keyed(inner, keys):
                continue
            function = exp.Anonymous(this="MIN", expressions=[inner.copy()])
            alias = exp.alias_(function, selected.alias_or_name, quoted=True, copy=False)
            selected.replace(alias)
            opposite.append((function, "this", "MAX"))
    return opposite


def _asked(query: exp.Select) -> list[exp.Expr]:
    """Return what decides which row of a group SQLite takes: the results, HAVING and ORDER BY."""
    parts = [*query.selects, query.args.get("having"), query.args.get("order")]
    return [p for p in parts if p is not None]


def _own(aggregate: exp.Expr, query: exp.Select) -> bool:
    """Whether an aggregate is over this query's rows: of no sub-select, and of no window."""
    over = isinstance(aggregate.parent, exp.Window) or isinstance(
        getattr(aggregate.parent, "parent", None), exp.Window
    )
    return not over and aggregate.find_ancestor(exp.Select) is query


def _keyed(column: exp.Expr, keys: set[str]) -> bool:
    """Whether a column stands in GROUP BY with its table, and here without it."""
    return not column.args.get("table") and any(
        key.rpartition(".")[2].strip('"`[]') == column.name.lower() for key in keys
    )


def _spell_out(query: exp.Select, database: Database) -> None:
    """Write the columns of ``*`` where the tables of FROM are the database's own."""
    from_ = query.args.get("from_") or query.args.get("from")
    sources = [from_.this] if from_ else []
    sources += [join.this for join in query.args.get("joins") or []]
    known = {t.name.lower(): t for t in database.schema().tables}
    if not all(isinstance(s, exp.Table) and s.name.lower() in known for s in sources):
        return
    columns: list[exp.Expr] = []
    for selected in query.selects:
        if not selected.is_star:
            columns.append(selected)
            continue
        of = selected.args.get("table") if isinstance(selected, exp.Column) else None
        for source in sources:
            if of is None or of.name.lower() == source.alias_or_name.lower():
                columns += [
                    exp.column(exp.to_identifier(c.name, quoted=True), table=source.alias_or_name)
                    for c in known[source.name.lower()].columns
                ]
    query.set("expressions", columns)
