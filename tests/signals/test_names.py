"""The real names that an unknown one was likely meant to be."""

from __future__ import annotations

import pytest
from shop import make_shop

from sqlbench.databases import SQLiteDatabase
from sqlbench.signals.catalogue import catalogue_of
from sqlbench.signals.likeness import alike, is_short_for, words_of
from sqlbench.signals.names import near_columns, near_tables, nearest_by_name
from sqlbench.signals.statement import Statement
from sqlbench.signals.unknown import unknown_columns


def nearest(sql, catalogue, question=""):
    statement = Statement(sql, catalogue)
    (uses,) = unknown_columns(statement)
    return [(n.table, n.column) for n in near_columns(uses, statement, catalogue, question)]


@pytest.mark.parametrize(
    ("sql", "question", "meant"),
    [
        ("SELECT fullname FROM customers", "", ("customers", "full_name")),
        ("SELECT name FROM customers", "names of customers", ("customers", "full_name")),
        ("SELECT price FROM products", "", ("products", "unit_price")),
        ("SELECT product_title FROM products", "", ("products", "title")),
        # another table has it, one key away
        ("SELECT city FROM orders", "cities of orders", ("customers", "city")),
        # the only column of the scope that holds the text
        ("SELECT title FROM products WHERE kind = 'Light'", "", ("products", "category")),
        # the prefix names one table, the name is another's
        (
            "SELECT o.quantity FROM orders AS o JOIN order_lines AS l ON o.order_id = l.order_id",
            "",
            ("order_lines", "quantity"),
        ),
        # equated with a column whose values it must share
        (
            "SELECT 1 FROM orders AS o JOIN order_lines AS l ON o.order_id = l.ordering",
            "",
            ("order_lines", "order_id"),
        ),
        (
            "SELECT full_name FROM customers WHERE customer_id IN (SELECT client FROM orders)",
            "",
            ("orders", "customer_id"),
        ),
    ],
)
def test_the_column_that_was_meant_comes_first(catalogue, sql, question, meant):
    assert nearest(sql, catalogue, question)[0] == meant


def test_every_column_of_a_small_schema_is_ranked_and_ties_keep_the_schemas_order(catalogue):
    found = nearest("SELECT zzz FROM orders", catalogue)
    assert len(found) == len(set(found)) == 14
    assert found == nearest("SELECT zzz FROM orders", catalogue)


@pytest.mark.parametrize(
    ("sql", "name", "meant"),
    [
        ("SELECT * FROM customer", "customer", "customers"),
        ("SELECT title, unit_price FROM items", "items", "products"),
        ("SELECT l.quantity FROM orderlines AS l", "orderlines", "order_lines"),
    ],
)
def test_the_table_that_was_meant_comes_first(catalogue, sql, name, meant):
    statement = Statement(sql, catalogue)
    assert statement.unknown_tables == [name]
    assert near_tables(name, statement, catalogue, "")[0].table == meant


def test_a_name_is_ranked_by_itself_where_the_statement_does_not_parse(catalogue):
    assert nearest_by_name("c.fullname", "column", catalogue)[0].column == "full_name"
    assert nearest_by_name("order_line", "table", catalogue)[0].table == "order_lines"


def test_of_500_tables_those_near_the_statement_and_the_name_are_looked_at(tmp_path):
    setup = "".join(f"CREATE TABLE t{i} (id integer, size_{i} text, w text);" for i in range(500))
    with SQLiteDatabase(make_shop(tmp_path / "wide.sqlite", setup)) as database:
        known = catalogue_of(database)
        found = nearest("SELECT size FROM t77", known)
        assert found[0] == ("t77", "size_77")
        assert len(found) < 500
        assert nearest("SELECT size321 FROM t77", known)[0] in {
            ("t321", "size_321"), ("t77", "size_77"),
        }  # fmt: skip


def test_names_are_the_same_words_however_they_are_written():
    assert words_of("SurfaceArea") == words_of("surface_areas") == ("surface", "area")
    assert alike("num_pets", "NumberOfPet") > 0.8
    assert alike("SurfaceArea", "surface area") == 1.0
    assert alike("abc", "xyz") < 0.3


def test_a_short_name_is_made_of_beginnings_in_order():
    assert is_short_for("stuid", ("student", "id"))
    assert is_short_for("fname", ("first", "name"))
    assert not is_short_for("idstu", ("student", "id"))
    assert not is_short_for("s", ("student",))
