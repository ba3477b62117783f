"""Edits that fail on DuckDB where SQLite would let them pass, by the error's class.

DuckDB checks types and grouping as PostgreSQL does, whose edits are taken where it agrees. It has
date functions of its own, which take no text, and divides by zero without an error unless integers
are divided (``//``). As in `fault_raised`, these propose, and `sqlbench.models.simulated.faults`
keeps what fails as it should.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from sqlbench.grading.edits import Query, call, in_turn, is_date, is_number, narrowed, swap
from sqlbench.models.simulated import fault_postgres, fault_raised

# What SQLite, PostgreSQL and MySQL call it, where DuckDB has no such name.
_FOREIGN_NAMES = {
    "STRFTIME": ("TO_CHAR", "DATE_FORMAT"),
    "COALESCE": ("NVL", "ISNULL"),
    "LISTAGG": ("JSON_AGG", "WM_CONCAT"),
    "STRING_AGG": ("JSON_AGG", "WM_CONCAT"),
    "EXTRACT": ("DATE_FORMAT", "JULIANDAY"),
}


def no_such_function(query: Query) -> Iterator[str]:
    """Call a function by the name that another engine has for it."""
    yield from query.mixed([_foreign_names(query), fault_raised.no_such_function(query)])


def _foreign_names(query: Query) -> Iterator[str]:
    yield from fault_postgres.renamed_calls(query, _FOREIGN_NAMES)
    for node in query.base_columns:
        if is_date(query.columns[node.name.lower()]):
            yield query.render(swap(node, call("JULIANDAY", node)))


def datatype_mismatch(query: Query) -> Iterator[str]:
    """Give text to a date function, add to it, or compare a number with a word."""
    yield from in_turn(
        [
            _text_as_date(query),
            fault_postgres.words_for_numbers(query),
            fault_postgres.words_as_numbers(query),
        ]
    )
    yield from fault_raised.datatype_mismatch(query)


def _text_as_date(query: Query) -> Iterator[str]:
    for node in query.turned(query.base_columns):
        column = query.columns[node.name.lower()]
        if is_date(column) and not is_number(column):
            yield query.render(swap(node, call("DATE_TRUNC", exp.Literal.string("month"), node)))
            yield query.render(swap(node, call("YEAR", node)))
        elif not is_number(column):
            yield query.render(swap(node, exp.Sub(this=node.copy(), expression=_one())))


def aggregation_error(query: Query) -> Iterator[str]:
    """Leave a selected column out of GROUP BY, or do what no dialect allows."""
    yield from fault_postgres.aggregation_error(query)


def other(query: Query) -> Iterator[str]:
    """Use a sub-select of many rows as one value, or divide integers by zero."""
    yield from query.mixed([fault_postgres.many_rows(query), _zero_divisors(query)])


def _zero_divisors(query: Query) -> Iterator[str]:
    for select, node in fault_postgres.divisors(query):
        zero = exp.Paren(this=exp.Sub(this=node, expression=node.copy()))
        share = exp.IntDiv(this=exp.Literal.number(100), expression=zero)
        yield query.render(narrowed(select, share > _one()))


def _one() -> exp.Expr:
    return exp.Literal.number(1)
