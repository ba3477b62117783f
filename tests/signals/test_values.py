"""Literals that their columns do not hold, and what is there instead."""

from __future__ import annotations

import pytest

from sqlbench.signals import catalogue as module
from sqlbench.signals.catalogue import Catalogue, catalogue_of
from sqlbench.signals.statement import Statement
from sqlbench.signals.values import absent_values, compared, named_values, near_values


def absent(sql, catalogue, question=""):
    found, _ = absent_values(Statement(sql, catalogue), catalogue, question)
    return found


def test_a_literal_that_is_there_is_not_absent(either):
    known = catalogue_of(either)
    assert (
        absent("SELECT 1 FROM customers WHERE city = 'Paris' AND city IN ('Berlin')", known) == ()
    )


@pytest.mark.parametrize("condition", ["lower(city) = 'berlin'", "upper(city) IN ('BERLIN')"])
def test_where_case_does_not_count_a_literal_is_there_in_any_case(either, condition):
    known = catalogue_of(either)
    assert absent(f"SELECT 1 FROM customers WHERE {condition}", known) == ()
    (found,) = absent("SELECT 1 FROM customers WHERE lower(city) = 'berln'", known)
    assert found.literal == "berln" and found.nearest[0] == "Berlin"


def test_what_a_function_makes_of_a_column_need_not_be_in_it(either):
    sql = (
        "SELECT 1 FROM orders WHERE substr(placed_on, 1, 4) = '2024'"
        " AND coalesce(status, 'lost') = 'gone' AND status || 'x' = 'openx'"
    )
    assert absent(sql, catalogue_of(either)) == ()


@pytest.mark.parametrize(("literal", "near"), [("paris", "Paris"), ("Berlyn", "Berlin")])
def test_the_nearest_value_of_the_column_is_named_first(either, literal, near):
    known = catalogue_of(either)
    (found,) = absent(f"SELECT 1 FROM customers WHERE city = '{literal}'", known)
    assert (found.column, found.literal, found.sampled) == ("customers.city", literal, False)
    assert found.nearest[0] == near


def test_a_text_that_another_column_holds_is_found_there(either):
    known = catalogue_of(either)
    (found,) = absent("SELECT 1 FROM products WHERE title = 'Furniture'", known)
    assert found.elsewhere == ("products.category",)


def test_a_value_that_the_question_names_comes_first(catalogue):
    statement = Statement("SELECT 1 FROM products WHERE category = 'Chair'", catalogue)
    (literal,) = compared(statement)
    near = near_values(literal, statement, catalogue, "How much is the oak table?")
    assert (near[0].table, near[0].column, near[0].value) == ("products", "title", "Oak Table")


def test_what_the_statement_says_elsewhere_is_not_offered_again(catalogue):
    sql = "SELECT 1 FROM customers WHERE city = 'Pari' OR city = 'Paris'"
    (found,) = absent(sql, catalogue)
    assert found.literal == "Pari" and "Paris" not in found.nearest


def test_values_are_found_in_a_question_by_their_words(catalogue):
    named = named_values("Which red chair did Ann Lee buy?", catalogue)
    assert {value for _, _, value in named} == {"Red Chair", "Ann Lee"}
    assert named_values("", catalogue) == []


def test_what_cannot_be_looked_up_is_unknown_and_never_absent(shop, monkeypatch):
    monkeypatch.setattr(module, "MOST", 1)
    known = Catalogue(shop)
    known.values("customers", "city")
    monkeypatch.setattr(known, "ask", lambda sql: None)
    statement = Statement("SELECT 1 FROM customers WHERE city = 'Rome'", known)
    found, unknown = absent_values(statement, known, "")
    assert found == () and len(unknown) == 1 and "'Rome'" in unknown[0]


def test_a_value_that_many_columns_hold_is_near_in_ones_own(tmp_path):
    """The marketplace's countries stand in three tables; case is all that is wrong."""
    import sqlbench as sb
    from sqlbench.signals import diagnose

    shop = sb.load_suite("marketplace").databases["marketplace"]
    sql = "SELECT name FROM customers WHERE country = 'germany'"
    (value,) = diagnose("Customers from Germany", sql, shop, shop.execute(sql)).facts.values
    assert value.nearest[0] == "Germany"
    assert value.elsewhere == ()  # nowhere is it spelled like that
