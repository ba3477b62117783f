"""Edits that fail on PostgreSQL where SQLite would let them pass, by the error's class.

PostgreSQL checks types and grouping, has other functions, and stops at a division by zero. As in
`fault_raised`, these propose, and `sqlbench.models.simulated.faults` keeps what fails as it should.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import TokenType, exp

from sqlbench.grading.edits import Query, call, in_turn, is_date, is_number, narrowed, swap
from sqlbench.models.simulated import fault_raised

# What SQLite and MySQL call it.
_FOREIGN_NAMES = {
    "TO_CHAR": ("STRFTIME", "DATE_FORMAT"),
    "COALESCE": ("IFNULL", "NVL"),
    "STRING_AGG": ("GROUP_CONCAT", "LISTAGG"),
    "EXTRACT": ("DATEPART", "JULIANDAY"),
}


def no_such_function(query: Query) -> Iterator[str]:
    """Call a function by the name that SQLite or MySQL has for it, or give it the wrong type."""
    yield from query.mixed([_foreign_names(query), fault_raised.no_such_function(query)])


def renamed_calls(query: Query, foreign: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Call each function by the two names that other engines have for it."""
    for choice in range(2):
        for token, following in zip(query.tokens, query.tokens[1:], strict=False):
            names = foreign.get(token.text.upper())
            if names and following.token_type == TokenType.L_PAREN:
                yield query.retyped(token, names[choice])


def _foreign_names(query: Query) -> Iterator[str]:
    yield from renamed_calls(query, _FOREIGN_NAMES)
    for node in query.base_columns:
        if is_date(query.columns[node.name.lower()]):
            yield query.render(swap(node, call("JULIANDAY", node)))
            yield query.render(swap(node, call("STRFTIME", exp.Literal.string("%Y"), node)))


def datatype_mismatch(query: Query) -> Iterator[str]:
    """Compare a number with a word, fill up numbers with a word, or read a word as a number."""
    yield from in_turn([words_for_numbers(query), words_as_numbers(query), _mixed_cases(query)])
    yield from fault_raised.datatype_mismatch(query)


def words_for_numbers(query: Query) -> Iterator[str]:
    """Compare a number with a word, or fill one up with it."""
    for literal in query.turned(query.nodes(exp.Literal)):
        other = _other_side(literal)
        if not literal.is_string and isinstance(other, exp.Column):
            yield query.render(swap(literal, exp.Literal.string(f"{literal.name} units")))
    for node in query.turned(query.base_columns):
        if is_number(query.columns[node.name.lower()]):
            filled = call("COALESCE", node, exp.Literal.string("n/a"))
            yield query.render(swap(node, filled))


def words_as_numbers(query: Query) -> Iterator[str]:
    """Read a word as a number or a date."""
    for node in query.turned(query.base_columns):
        column = query.columns[node.name.lower()]
        if not is_number(column):
            kind = "DATE" if not is_date(column) else "INT"
            yield query.render(swap(node, exp.cast(node.copy(), kind)))


def _mixed_cases(query: Query) -> Iterator[str]:
    for node in query.turned(query.base_columns):
        if is_number(query.columns[node.name.lower()]):
            missing = exp.Is(this=node.copy(), expression=exp.null())
            case = exp.Case().when(missing, exp.Literal.string("none")).else_(node.copy())
            yield query.render(swap(node, case))


def aggregation_error(query: Query) -> Iterator[str]:
    """Leave a selected column out of GROUP BY, or do what no dialect allows."""
    yield from query.mixed([_missing_keys(query), fault_raised.aggregation_error(query)])


def _missing_keys(query: Query) -> Iterator[str]:
    for group in query.nodes(exp.Group):
        keys = group.expressions
        for key in keys if len(keys) > 1 else ():
            yield query.render((group, "expressions", [k for k in keys if k is not key]))
        for key in keys if len(keys) == 1 else ():
            yield query.render((key.find_ancestor(exp.Select), "group", None))
    for select in query.selects:
        if any(p.find(exp.AggFunc) for p in select.selects):
            for alias, table in query.sources(select):
                extra = query.column_of(select, alias, table.columns[0].name)
                yield query.render((select, "expressions", [extra, *select.selects]))


def other(query: Query) -> Iterator[str]:
    """Use a sub-select of many rows as one value, or divide by zero."""
    yield from query.mixed([many_rows(query), _zero_divisors(query)])


def many_rows(query: Query) -> Iterator[str]:
    """Use a sub-select of many rows as one value."""
    for select in query.selects:
        for alias, table in query.sources(select):
            for column in table.columns[:2]:
                node = query.column_of(select, alias, column.name)
                inner = exp.select(exp.column(exp.to_identifier(column.name))).from_(
                    exp.Table(this=exp.to_identifier(table.name))
                )
                yield query.render(narrowed(select, node.eq(exp.Subquery(this=inner))))
    for member in query.nodes(exp.In):
        inner_query = member.args.get("query")
        if inner_query is not None:
            yield query.render(swap(member, member.this.copy().eq(inner_query.copy())))


def divisors(query: Query) -> Iterator[tuple[exp.Select, exp.Column]]:
    """Give each number that may be 0, with the SELECT that it can be divided by in."""
    for select in query.selects:
        for alias, table in query.sources(select):
            for column in table.columns:
                if is_number(column) and not column.primary_key:
                    yield select, query.column_of(select, alias, column.name)


def _zero_divisors(query: Query) -> Iterator[str]:
    for select, node in divisors(query):
        share = exp.Div(this=exp.Literal.number(100), expression=node)
        yield query.render(narrowed(select, share > exp.Literal.number(1)))


def _other_side(literal: exp.Literal) -> exp.Expr | None:
    parent = literal.parent
    if not isinstance(parent, (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE)):
        return None
    other: exp.Expr = parent.expression if parent.this is literal else parent.this
    return other
