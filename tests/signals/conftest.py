"""The same small shop, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest
from shop import SETUP, make_shop

from sqlbench.databases import SQLiteDatabase
from sqlbench.signals.catalogue import catalogue_of


@pytest.fixture(scope="session")
def shop_file(tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("shop") / "shop.sqlite")


@pytest.fixture
def shop(shop_file):
    with SQLiteDatabase(shop_file) as database:
        yield database


@pytest.fixture
def catalogue(shop):
    return catalogue_of(shop)


@pytest.fixture(scope="session")
def shop_server(postgres):
    """The URL of a role that may only read the shop."""
    import psycopg

    with psycopg.connect(postgres.owner.url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA shop")
        connection.execute("SET search_path = shop; " + SETUP)
        connection.execute("CREATE ROLE shopper LOGIN; GRANT USAGE ON SCHEMA shop TO shopper")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA shop TO shopper")
        connection.execute("ALTER ROLE shopper SET search_path = shop")
    yield postgres.owner.url.replace("postgres@", "shopper@")
    with psycopg.connect(postgres.owner.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA shop CASCADE; DROP ROLE shopper")


@pytest.fixture(params=["sqlite", "postgres"])
def either(request, shop_file):
    """The shop on one engine and on the other."""
    if request.param == "sqlite":
        database = SQLiteDatabase(shop_file)
    else:
        from sqlbench.databases.postgres import PostgresDatabase

        database = PostgresDatabase(request.getfixturevalue("shop_server"))
    with database:
        yield database
