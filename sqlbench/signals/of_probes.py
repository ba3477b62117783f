"""Signals that ask the data: extra statements, in the sandbox and within limits of their own.

What a limit stops is unknown, never false.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from sqlbench.databases.base import Row, quote_name
from sqlbench.signals.of_values import in_blanks
from sqlbench.signals.reading import Measure, Reading, Register
from sqlbench.signals.statement import AGGREGATES, Scope, Statement

signal = Register("data")


@signal.of_statement
def cut_tie(r: Reading, s: Statement) -> Measure:
    """The rows that LIMIT keeps and the next one are equal in what they are ordered by."""
    keys = _around_cut(r, s)
    if keys is None or keys == []:
        return None if keys is None else 0
    found = len(keys) == 2 and keys[0] == keys[1]
    return (found, "LIMIT cuts through a tie: another row is equal to the last that is kept.")


@signal.of_statement
def null_extreme(r: Reading, s: Statement) -> Measure:
    """What is kept as the most or least is a NULL."""
    keys = _around_cut(r, s)
    if keys is None:
        return None
    found = bool(keys) and keys[0][0] is None
    return (found, "The rows are ordered by a value that is NULL for the one that is kept.")


@signal.of_statement
def subquery_rows(r: Reading, s: Statement) -> Measure:
    """An inner SELECT whose single value is compared with has several rows (1), or none (2)."""
    worst = 0
    for scope in s.scopes:
        node = scope.select.parent
        if scope.kind != "sub" or not isinstance(node, exp.Subquery):
            continue
        if not isinstance(node.parent, (exp.EQ, exp.NEQ, exp.GT, exp.LT, exp.GTE, exp.LTE)):
            continue
        if all(isinstance(p, tuple(AGGREGATES)) for p in scope.projections) and not scope.clause(
            "group"
        ):
            continue
        if _correlated(scope):
            continue
        limited = scope.select.sql(dialect=r.catalogue.dialect)
        rows = r.ask(f"SELECT 1 FROM ({limited}) AS inner_rows LIMIT 2")
        if rows is None:
            return None
        worst = max(worst, 1 if len(rows) > 1 else 2 if not rows else 0)
    said = "An inner SELECT whose value is compared with has several rows: the first is taken."
    if worst == 2:
        said = "An inner SELECT whose value is compared with has no rows."
    return (worst, said)


@signal.of_statement
def counted_twice(r: Reading, s: Statement) -> Measure:
    """A join repeats the rows that are counted, summed or averaged: how often, less one."""
    outer = s.outer
    if outer is None or len(outer.tables) < 2 or len(s.outers) > 1:
        return 0
    if not any(p.find(*AGGREGATES) is not None for p in outer.projections):
        return 0
    keys = _primary_keys(r, outer)
    if not keys:
        return None
    base = exp.select(
        "COUNT(*)", *(f"COUNT(DISTINCT {k})" for k in keys.values()), dialect=r.catalogue.dialect
    )
    for name in ("from_", "joins", "where", "with_"):
        if outer.clause(name) is not None:
            value = outer.clause(name)
            copied = [v.copy() for v in value] if isinstance(value, list) else value.copy()
            base.set(name, copied)
    rows = r.ask(base.sql(dialect=r.catalogue.dialect, copy=False))
    if not rows:
        return None
    total, distinct = rows[0][0], dict(zip(keys, rows[0][1:], strict=True))
    if not total:
        return 0
    aggregated = {c.table for c in outer.columns if c.function and c.clause == "select"}
    counts = [distinct[t] for t in aggregated if t in distinct]
    if any(
        isinstance(p, exp.Count) and isinstance(p.this, exp.Distinct) for p in outer.projections
    ):
        return 0
    best = min(counts) if counts else max(distinct.values())
    if not best or best >= total:
        return 0
    return (min(total / best - 1, 10), "A join repeats the rows that are counted or summed.")


@signal.of_statement
def condition_idle(r: Reading, s: Statement) -> Measure:
    """How many conditions of the WHERE exclude nothing, taken alone."""
    outer = s.outer
    where = outer.clause("where") if outer is not None else None
    if outer is None or where is None or not r.rows or len(outer.tables) != 1:
        return 0
    owner = r.catalogue.table(outer.tables[0])
    if owner is None or not owner.row_count or s.count(exp.Subquery, exp.With):
        return 0
    found = 0
    for part in _conjuncts(where.this)[:3]:
        source = outer.clause("from_").sql(dialect=r.catalogue.dialect)
        rows = r.ask(f"SELECT COUNT(*) {source} WHERE {part.sql(dialect=r.catalogue.dialect)}")
        if not rows:
            return None
        found += rows[0][0] == owner.row_count
    return (found, "A condition of the WHERE excludes no row.")


@signal.of_statement
def empty_join(r: Reading, s: Statement) -> Measure:
    """The result is empty, and so are its joins without any condition: the data has no pairs."""
    outer = s.outer
    if outer is None or r.size or r.error is not None or len(outer.tables) < 2:
        return 0
    query = exp.select("1")
    for name in ("from_", "joins", "with_"):
        value = outer.clause(name)
        if value is not None:
            query.set(name, [v.copy() for v in value] if isinstance(value, list) else value.copy())
    rows = r.ask(query.limit(1, copy=False).sql(dialect=r.catalogue.dialect, copy=False))
    if rows is None:
        return None
    return (not rows, "The joined tables have no rows in common, whatever the conditions are.")


@signal.of_statement
def empty_by_literal(r: Reading, s: Statement) -> Measure:
    """The result is empty: a text is not in its column (1), or all are there (2)."""
    if r.size or r.error is not None:
        return 0
    worst = 2
    for x in s.literals:
        c = x.column
        if c is None or not c.table or x.operator not in ("=", "in"):
            continue
        held = r.catalogue.holds(c.table, c.name, x.text, folded=x.folded)
        if held is None:
            return None
        if not held and not in_blanks(r, x):
            worst = 1
    return worst


@signal.of_statement
def empty_of_key(r: Reading, s: Statement) -> Measure:
    """The result is empty, and tables are joined by columns of which no value is in both."""
    if r.size or r.error is not None:
        return 0
    for scope in s.scopes:
        for c in scope.used("join"):
            node = c.node.parent
            if not isinstance(node, exp.EQ) or node.left is not c.node or not c.table:
                continue
            other = next((o for o in scope.columns if o.node is node.right), None)
            if other is None or not other.table:
                continue
            own = r.catalogue.values(c.table, c.name)
            theirs = r.catalogue.values(other.table, other.name)
            if own.found and theirs.found and not set(own.texts) & set(theirs.texts):
                return (1, f"{c.full} and {other.full} have no value in common.")
    return 0


def _around_cut(r: Reading, s: Statement) -> list[Row] | None:
    """Return the keys of the last row that LIMIT keeps and of the next; None if unknown."""
    kept: Any = r.memory.get("around_cut", r)
    if kept is not r:
        return kept  # type: ignore[no-any-return]
    r.memory["around_cut"] = found = _read_around_cut(r, s)
    return found


def _read_around_cut(r: Reading, s: Statement) -> list[Row] | None:
    scope = next((x for x in s.scopes if x.clause("limit") and x.clause("order")), None)
    if scope is None or r.error is not None:
        return []
    if scope.clause("distinct") is not None or _correlated(scope) or scope.clause("offset"):
        return None
    limit = scope.clause("limit").expression
    if not isinstance(limit, exp.Literal) or not str(limit.this).isdigit() or limit.this == "0":
        return None
    names = {e.alias.lower(): e.this for e in scope.select.expressions if e.alias}
    keys = []
    for ordered in scope.clause("order").expressions:
        key = ordered.this
        if isinstance(key, exp.Column) and not key.table and key.name.lower() in names:
            key = names[key.name.lower()]
        if isinstance(key, exp.Literal):
            return None
        keys.append(key.copy())
    query = scope.select.copy()
    query.set("expressions", [exp.alias_(k, f"key_{i}") for i, k in enumerate(keys)])
    order = []
    for i, ordered in enumerate(scope.clause("order").expressions):
        place = ordered.copy()
        place.set("this", exp.Literal.number(i + 1))
        order.append(place)
    query.set("order", exp.Order(expressions=order))
    query = query.limit(2, copy=False).offset(int(limit.this) - 1, copy=False)
    return r.ask(query.sql(dialect=r.catalogue.dialect, copy=False))


def _correlated(scope: Scope) -> bool:
    """Return whether a SELECT reads a column of the one around it."""
    own = set(scope.sources)
    tables = set(scope.tables)
    return any(
        (c.node.table and c.node.table.lower() not in own)
        or (not c.node.table and c.table and c.table not in tables)
        for c in scope.columns
    )


def _primary_keys(r: Reading, scope: Scope) -> dict[str, str]:
    found = {}
    for alias, name in scope.sources.items():
        table = r.catalogue.table(name) if name else None
        keys = [c.name for c in table.columns if c.primary_key] if table is not None else []
        if len(keys) == 1 and name not in found and not alias.endswith("'"):
            dialect = r.catalogue.dialect
            found[name] = f"{quote_name(alias, dialect)}.{quote_name(keys[0], dialect)}"
    return found


def _conjuncts(node: Any) -> list[Any]:
    if isinstance(node, exp.And):
        return _conjuncts(node.this) + _conjuncts(node.expression)
    return [node]
