"""The profile of a database: names, values, keys, limits, and that it does not go stale."""

from __future__ import annotations

import gc
import os
import sqlite3

import pytest
from shop import make_shop

from sqlbench.databases import Limits, QueryError, SQLiteDatabase
from sqlbench.signals import catalogue as module
from sqlbench.signals.catalogue import Catalogue, catalogue_of


def test_names_are_found_without_regard_to_case(either):
    known = catalogue_of(either)
    assert known.table("CUSTOMERS").name == "customers"
    assert known.column("Customers", "FULL_NAME").name == "full_name"
    assert known.homes("order_id") == ("orders", "order_lines")
    assert known.table("nothing") is None and known.columns("nothing") == {}


def test_declared_keys_are_listed_with_their_condition(either):
    conditions = {key.condition() for key in catalogue_of(either).keys}
    assert conditions == {
        "orders.customer_id = customers.customer_id",
        "order_lines.order_id = orders.order_id",
        "order_lines.product_id = products.product_id",
    }
    assert all(key.declared for key in catalogue_of(either).keys)


def test_keys_that_nothing_declares_are_implied_by_names(tmp_path):
    setup = """
    CREATE TABLE teams (id integer PRIMARY KEY, name text);
    CREATE TABLE players (player_id integer PRIMARY KEY, team_id integer, name text);
    CREATE TABLE goals (goal_id integer PRIMARY KEY, player_id integer);
    """
    with SQLiteDatabase(make_shop(tmp_path / "league.sqlite", setup)) as database:
        keys = catalogue_of(database).keys
    assert {key.condition() for key in keys} == {
        "players.team_id = teams.id",
        "goals.player_id = players.player_id",
    }
    assert not any(key.declared for key in keys)


def test_values_are_those_of_the_column_without_null(either):
    values = catalogue_of(either).values("customers", "city")
    assert set(values.found) == {"Paris", "Berlin"}
    assert values.known and not values.sampled


def test_a_column_that_is_not_there_has_no_known_values(catalogue):
    assert not catalogue.values("customers", "shoe_size").known


@pytest.mark.parametrize(
    ("literal", "held"), [("Paris", True), ("paris", False), ("Rome", False), ("O'Hara", False)]
)
def test_holding_a_literal_is_exact(either, literal, held):
    assert catalogue_of(either).holds("customers", "city", literal) is held


@pytest.mark.parametrize("most", [5_000, 1])
def test_holding_a_literal_in_any_case_is_asked_for(shop, monkeypatch, most):
    monkeypatch.setattr(module, "MOST", most)  # of one value, the others are asked for
    known = Catalogue(shop)
    assert known.holds("customers", "city", "bERLIN", folded=True) is True
    assert known.holds("customers", "city", "bERLIN") is False
    assert known.holds("customers", "city", "rome", folded=True) is False


def test_a_number_is_held_however_it_is_written(either):
    known = catalogue_of(either)
    assert known.holds("products", "unit_price", "10.50") is True
    assert known.holds("products", "unit_price", "10.51") is False


def test_a_literal_is_found_wherever_it_is_held_and_exact_places_come_first(either):
    places = catalogue_of(either).where("furniture")
    assert [(p.table, p.column, p.value, p.exact) for p in places.found] == [
        ("products", "category", "Furniture", False)
    ]
    assert places.complete
    assert [p.exact for p in catalogue_of(either).where("Paris").found] == [True]


def test_a_column_with_too_many_values_is_sampled_and_still_asked(shop, monkeypatch):
    monkeypatch.setattr(module, "MOST", 1)
    known = Catalogue(shop)
    values = known.values("customers", "city")
    assert values.sampled and len(values.found) == 1
    assert known.holds("customers", "city", "Paris") is True
    assert known.holds("customers", "city", "Berlin") is True
    assert known.holds("customers", "city", "Rome") is False
    assert not known.where("Rome").complete


def test_a_limit_that_is_hit_makes_a_question_unknown_and_never_false(shop_file, monkeypatch):
    monkeypatch.setattr(module, "SCANNED", 1)  # so that the column's values are but a sample
    with SQLiteDatabase(shop_file, limits=Limits(vm_steps=500)) as database:
        known = Catalogue(database)
        monkeypatch.setattr(known, "ask", lambda sql: None)
        assert not known.values("customers", "city").known
        assert known.holds("customers", "city", "Rome") is None


@pytest.mark.parametrize("times", [1, 2])
def test_what_the_clock_alone_stops_is_asked_once_more(shop, times):
    """As on a machine that is busy elsewhere."""
    late = QueryError("timeout", timeout=True, reproducible=False)

    class Hurried:
        dialect, schema, content = "sqlite", shop.schema, shop.content

        def __init__(self):
            self.asked = []

        def execute(self, sql):
            self.asked.append(sql)
            if self.asked.count(sql) <= times:
                raise late
            return shop.execute(sql)

    known = Catalogue(Hurried())
    assert known.values("customers", "city").known is (times == 1)
    assert known.given_up == (times - 1)


def test_a_schema_of_500_tables_is_searched_as_far_as_the_limit_goes(tmp_path):
    setup = "".join(
        f"CREATE TABLE t{i} (id integer PRIMARY KEY, word text, other text);"
        f"INSERT INTO t{i} VALUES (1, 'w{i}', 'o');"
        for i in range(500)
    )
    with SQLiteDatabase(make_shop(tmp_path / "wide.sqlite", setup)) as database:
        known = catalogue_of(database)
        assert len(known.tables) == 500
        found = known.where("w499", tables=("t499",))
        assert [p.table for p in found.found] == ["t499"]
        assert not found.complete


def test_a_profile_is_kept_as_long_as_the_database_is_the_same(shop):
    assert catalogue_of(shop) is catalogue_of(shop)


def test_a_profile_is_read_anew_when_the_file_has_changed(tmp_path):
    path = make_shop(tmp_path / "shop.sqlite")
    with SQLiteDatabase(path) as database:
        before = catalogue_of(database)
        assert before.holds("customers", "city", "Rome") is False
        connection = sqlite3.connect(path)
        connection.execute("UPDATE customers SET city = 'Rome' WHERE customer_id = 3")
        connection.commit()
        connection.close()
        os.utime(path, ns=(1, 1))  # a clock too coarse to tell the two moments apart
        after = catalogue_of(database)
        assert after is not before
        assert after.holds("customers", "city", "Rome") is True


def test_a_profile_is_read_anew_when_a_server_has_written(shop_server, postgres):
    import psycopg

    from sqlbench.databases.postgres import PostgresDatabase

    with (
        PostgresDatabase(shop_server) as database,
        psycopg.connect(postgres.owner.url, autocommit=True) as owner,
    ):
        before = catalogue_of(database)
        assert catalogue_of(database) is before
        assert before.holds("customers", "city", "Oslo") is False
        owner.execute("INSERT INTO shop.customers VALUES (9, 'Di', 'Oslo')")
        try:
            assert catalogue_of(database).holds("customers", "city", "Oslo") is True
        finally:
            owner.execute("DELETE FROM shop.customers WHERE customer_id = 9")


def test_a_profile_does_not_keep_its_database_open(shop_file):
    import weakref

    database = SQLiteDatabase(shop_file)
    catalogue_of(database)
    kept = weakref.ref(database)
    database.close()
    del database
    gc.collect()
    assert kept() is None
