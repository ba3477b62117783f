"""A statement as the signals read it: what each literal is compared with."""

from __future__ import annotations

import pytest

from sqlbench.signals.statement import Statement


def compared(condition, catalogue):
    """Return each literal with the column that it is a value of, if it is, and whether folded."""
    statement = Statement(f"SELECT 1 FROM customers WHERE {condition}", catalogue)
    return [
        (x.text, x.column.full if x.column is not None else None, x.folded)
        for x in statement.literals
        if x.clause == "where"
    ]


CITY = "customers.city"


@pytest.mark.parametrize(
    ("condition", "literals"),
    [
        ("city = 'Rome'", [("Rome", CITY, False)]),
        ("'Rome' = (city)", [("Rome", CITY, False)]),
        ("city = CAST('Rome' AS TEXT)", [("Rome", CITY, False)]),
        ("city IN ('Rome', ('Paris'))", [("Rome", CITY, False), ("Paris", CITY, False)]),
        ("city BETWEEN 'A' AND 'M'", [("A", CITY, False), ("M", CITY, False)]),
        ("city LIKE 'R%' ESCAPE '!'", [("R%", CITY, False), ("!", None, False)]),
    ],
)
def test_a_literal_is_a_value_of_the_column_that_it_is_compared_with(
    catalogue, condition, literals
):
    assert compared(condition, catalogue) == literals


@pytest.mark.parametrize(
    ("condition", "literals"),
    [
        ("strftime('%Y', city) = '1961'", ["%Y", "1961"]),
        ("substr(city, 1, 4) = 'Rome'", ["1", "4", "Rome"]),
        ("coalesce(city, 'unknown') = 'Rome'", ["unknown", "Rome"]),
        ("city || 'x' = 'Romex'", ["x", "Romex"]),
        ("city = 'Ro' || 'me'", ["Ro", "me"]),
        ("CAST(city AS INTEGER) = 3", ["3"]),
        ("customer_id = -3", ["3"]),
        ("(full_name, city) = ('Ann Lee', 'Paris')", ["Ann Lee", "Paris"]),
        ("CASE city WHEN 'Rome' THEN 1 ELSE 0 END = 1", ["Rome", "1", "0", "1"]),
    ],
)
def test_neither_a_functions_argument_nor_what_it_makes_of_a_column_is_its_value(
    catalogue, condition, literals
):
    found = compared(condition, catalogue)
    assert sorted(found) == sorted((text, None, False) for text in literals)


@pytest.mark.parametrize(
    "condition",
    ["lower(city) = 'rome'", "'ROME' = upper((city))", "city = 'rome' COLLATE NOCASE",
     "city COLLATE NOCASE IN ('rome')", "lower(city) = lower('Rome')"],
)  # fmt: skip
def test_where_case_does_not_count_it_is_a_value_but_for_its_case(catalogue, condition):
    ((text, column, folded),) = compared(condition, catalogue)
    assert (text.lower(), column, folded) == ("rome", CITY, True)


def test_any_other_collation_is_not_read(catalogue):
    assert compared("city = 'Rome ' COLLATE RTRIM", catalogue) == [("Rome ", None, False)]


def test_what_counts_rows_is_not_a_value_of_what_is_counted(catalogue):
    sql = "SELECT city FROM customers GROUP BY city HAVING count(full_name) > 2"
    (literal,) = Statement(sql, catalogue).literals
    assert (literal.operator, literal.column) == (">", None)
