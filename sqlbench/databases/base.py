"""The contract of a database: hostile SQL goes in, rows or one `QueryError` come out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlbench.html import Card, Grid, Shown
from sqlbench.words import counted

Row = tuple[Any, ...]
NAN = float("nan")
"""The one NaN of all rows: it then equals itself wherever rows are compared, as in SQL."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The rows of a query that ran.

    Attributes
    ----------
    columns : tuple of str
        The names as the database gives them; they may repeat.
    rows : list of tuple
        At most the sandbox's cap.
    truncated : bool
        True if the cap on rows or bytes cut the result off.
    elapsed : float
        Wall-clock seconds, for `timings.jsonl` only.
    """

    columns: tuple[str, ...]
    rows: list[Row]
    truncated: bool = False
    elapsed: float = 0.0


class QueryError(Exception):
    """A query did not run: the database's own message, which the agent sees and can repair.

    Parameters
    ----------
    message : str
        The database's message, or the sandbox's.
    sqlstate : str or None
        The SQLSTATE code where the database has one (PostgreSQL).
    timeout : bool
        True if a limit on work or time stopped the query.
    reproducible : bool
        False if the wall-clock backstop stopped it, which depends on the machine.
    fault : str or None
        The error's class (`sqlbench.episodes.errors.ErrorClass`), where the database knows it
        better than its code or its message says it.

    Attributes
    ----------
    elapsed : float
        Wall-clock seconds until it failed, for `timings.jsonl` only.
    sql : str or None
        The statement, where a database ran it.
    """

    elapsed: float = 0.0
    sql: str | None = None

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str | None = None,
        timeout: bool = False,
        reproducible: bool = True,
        fault: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.timeout = timeout
        self.reproducible = reproducible
        self.fault = fault


Outcome = QueryResult | QueryError
"""What a statement came to."""


def out_of_time(seconds: float) -> QueryError:
    """Return the error of a query that the clock stopped."""
    text = f"timeout: the query was stopped after {seconds:g} s"
    return QueryError(text, timeout=True, reproducible=False)


def cancelled() -> QueryError:
    """Return the error of a query that nobody waits for any more."""
    return QueryError("the query was cancelled", timeout=True, reproducible=False)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: name, declared type, whether it is in the primary key, a comment if any."""

    name: str
    type: str
    primary_key: bool = False
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """``columns`` of the owning table refer to ``ref_columns`` of ``ref_table``."""

    columns: tuple[str, ...]
    ref_table: str
    ref_columns: tuple[str, ...]
    ref_schema: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its columns, keys, row count and a few sample values for each column.

    ``schema`` is set where the table's name alone does not find it (PostgreSQL).
    """

    name: str
    columns: tuple[Column, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()
    row_count: int | None = None
    samples: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    schema: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Schema(Shown):
    """The tables of one database, and its SQL dialect as sqlglot names it."""

    db_id: str
    dialect: str
    tables: tuple[Table, ...]

    def card(self) -> Card:
        """Return what a notebook shows of it: a table of columns for each table."""
        many = len(self.tables) > 3
        grids = [_table_grid(table, opened=not many) for table in self.tables]
        return Card(f"{self.db_id} ({self.dialect}): {counted(len(self.tables), 'table')}", grids)

    def prompt(self, samples: int = 3) -> str:
        """Return the schema as a model reads it: CREATE TABLE statements with sample values.

        Parameters
        ----------
        samples : int
            How many sample values a column shows at most.
        """
        return "\n\n".join(_table_text(table, samples, self.dialect) for table in self.tables)


class Database(Protocol):
    """A read-only door to one database, and the only way SQL from a model is ever run.

    `execute` may be called from several threads at once, and `run` from several tasks. Both
    return a `QueryResult` or raise `QueryError`; nothing that a statement contains may change
    the database, read or write another file, outlive the limits, or raise anything else. A database
    on a server raises `DatabaseFailure` where the server fails, and not the statement.
    `schema` is computed once. A closed database raises `RuntimeError`.
    """

    db_id: str
    dialect: str

    def execute(self, sql: str) -> QueryResult:
        """Run one statement in this thread."""
        ...

    async def run(self, sql: str) -> QueryResult:
        """Run one statement in a worker thread, so that the event loop is never blocked."""
        ...

    def schema(self) -> Schema:
        """Return tables, columns, keys and sample values."""
        ...

    def close(self) -> None:
        """Close every connection; later calls raise `RuntimeError`."""
        ...


def _table_grid(table: Table, *, opened: bool) -> Grid:
    targets = {
        column: f"→ {key.ref_table}.{target}"
        for key in table.foreign_keys
        for column, target in zip(key.columns, key.ref_columns, strict=False)
    }
    rows = []
    for c in table.columns:
        keys = [*(["primary"] if c.primary_key else []), targets.get(c.name, "")]
        samples = ", ".join(_shown(v) for v in table.samples.get(c.name, ())[:3])
        rows.append((c.name, c.type, " ".join(filter(None, keys)), samples, c.comment))
    size = "" if table.row_count is None else f" ({table.row_count:,} rows)"
    commented = any(c.comment for c in table.columns)
    header: tuple[str, ...] = ("column", "type", "key", "for example", "comment")
    width = len(header) if commented else len(header) - 1
    return Grid(header[:width], [r[:width] for r in rows], table.name + size, opened)


# What PostgreSQL reserves (its manual, appendix C).
_postgres_words = (
    "all analyse analyze and any array as asc asymmetric authorization binary both case cast "
    "check collate collation column concurrently constraint create cross current_catalog "
    "current_date current_role current_schema current_time current_timestamp current_user default "
    "deferrable desc distinct do else end except false fetch for foreign freeze from full grant "
    "group having ilike in initially inner intersect into is isnull join lateral leading left "
    "like limit localtime localtimestamp natural not notnull null offset on only or order outer "
    "overlaps placing primary references returning right select session_user similar some "
    "symmetric system_user table tablesample then to trailing true union unique user using "
    "variadic verbose when where window with"
)
# What SQLite takes for no name, and what it takes for a value before it looks for a column.
_sqlite_words = (
    "add all alter and as autoincrement between case cast check collate commit constraint create "
    "current_date current_time current_timestamp default deferrable delete distinct drop else "
    "escape except exists foreign from group having if in index insert intersect into is isnull "
    "join limit not nothing notnull null on or order primary raise references returning select "
    "set table then to transaction union unique update using values when where"
)
# What DuckDB takes for no name of a column or table (its duckdb_keywords(), each tried).
_duckdb_words = (
    "all analyse analyze and anti any array as asc asof asymmetric at authorization binary both by "
    "case cast check collate collation column concurrently constraint create cross default "
    "deferrable desc describe distinct do else end except false fetch for foreign freeze from full "
    "glob group having ilike in initially inner intersect into is isnull join lambda lateral "
    "leading left like limit natural not notnull null offset on only or order outer overlaps pivot "
    "pivot_longer pivot_wider placing positional primary qualify references returning right select "
    "semi show similar some summarize symmetric table tablesample then to trailing true union "
    "unique unpack unpivot using variadic verbose when where window with"
)
_RESERVED = {
    "duckdb": frozenset(_duckdb_words.split()),
    "postgres": frozenset(_postgres_words.split()),
    "sqlite": frozenset(_sqlite_words.split()),
}


def _table_text(table: Table, samples: int, dialect: str) -> str:
    def quoted(name: str) -> str:
        return quote_name(name, dialect)

    def names(several: Sequence[str]) -> str:
        return ", ".join(map(quoted, several))

    def full(schema: str, name: str) -> str:
        return f"{quoted(schema)}.{quoted(name)}" if schema else quoted(name)

    lines = []
    for column in table.columns:
        text = f"  {quoted(column.name)} {column.type}".rstrip()
        if column.primary_key:
            text += " PRIMARY KEY" if sum(c.primary_key for c in table.columns) == 1 else ""
        notes = [_one_line(column.comment)] if column.comment else []
        values = table.samples.get(column.name, ())[:samples]
        if values:
            notes.append("e.g. " + ", ".join(_shown(v, dialect) for v in values))
        lines.append((text, "; ".join(notes)))
    keys = [c.name for c in table.columns if c.primary_key]
    if len(keys) > 1:
        lines.append((f"  PRIMARY KEY ({names(keys)})", ""))
    for key in table.foreign_keys:
        target = f"{full(key.ref_schema, key.ref_table)} ({names(key.ref_columns)})"
        lines.append((f"  FOREIGN KEY ({names(key.columns)}) REFERENCES {target}", ""))
    body = "\n".join(
        text + ("," if i < len(lines) - 1 else "") + (f"  -- {note}" if note else "")
        for i, (text, note) in enumerate(lines)
    )
    head = f"-- {_one_line(table.comment)}\n" if table.comment else ""
    return f"{head}CREATE TABLE {full(table.schema, table.name)} (\n{body}\n);"


def quote_name(name: str, dialect: str = "sqlite") -> str:
    """Quote an identifier where it would not stand for itself without quotes.

    Parameters
    ----------
    name : str
        The identifier.
    dialect : str
        On ``postgres``, names without quotes fold to lower case.
    """
    plain = name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit()
    plain = plain and not (dialect == "postgres" and name != name.lower())
    plain = plain and name.lower() not in _RESERVED[dialect]
    return name if plain else '"' + name.replace('"', '""') + '"'


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _shown(value: Any, dialect: str = "sqlite") -> str:
    """Return a value as SQL writes it: a model copies what it sees."""
    if isinstance(value, str):
        text = " ".join(("'" + value.replace("'", "''") + "'").split())
        return text if len(text) <= 40 else text[:37] + "…'"
    if value is None or isinstance(value, bool):
        return "NULL" if value is None else str(value).upper()
    if isinstance(value, bytes):
        text = f"X'{value.hex().upper()}'" if dialect == "sqlite" else f"'\\x{value.hex()}'"
        return text if len(text) <= 40 else text[:37] + "…'"
    if isinstance(value, float) and not math.isfinite(value):
        if dialect in ("postgres", "duckdb"):
            return "'NaN'" if value != value else "'Infinity'" if value > 0 else "'-Infinity'"
        return "9e999" if value > 0 else "-9e999"  # SQLite has no NaN
    return str(value)


def outcome_of(database: Database, sql: str) -> Outcome:
    """Run a statement, and return its rows or its error, whichever it came to."""
    try:
        return database.execute(sql)
    except QueryError as error:
        return error
