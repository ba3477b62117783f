"""Join paths over foreign keys."""

from __future__ import annotations

import pytest
from shop import make_shop

from sqlbench.databases import SQLiteDatabase
from sqlbench.signals import paths
from sqlbench.signals.catalogue import catalogue_of
from sqlbench.signals.paths import follows_keys, join_path, missed_paths, tables_between
from sqlbench.signals.statement import Statement


def test_the_path_names_the_tables_between(either):
    path = join_path(catalogue_of(either), ["customers", "products"])
    assert set(path.missing) == {"orders", "order_lines"}
    between = tables_between(catalogue_of(either), ["customers", "products"])
    assert between == path.tables  # a sentence lists them: in an order of their own, not a set's
    assert set(path.conditions) == {
        "orders.customer_id = customers.customer_id",
        "order_lines.order_id = orders.order_id",
        "order_lines.product_id = products.product_id",
    }


def test_one_table_needs_no_path_and_unconnected_ones_have_none(tmp_path):
    setup = "CREATE TABLE a (x integer PRIMARY KEY); CREATE TABLE b (y integer PRIMARY KEY);"
    with SQLiteDatabase(make_shop(tmp_path / "two.sqlite", setup)) as database:
        known = catalogue_of(database)
        assert join_path(known, ["a"]).conditions == ()
        assert join_path(known, ["a", "b"]) is None


STAR = """
CREATE TABLE hub (hub_id integer PRIMARY KEY);
CREATE TABLE detour (detour_id integer PRIMARY KEY, one integer REFERENCES one (one_id),
  two integer REFERENCES two (two_id));
CREATE TABLE detour2 (d integer PRIMARY KEY, two integer REFERENCES two (two_id),
  three integer REFERENCES three (three_id));
CREATE TABLE one (one_id integer PRIMARY KEY, hub integer REFERENCES hub (hub_id));
CREATE TABLE two (two_id integer PRIMARY KEY, hub integer REFERENCES hub (hub_id));
CREATE TABLE three (three_id integer PRIMARY KEY, hub integer REFERENCES hub (hub_id));
"""


@pytest.mark.parametrize("exact", [5, 1])
def test_the_tree_is_the_smallest_one(tmp_path, monkeypatch, exact):
    monkeypatch.setattr(paths, "EXACT", exact)
    with SQLiteDatabase(make_shop(tmp_path / "star.sqlite", STAR)) as database:
        path = join_path(catalogue_of(database), ["one", "two", "three"])
    if exact > 1:  # three keys by way of the hub, and not four by the detours
        assert path.missing == ("hub",) and len(path.conditions) == 3
    else:
        assert len(path.conditions) <= 6  # at most twice the smallest


@pytest.mark.parametrize(
    ("sql", "follows"),
    [
        ("SELECT 1 FROM orders o JOIN customers c ON o.customer_id = c.customer_id", True),
        ("SELECT 1 FROM orders JOIN customers USING (customer_id)", True),
        ("SELECT 1 FROM orders o, customers c WHERE c.customer_id = o.customer_id", True),
        ("SELECT 1 FROM orders o JOIN customers c ON o.order_id = c.customer_id", False),
        ("SELECT 1 FROM orders o, customers c", False),
    ],
)
def test_a_join_follows_the_keys_or_its_path_is_missed(catalogue, sql, follows):
    statement = Statement(sql, catalogue)
    assert follows_keys(statement.scopes[0], catalogue) is follows
    missed = missed_paths(statement, catalogue)
    assert [p.conditions for p in missed] == (
        [] if follows else [("orders.customer_id = customers.customer_id",)]
    )


def test_a_join_past_a_table_on_the_way_is_missed(catalogue):
    sql = "SELECT 1 FROM customers c JOIN order_lines l ON c.customer_id = l.order_id"
    (path,) = missed_paths(Statement(sql, catalogue), catalogue)
    assert path.missing == ("orders",)
