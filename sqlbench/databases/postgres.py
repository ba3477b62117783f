"""PostgreSQL as a `Database`: a pool of sandboxed sessions and a few worker threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlbench.databases.base import QueryError, QueryResult, Schema
from sqlbench.databases.pool import PooledDatabase
from sqlbench.databases.postgres_faults import argument_count
from sqlbench.databases.postgres_schema import read_schema
from sqlbench.databases.postgres_session import ConnectionLost, PostgresLimits, PostgresSession
from sqlbench.databases.postgres_url import PostgresURL
from sqlbench.databases.watch import Ticket
from sqlbench.exceptions import DatabaseFailure

T = TypeVar("T")

# A function may be called if the database says that it has no effects: that is what it declares
# as STABLE or IMMUTABLE, and what runs with the rights of the one who calls it.
_VOLATILE = (
    "SELECT DISTINCT proname::text FROM pg_catalog.pg_proc WHERE provolatile = 'v' OR prosecdef"
)
_NO_FUNCTION = "42883"
_NAMESAKES = (
    "SELECT provariadic <> 0 OR {count} BETWEEN pronargs - pronargdefaults AND pronargs, "
    "coalesce(aggkind, 'n') <> 'n' FROM pg_catalog.pg_proc p LEFT JOIN pg_catalog.pg_aggregate a "
    "ON a.aggfnoid = p.oid WHERE proname = '{name}'"
)


class PostgresDatabase(PooledDatabase[PostgresSession]):
    """A PostgreSQL database behind the sandbox; implements `Database`.

    A connection that breaks is replaced, and its statement is run again, once.

    Parameters
    ----------
    url : str or PostgresURL
        ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``. The password is in no repr, log or
        message.
    db_id : str, optional
        The name of the database, by default the URL without its password.
    schemas : sequence of str, optional
        The schemas that are searched and shown; by default the role's search path, and everything
        that the role may read.
    limits : PostgresLimits, optional
        What one statement may cost.
    allow_superuser : bool
        Whether to log in as a superuser.
    workers : int, optional
        Threads that serve `run`; each is at work on a connection of its own.

    Raises
    ------
    ConfigError
        If the URL is none.
    MissingExtraError
        If psycopg is not installed.
    """

    dialect = "postgres"

    def __init__(
        self,
        url: str | PostgresURL,
        db_id: str | None = None,
        *,
        schemas: Sequence[str] = (),
        limits: PostgresLimits | None = None,
        allow_superuser: bool = False,
        workers: int = 2,
    ) -> None:
        self.url = PostgresURL.parse(url) if isinstance(url, str) else url
        self.schemas = tuple(schemas)
        self.limits = limits if limits is not None else PostgresLimits()
        self._allow_superuser = allow_superuser
        self._reading = threading.Lock()
        self._volatile: frozenset[str] | None = None
        self._schema: Schema | None = None
        super().__init__(db_id if db_id is not None else self.url.shown, self.limits, workers)

    def schema(self) -> Schema:
        """Return tables and views with columns, keys, comments and sample values.

        Raises
        ------
        DatabaseFailure
            The server cannot be reached.
        """
        self._check_open()
        with self._reading:
            if self._schema is None:
                self._schema = self._on_session(
                    lambda session: read_schema(session.read, self.db_id, self.schemas)
                )
            return self._schema

    def with_limits(self, limits: PostgresLimits) -> PostgresDatabase:
        """Return the same database under other limits, on sessions apart; closed with this one."""
        return self._sibling(
            limits,
            lambda: PostgresDatabase(
                self.url,
                self.db_id,
                schemas=self.schemas,
                limits=limits,
                allow_superuser=self._allow_superuser,
                workers=1,
            ),
        )

    @property
    def server_version(self) -> str:
        """The server's version, for a run's notes."""
        return self._on_session(lambda session: session.server_version)

    def __repr__(self) -> str:
        return f"PostgresDatabase({self.url.shown!r}, {self.db_id!r})"

    def _execute(self, sql: str, ticket: Ticket) -> QueryResult:
        unsafe = self._unsafe()
        try:
            return self._on_session(lambda session: session.execute(sql, ticket, unsafe))
        except QueryError as error:
            if error.sqlstate == _NO_FUNCTION and error.fault is None:
                error.fault = self._ill_called(error.message)
            raise

    def _ill_called(self, message: str) -> str | None:
        """Return the class of a call to a function that is there, and is called in another way."""
        call = argument_count(message)
        if call is None:
            return None
        name, count = call
        sql = _NAMESAKES.format(name=name.replace("'", "''"), count=count)
        rows = self._on_session(lambda session: session.read(sql))
        if any(ordered_set for _, ordered_set in rows):
            return "aggregation_error"  # it takes its values WITHIN GROUP
        return "datatype_mismatch" if any(fits for fits, _ in rows) else None

    def _unsafe(self) -> frozenset[str]:
        """Return the functions that may have effects, as the database knows them."""
        if self._volatile is None:
            rows = self._on_session(lambda session: session.read(_VOLATILE))
            self._volatile = frozenset(name for (name,) in rows)
        return self._volatile

    def _on_session(self, work: Callable[[PostgresSession], T]) -> T:
        """Do something on a session; if its connection breaks, once more on a new one."""
        try:
            return self._try(work)
        except ConnectionLost:
            self._drop_idle()  # they are as old as the one that broke
        try:
            return self._try(work)
        except ConnectionLost as lost:
            raise DatabaseFailure(
                f"The connection to PostgreSQL at {self.url.shown} broke, and broke again: "
                f"{self.url.scrub(str(lost))}"
            ) from None

    def _try(self, work: Callable[[PostgresSession], T]) -> T:
        session = self._take()
        if session is None:
            session = PostgresSession(
                self.url, self.limits, self.schemas, allow_superuser=self._allow_superuser
            )
        try:
            return work(session)
        finally:
            if session.usable:
                self._give_back(session)
            else:
                session.close()
