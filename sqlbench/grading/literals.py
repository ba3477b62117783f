"""Which values do queries compare a column with? Data that is to tell queries apart needs them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from sqlglot import exp
from sqlglot.errors import SqlglotError

from sqlbench.databases.trees import parse_one

Value = int | float | str
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Like)


def literals_by_column(
    queries: Iterable[str], columns: Iterable[str], dialect: str = "sqlite"
) -> dict[str, list[Value]]:
    """Return the literals that stand beside each column in a comparison, and values near them.

    A number comes with its neighbours, since `>` and `>=` differ only there; a LIKE pattern with
    texts that it matches.

    Parameters
    ----------
    queries : iterable of str
        Queries that do not parse have no literals.
    columns : iterable of str
        The names of all columns: a quoted word that is none of them is a text (SQLite's rule).
    dialect : str
        As sqlglot names it.

    Returns
    -------
    dict
        Sorted values by column name in lower case.
    """
    known = {c.lower() for c in columns}
    found: dict[str, set[Value]] = defaultdict(set)
    for query in queries:
        try:
            tree = parse_one(query, dialect)
        except (SqlglotError, RecursionError):
            continue
        for node in tree.find_all(*_COMPARISONS):
            names = {c.name.lower() for c in node.find_all(exp.Column) if c.name.lower() in known}
            if len(names) != 1 or node.find(exp.Query):
                continue  # a join, or a comparison with a sub-query
            for value in _values(node, known):
                found[names.copy().pop()].update(_around(value, isinstance(node, exp.Like)))
    return {name: sorted(values, key=_order) for name, values in found.items()}


def sorting_columns(queries: Iterable[str], dialect: str = "sqlite") -> set[str]:
    """Return the names, in lower case, of the columns that stand in an ORDER BY."""
    found: set[str] = set()
    for query in queries:
        try:
            tree = parse_one(query, dialect)
        except (SqlglotError, RecursionError):
            continue
        for order in tree.find_all(exp.Order):
            found |= {column.name.lower() for column in order.find_all(exp.Column)}
    return found


def _values(node: exp.Expr, known: set[str]) -> Iterator[Value]:
    for literal in node.find_all(exp.Literal):
        if literal.is_string:
            yield literal.this
            continue
        try:
            number = int(literal.this)
        except ValueError:
            yield float(literal.this)
        else:
            yield -number if isinstance(literal.parent, exp.Neg) else number
    for column in node.find_all(exp.Column):
        if column.this.args.get("quoted") and not column.table and column.name.lower() not in known:
            yield column.name


def _around(value: Value, pattern: bool) -> list[Value]:
    if isinstance(value, str):
        if not pattern:
            return [value]
        plain = value.replace("_", "a")
        return [plain.replace("%", ""), plain.replace("%", "q")]
    return [value - 1, value, value + 1]


def _order(value: Value) -> tuple[str, float, str]:
    return ("text", 0.0, value) if isinstance(value, str) else ("number", float(value), "")
