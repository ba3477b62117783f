"""The marketplace on PostgreSQL: loaded once into a schema of its own, golds in its dialect.

The schema's name carries the hash of its content, so that another version of the data is another
schema, and what is there is either whole or not there: it is loaded in one transaction, and its
comment says what it is. Text columns sort by bytes (COLLATE "C") as SQLite's do, dates stay text.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import yaml
from sqlglot import exp

from sqlbench.databases.postgres import PostgresDatabase
from sqlbench.databases.postgres_embedded import EMBEDDED, READER, embedded_server
from sqlbench.databases.postgres_session import PostgresLimits
from sqlbench.databases.postgres_url import EXPECTED, PostgresURL, import_psycopg, is_postgres
from sqlbench.databases.trees import parse_one
from sqlbench.exceptions import ConfigError, DatabaseFailure, SuiteError
from sqlbench.suites import marketplace
from sqlbench.suites.base import Suite, Task
from sqlbench.suites.marketplace.comments import comments, table_names

_WALL_CLOCK = 5.0  # seconds; the slowest gold takes a fraction of one


def load_marketplace(spec: str, database: str, *, allow_superuser: bool = False) -> Suite:
    """Return the marketplace suite on PostgreSQL; load the data first if it is not there.

    Parameters
    ----------
    spec : str
        What the user wrote for the suite.
    database : str
        ``pg-embedded``, or the URL of a role that may create a schema there (or may read the one
        that another role has loaded).
    allow_superuser : bool
        Whether that role may be a superuser.

    Raises
    ------
    ConfigError
        If the database's spec is neither.
    DatabaseFailure
        If the server cannot be reached.
    SuiteError
        If the data is not there and the role may not create it.
    """
    if database == EMBEDDED:
        server = embedded_server()
        load(server.owner, READER)
        url = server.reader
    elif is_postgres(database):
        url = PostgresURL.parse(database)
        load(url)
    else:
        raise ConfigError(
            f"The suite {spec!r} runs on SQLite without --database, or with "
            f"--database {EMBEDDED}, duckdb or {EXPECTED}; not on {database!r}."
        )
    return Suite(
        spec=spec,
        tasks=tasks(),
        databases={
            marketplace.DB_ID: PostgresDatabase(
                url,
                marketplace.DB_ID,
                schemas=[schema_name()],
                limits=PostgresLimits(wall_clock=_WALL_CLOCK),
                allow_superuser=allow_superuser,
            )
        },
        fingerprints={marketplace.DB_ID: f"postgres-{marketplace.fingerprint()}"},
        server=url.shown,
    )


def schema_name() -> str:
    """Return the name of the schema that holds this version of the data."""
    return f"sqlbench_marketplace_{marketplace.fingerprint()[:12]}"


def load(url: PostgresURL, reader: str | None = None) -> None:
    """Load the data, unless it is there.

    Parameters
    ----------
    url : PostgresURL
        Logs in as a role that may create a schema.
    reader : str, optional
        A role that is to read it.

    Raises
    ------
    DatabaseFailure
        If the server cannot be reached or fails.
    SuiteError
        If the role may not create the schema, or the schema holds something else.
    """
    psycopg = import_psycopg()
    name = schema_name()
    try:
        with psycopg.connect(url.url, connect_timeout=10) as connection:
            if not _is_there(connection, url):
                # Two processes may come at once: the second waits, and finds it there.
                connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
                if not _is_there(connection, url):
                    _load(connection)
            if reader is not None:
                connection.execute(f"GRANT USAGE ON SCHEMA {name} TO {reader}")
                connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {reader}")
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction) as error:
        raise SuiteError(
            f"The marketplace cannot be loaded into {url.shown} ({error.diag.message_primary}): "
            "GRANT CREATE ON DATABASE … to that role, or let another role load it once and grant "
            f"USAGE on the schema {name!r} and SELECT on its tables."
        ) from None
    except psycopg.Error as error:
        raise DatabaseFailure(
            f"PostgreSQL at {url.shown} cannot be reached or fails: {url.scrub(str(error))}"
        ) from None


@cache
def tasks() -> dict[str, Task]:
    """Return the tasks with their golds in PostgreSQL's dialect."""
    written = yaml.safe_load(marketplace.read_text("golds_postgres.yaml"))
    return {
        task.id: replace(
            task,
            questions=tuple(
                replace(q, gold=written[q.id].strip() if q.id in written else translate(q.gold))
                for q in task.questions
            ),
        )
        for task in marketplace.tasks().values()
    }


def translate(gold: str | None) -> str:
    """Translate a gold query from SQLite's dialect."""
    assert gold is not None
    tree = parse_one(gold, "sqlite")
    for division in tree.find_all(exp.Div):
        division.set("safe", None)  # no gold divides by zero, so none needs NULLIF
    return tree.sql(dialect="postgres", pretty=True)


def _is_there(connection: object, url: PostgresURL) -> bool:
    found = connection.execute(  # type: ignore[attr-defined]
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s",
        [schema_name()],
    ).fetchone()
    if found is not None and found[0] != _mark():
        raise SuiteError(
            f"The schema {schema_name()!r} of {url.shown} was not made by sqlbench: rename it."
        )
    return found is not None


def _mark() -> str:
    return f"sqlbench marketplace {marketplace.fingerprint()}"


def _load(connection: object) -> None:
    from psycopg import Connection, sql

    from sqlbench.suites.marketplace.data import build_rows

    assert isinstance(connection, Connection)
    source = marketplace.read_text("schema.sql")
    name = sql.Identifier(schema_name())
    run = connection.execute
    run(sql.SQL("CREATE SCHEMA {}").format(name))
    run(sql.SQL("SET LOCAL search_path TO {}").format(name))
    run(re.sub(r"\bTEXT\b", 'TEXT COLLATE "C"', source).encode())
    for table, column, comment in comments(source):
        place = sql.Identifier(table, column)
        run(sql.SQL("COMMENT ON COLUMN {} IS {}").format(place, sql.Literal(comment)))
    for table, rows in build_rows().items():
        with connection.cursor().copy(
            sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
        ) as copy:
            for row in rows:
                copy.write_row(row)
    for table in table_names(source):
        run(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
    run(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(name, sql.Literal(_mark())))
