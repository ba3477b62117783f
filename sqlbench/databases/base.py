"""The contract of a database: hostile SQL goes in, rows or one `QueryError` come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Row = tuple[Any, ...]


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
    """

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str | None = None,
        timeout: bool = False,
        reproducible: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.timeout = timeout
        self.reproducible = reproducible


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


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its columns, keys, row count and a few sample values for each column."""

    name: str
    columns: tuple[Column, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()
    row_count: int | None = None
    samples: dict[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one database, and its SQL dialect as sqlglot names it."""

    db_id: str
    dialect: str
    tables: tuple[Table, ...]

    def prompt(self, samples: int = 3) -> str:
        """Return the schema as a model reads it: CREATE TABLE statements with sample values.

        Parameters
        ----------
        samples : int
            How many sample values a column shows at most.
        """
        return "\n\n".join(_table_text(table, samples) for table in self.tables)


class Database(Protocol):
    """A read-only door to one database, and the only way SQL from a model is ever run.

    `execute` may be called from several threads at once, and `run` from several tasks. Both
    return a `QueryResult` or raise `QueryError`; nothing that a statement contains may change
    the database, read or write another file, outlive the limits, or raise anything else.
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


def _table_text(table: Table, samples: int) -> str:
    lines = []
    for column in table.columns:
        text = f"  {quote_name(column.name)} {column.type}".rstrip()
        if column.primary_key:
            text += " PRIMARY KEY" if sum(c.primary_key for c in table.columns) == 1 else ""
        notes = [column.comment] if column.comment else []
        values = table.samples.get(column.name, ())[:samples]
        if values:
            notes.append("e.g. " + ", ".join(_shown(v) for v in values))
        lines.append((text, "; ".join(notes)))
    keys = [c.name for c in table.columns if c.primary_key]
    if len(keys) > 1:
        lines.append((f"  PRIMARY KEY ({_names(keys)})", ""))
    for key in table.foreign_keys:
        target = f"{quote_name(key.ref_table)} ({_names(key.ref_columns)})"
        lines.append((f"  FOREIGN KEY ({_names(key.columns)}) REFERENCES {target}", ""))
    body = "\n".join(
        text + ("," if i < len(lines) - 1 else "") + (f"  -- {note}" if note else "")
        for i, (text, note) in enumerate(lines)
    )
    return f"CREATE TABLE {quote_name(table.name)} (\n{body}\n);"


def quote_name(name: str) -> str:
    """Quote an identifier where it is no plain lower- or mixed-case word."""
    plain = name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit()
    return name if plain else '"' + name.replace('"', '""') + '"'


def _names(names: Sequence[str]) -> str:
    return ", ".join(quote_name(n) for n in names)


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:37] + "…'"
