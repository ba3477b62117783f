"""The same tables on each engine, for a module of tests."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import psycopg
import pytest
from ducks import duckdb_file
from fault_table import TABLES

from sqlbench.databases import Database, SQLiteDatabase
from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.databases.postgres import PostgresDatabase


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("engine") / "music.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(TABLES)
    connection.close()
    with SQLiteDatabase(path) as database:
        yield database


@pytest.fixture(scope="module")
def postgresql(postgres, request: pytest.FixtureRequest) -> Iterator[Database]:  # type: ignore[no-untyped-def]
    schema = request.module.__name__.rpartition(".")[2]  # the server is shared
    with psycopg.connect(postgres.owner.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}; SET search_path TO {schema}")
        connection.execute(TABLES)
        connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO PUBLIC")
        with PostgresDatabase(postgres.reader, schemas=[schema]) as database:
            yield database
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture(scope="module")
def duckdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = duckdb_file(tmp_path_factory.mktemp("engine") / "music.duckdb", TABLES)
    with DuckDBDatabase(path) as database:
        yield database
