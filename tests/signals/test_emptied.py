"""The conditions that empty a result."""

from __future__ import annotations

import pytest

from sqlbench.databases import QueryResult
from sqlbench.signals.catalogue import catalogue_of
from sqlbench.signals.emptied import emptying, says_nothing
from sqlbench.signals.statement import Statement


def emptied(sql, catalogue):
    found, unknown = emptying(Statement(sql, catalogue).tree, catalogue)
    assert unknown == ()
    return [(e.condition, e.rows, e.alone) for e in found]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # one condition that no row meets
        (
            "SELECT title FROM products WHERE category = 'Food' AND unit_price > 1",
            [("category = 'Food'", 3, 0)],
        ),
        # two that are met, and never together
        (
            "SELECT title FROM products WHERE category = 'Light' AND unit_price > 50",
            [("category = 'Light'", 1, 1), ("unit_price > 50", 1, 1)],
        ),
        # two that no row meets
        (
            "SELECT title FROM products WHERE category = 'Food' AND unit_price > 500",
            [("category = 'Food'", 0, 0), ("unit_price > 500", 0, 0)],
        ),
        # an aggregate over nothing
        ("SELECT count(*) FROM products WHERE category = 'Food'", [("category = 'Food'", 3, 0)]),
        (
            "SELECT category FROM products GROUP BY category HAVING COUNT(*) > 5",
            [("HAVING COUNT(*) > 5", 2, None)],
        ),
        (
            "SELECT 1 FROM orders AS o JOIN customers AS c ON o.order_id = c.customer_id",
            [("ON o.order_id = c.customer_id", 9, None)],
        ),
        (
            "SELECT city FROM customers WHERE city = 'Paris' INTERSECT "
            "SELECT city FROM customers WHERE city = 'Berlin'",
            [("INTERSECT", 1, None)],
        ),
        (
            "SELECT city FROM customers WHERE city = 'Rome' EXCEPT SELECT city FROM customers",
            [("city = 'Rome'", 3, 0)],
        ),
        (
            "WITH few AS (SELECT * FROM products WHERE category = 'Food') "
            "SELECT title FROM few WHERE unit_price > 1",
            [("category = 'Food'", 3, 0)],
        ),
    ],
)
def test_the_condition_that_empties_is_named_with_the_rows_without_it(either, sql, expected):
    assert emptied(sql, catalogue_of(either)) == expected


def test_what_a_limit_stops_is_unknown(catalogue, monkeypatch):
    monkeypatch.setattr(catalogue, "ask", lambda sql: None)
    tree = Statement("SELECT title FROM products WHERE category = 'Food'", catalogue).tree
    found, unknown = emptying(tree, catalogue)
    assert found == () and unknown == (
        "Which condition empties the result is not known: a limit was hit.",
    )


@pytest.mark.parametrize(
    ("rows", "nothing"),
    [([], True), ([(None,)], True), ([(0, None)], True), ([(1,)], False), ([(0,), (0,)], False)],
)
def test_a_result_says_nothing_if_it_is_empty_or_one_row_of_zeros_and_nulls(rows, nothing):
    assert says_nothing(QueryResult(("x",), rows)) is nothing
