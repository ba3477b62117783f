"""Edits of a gold query that should run and still fail: no rows, or other rows than the gold's.

They propose; `faults` runs each proposal and keeps those that fail as they should.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from sqlbench.databases.base import Column, Table
from sqlbench.grading.edits import (
    Query,
    call,
    having,
    in_turn,
    is_date,
    is_number,
    narrowed,
    swap,
    without,
)

_LOOSER: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GT: exp.GTE,
    exp.GTE: exp.GT,
    exp.LT: exp.LTE,
    exp.LTE: exp.LT,
}
_OTHER_AGGREGATE: dict[type[exp.Expr], tuple[type[exp.AggFunc], ...]] = {
    exp.Sum: (exp.Avg, exp.Max),
    exp.Avg: (exp.Sum, exp.Max),
    exp.Max: (exp.Min,),
    exp.Min: (exp.Max,),
}


def empty_result(query: Query) -> Iterator[str]:
    """Filter too strictly: no row is left."""
    yield from in_turn(
        [
            query.mixed([_misspelt_values(query), _moved_bounds(query), _wrong_join_keys(query)]),
            _values_in_another_case(query),
            _missing_values(query),
            _large_groups(query),
            _late_pages(query),
        ]
    )


def _misspelt_values(query: Query) -> Iterator[str]:
    for literal in query.nodes(exp.Literal):
        if literal.is_string and isinstance(literal.parent, (exp.EQ, exp.In, exp.Like)):
            for text in _miswritten(literal.name):
                yield query.render(swap(literal, exp.Literal.string(text)))
    for column in query.nodes(exp.Column):  # SQLite takes "Asia" for a string where no column is
        if column.this.quoted and column.name.lower() not in query.columns:
            for text in _miswritten(column.name):
                yield query.render(swap(column, exp.Literal.string(text)))


def _moved_bounds(query: Query) -> Iterator[str]:
    for literal in query.nodes(exp.Literal):
        parent, text = literal.parent, literal.name
        if literal.is_string:
            if isinstance(parent, (exp.GT, exp.GTE, exp.Between)) and text[:2] in ("19", "20"):
                yield query.render(swap(literal, exp.Literal.string(f"21{text[2:]}")))
        elif isinstance(parent, (exp.GT, exp.GTE, exp.EQ)):
            yield query.render(swap(literal, exp.Literal.number(f"{text}000")))
        elif isinstance(parent, (exp.LT, exp.LTE)):
            yield query.render(swap(literal, exp.Literal.number(-1)))


def _wrong_join_keys(query: Query) -> Iterator[str]:
    for equality in query.nodes(exp.EQ):
        left = equality.this
        if isinstance(left, exp.Column) and isinstance(equality.expression, exp.Column):
            table = _table_of(query, left)
            for column in table.columns if table else ():
                if not is_number(column) and column.name.lower() != left.name.lower():
                    yield query.render((left, "this", exp.to_identifier(column.name)))
                    break


def _values_in_another_case(query: Query) -> Iterator[str]:
    for select in query.selects:
        for alias, table in query.sources(select):
            for column in table.columns:
                sample = _sample(table, column)
                if isinstance(sample, str) and not is_date(column):
                    node = query.column_of(select, alias, column.name)
                    text = exp.Literal.string(_miswritten(sample)[0])
                    yield from _narrowed_and_grouped(query, select, node, node.eq(text))
                elif isinstance(sample, int | float) and not column.primary_key:
                    node = query.column_of(select, alias, column.name)
                    bound = exp.Literal.number(f"{round(abs(sample)) + 1}000")
                    yield from _narrowed_and_grouped(query, select, node, node > bound)


def _missing_values(query: Query) -> Iterator[str]:
    for select in query.selects:
        for alias, table in query.sources(select):
            for column in table.columns[:2]:
                node = query.column_of(select, alias, column.name)
                yield from _narrowed_and_grouped(query, select, node, node.is_(exp.null()))


def _narrowed_and_grouped(
    query: Query, select: exp.Select, node: exp.Column, condition: exp.Expr
) -> Iterator[str]:
    """Add a condition; an aggregate over no rows is a row, unless it is grouped."""
    changes = [narrowed(select, condition)]
    if select.args.get("group") is None and _aggregates(select):
        changes.append((select, "group", exp.Group(expressions=[node.copy()])))
    yield query.render(*changes)


def _large_groups(query: Query) -> Iterator[str]:
    for select in query.selects:
        if select.args.get("group") is not None or _aggregates(select):
            count = exp.Count(this=exp.Star())
            yield query.render(having(select, count > exp.Literal.number(1_000_000)))


def _late_pages(query: Query) -> Iterator[str]:
    tree = query.tree
    if isinstance(tree, exp.Query):
        limit = tree.args.get("limit") or exp.Limit(expression=exp.Literal.number(10))
        offset = exp.Offset(expression=exp.Literal.number(10_000))
        yield query.render((tree, "limit", limit), (tree, "offset", offset))


def wrong_result(query: Query) -> Iterator[str]:
    """Answer another question than the one that was asked."""
    yield from query.mixed(
        [
            in_turn([_dropped_conditions(query), _or_for_and(query)]),
            _other_aggregates(query),
            _distinct_toggled(query),
            in_turn([_shifted_bounds(query), _shifted_limits(query)]),
            _reversed_order(query),
            _other_joins(query),
            _other_columns(query),
            _dropped_group_keys(query),
        ]
    )
    yield from _extra_columns(query)


def _dropped_conditions(query: Query) -> Iterator[str]:
    for clause in [*query.nodes(exp.Where), *query.nodes(exp.Having)]:
        conditions = list(clause.this.flatten()) if isinstance(clause.this, exp.And) else []
        for dropped in conditions:
            rest = [c for c in conditions if c is not dropped]
            yield query.render((clause, "this", exp.and_(*rest)))
        if not conditions:
            yield query.render(without(clause))


def _or_for_and(query: Query) -> Iterator[str]:
    for node in query.nodes(exp.And):
        if isinstance(node.parent, exp.Where):
            new = exp.Or(this=node.this.copy(), expression=node.expression.copy())
            yield query.render(swap(node, new))


def _other_aggregates(query: Query) -> Iterator[str]:
    for node in query.nodes(exp.AggFunc):
        for kind in _OTHER_AGGREGATE.get(type(node), ()):
            yield query.render(swap(node, kind(this=node.this.copy())))
        if isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
            select = node.find_ancestor(exp.Select)
            if select is not None:
                for alias, table in query.sources(select):
                    column = query.column_of(select, alias, table.columns[-1].name)
                    yield query.render((node, "this", exp.Distinct(expressions=[column])))


def _distinct_toggled(query: Query) -> Iterator[str]:
    for node in query.nodes(exp.Distinct):
        if isinstance(node.parent, exp.Select):
            yield query.render(without(node))
        elif len(node.expressions) == 1:
            yield query.render(swap(node, node.expressions[0].copy()))
    for select in query.selects:
        if select.args.get("distinct") is None and not _aggregates(select):
            yield query.render((select, "distinct", exp.Distinct()))
    for union in query.nodes(exp.Union):
        yield query.render((union, "distinct", not union.args.get("distinct")))


def _shifted_bounds(query: Query) -> Iterator[str]:
    for kind, looser in _LOOSER.items():
        for node in query.nodes(kind):
            new = looser(this=node.args["this"].copy(), expression=node.args["expression"].copy())
            yield query.render(swap(node, new))
    for literal in query.nodes(exp.Literal):
        compared = isinstance(literal.parent, (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ))
        if compared and literal.name.isdigit() and not literal.is_string:
            yield query.render(swap(literal, exp.Literal.number(int(literal.name) + 1)))


def _shifted_limits(query: Query) -> Iterator[str]:
    for node in query.nodes(exp.Limit):
        count = node.expression
        if isinstance(count, exp.Literal) and count.name.isdigit():
            step = -1 if int(count.name) > 1 else 1
            yield query.render(swap(count, exp.Literal.number(int(count.name) + step)))
            yield query.render(without(node))


def _reversed_order(query: Query) -> Iterator[str]:
    for node in query.nodes(exp.Ordered):
        # Both, so that NULLs stay where the dialect puts them and the text says nothing of them.
        changes = [(node, key, not node.args.get(key)) for key in ("desc", "nulls_first")]
        yield query.render(*changes)


def _other_joins(query: Query) -> Iterator[str]:
    for node in query.nodes(exp.Join):
        if node.args.get("on") is not None:
            left = None if node.side else "LEFT"
            yield query.render((node, "side", left), (node, "kind", None))


def _other_columns(query: Query) -> Iterator[str]:
    for select in query.selects:
        if len(select.selects) > 1:
            yield query.render((select, "expressions", select.selects[:-1]))
        for projection in select.selects:
            for node in projection.find_all(exp.Column):
                table = _table_of(query, node)
                others = (
                    [c for c in table.columns if c.name.lower() != node.name.lower()]
                    if table
                    else []
                )
                if others:
                    chosen = others[query.number % len(others)]
                    yield query.render((node, "this", exp.to_identifier(chosen.name)))


def _dropped_group_keys(query: Query) -> Iterator[str]:
    for group in query.nodes(exp.Group):
        for key in group.expressions:
            yield query.render(without(key) if len(group.expressions) > 1 else without(group))


def _extra_columns(query: Query) -> Iterator[str]:
    for select in query.selects[:1]:
        for alias, table in query.sources(select):
            for column in table.columns[:2]:
                extra = query.column_of(select, alias, column.name)
                yield query.render((select, "expressions", [*select.selects, extra]))
        yield query.render((select, "expressions", [*select.selects, call("COUNT", exp.Star())]))


def _aggregates(select: exp.Select) -> bool:
    return any(
        node.find_ancestor(exp.Select) is select and not isinstance(node.parent, exp.Window)
        for projection in select.selects
        for node in projection.find_all(exp.AggFunc)
    )


def _table_of(query: Query, column: exp.Column) -> Table | None:
    """Return the schema's table that a reference reads, where that is plain to see."""
    select = column.find_ancestor(exp.Select)
    for alias, table in query.sources(select) if select is not None else ():
        named = {c.name.lower() for c in table.columns}
        if column.name.lower() in named and column.table.lower() in ("", alias.lower()):
            return table
    return None


def _sample(table: Table, column: Column) -> Any:
    return next((v for v in table.samples.get(column.name, ()) if v is not None), None)


def _miswritten(text: str) -> list[str]:
    """Return a value as someone writes it who has not looked: another case, a plural."""
    other_case = text.upper() if text != text.upper() else text.capitalize()
    spaced = text.replace("_", " ").title() if "_" in text else text.lower()
    return [t for t in (other_case, spaced, f"{text}s") if t != text]
