"""What a database holds, kept for as long as it stays true: names, keys, and values by column.

Everything is read through the sandbox, by statements of our own and within limits of their own
(`narrow`). Values are read column by column when they are first asked for. A column
of more than `MOST` distinct values, or of a table with more than `SCANNED` rows, is *sampled*: what
is not among its values may still be there, and `Catalogue.holds` asks the database itself. Where a
limit stops a question its answer is None, unknown, and never no.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sqlbench.databases.base import Column, Database, QueryError, QueryResult, Table, quote_name
from sqlbench.databases.stamp import content_stamp
from sqlbench.signals.keys import Key, keys_of

MOST = 5_000  # distinct values of a column that are kept
SCANNED = 100_000  # rows of a table that are read for them
_STEPS, _SECONDS, _BYTES = 2_000_000, 0.5, 4 * 2**20  # what an extra question may cost
_LONGEST = 200  # letters of a value that is kept
SEARCHED = 400  # columns that are searched for a literal


@dataclass(frozen=True)
class Values:
    """The distinct values of one column, as far as they are known.

    Attributes
    ----------
    found : tuple
        The values, without NULL, as the database gives them; empty if they could not be read.
    sampled : bool
        True if the column may hold others.
    known : bool
        False if a limit or an error kept the values from being read.
    """

    found: tuple[Any, ...] = ()
    sampled: bool = False
    known: bool = True

    @cached_property
    def texts(self) -> dict[str, Any]:
        """Each value as text, with the value itself."""
        return {as_text(v): v for v in self.found}

    @cached_property
    def folded(self) -> dict[str, str]:
        """Each value's text in lower case and without outer blanks, with the text."""
        return {text.strip().casefold(): text for text in reversed(self.texts)}


@dataclass(frozen=True, slots=True)
class Place:
    """A value of a column that a literal stands for.

    Attributes
    ----------
    table, column : str
        Where it is held.
    value : str
        The value as it is held.
    exact : bool
        False if it differs from the literal in case or in outer blanks.
    """

    table: str
    column: str
    value: str
    exact: bool


@dataclass(frozen=True, slots=True)
class Places:
    """Where a literal is held; ``complete`` is False if not every column could be searched."""

    found: tuple[Place, ...]
    complete: bool


class Catalogue:
    """A profile of one database; `catalogue_of` returns the one that is kept.

    Names are matched without regard to case. A table of PostgreSQL that needs its schema's name is
    listed as ``schema.table``, and found without it if no other has that name.

    Parameters
    ----------
    database : Database
        What is profiled. It is not kept alive by its own profile in `catalogue_of`.
    stamp : hashable
        Its `content_stamp`.

    Attributes
    ----------
    content : hashable
        Equal to another profile's only if both are of the same unchanged files and show the same
        schema: what was found in this content may be kept under it.
    given_up : int
        How many extra statements were stopped by what another run may not meet: the clock.
    """

    def __init__(self, database: Database, stamp: Hashable = None) -> None:
        self.dialect = database.dialect
        self.schema = database.schema()
        self._door = narrow(database)
        self._by_clock = not hasattr(getattr(self._door, "limits", None), "vm_steps")
        self._values: dict[tuple[str, str], Values] = {}
        self._held: dict[tuple[str, str, str, bool], bool | None] = {}
        of_files = isinstance(stamp, tuple)
        self.content: Hashable = (stamp, hash(repr(self.schema))) if of_files else object()
        self.given_up = 0

    @cached_property
    def schema_hash(self) -> str:
        """SHA-256 of the schema, with its comments."""
        return hashlib.sha256(repr(self.schema).encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def tables(self) -> dict[str, Table]:
        """The tables by their name in lower case, in the schema's order."""
        return {full_name(t).lower(): t for t in self.schema.tables}

    @cached_property
    def _columns(self) -> dict[str, dict[str, Column]]:
        return {n: {c.name.lower(): c for c in t.columns} for n, t in self.tables.items()}

    @cached_property
    def _short(self) -> dict[str, Table | None]:
        """Tables without their schema's name; None where several have it."""
        found: dict[str, Table | None] = {}
        for table in self.schema.tables:
            name = table.name.lower()
            found[name] = None if name in found else table
        return found

    @cached_property
    def _homes(self) -> dict[str, tuple[str, ...]]:
        homes: dict[str, list[str]] = {}
        for name, columns in self._columns.items():
            for column in columns:
                homes.setdefault(column, []).append(full_name(self.tables[name]))
        return {column: tuple(tables) for column, tables in homes.items()}

    @cached_property
    def unread(self) -> frozenset[str]:
        """What SQLite has and cannot always describe, in lower case: a view whose table is gone."""
        if self.dialect != "sqlite":
            return frozenset()
        result = self.ask("SELECT lower(name) FROM sqlite_master WHERE type IN ('table', 'view')")
        return frozenset() if result is None else frozenset(name for (name,) in result.rows)

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """The foreign keys: those declared or, where none are, those that names imply."""
        return keys_of(self.schema.tables)

    def table(self, name: str) -> Table | None:
        """Return a table by its name, with or without its schema's."""
        return self.tables.get(name.lower()) or self._short.get(name.lower())

    def columns(self, table: str) -> dict[str, Column]:
        """Return a table's columns by their name in lower case; none if there is no such table."""
        found = self.table(table)
        return {} if found is None else self._columns[full_name(found).lower()]

    def column(self, table: str, name: str) -> Column | None:
        """Return a column of a table, if both are there."""
        return self.columns(table).get(name.lower())

    def homes(self, column: str) -> tuple[str, ...]:
        """Return the tables that have a column of this name."""
        return self._homes.get(column.lower(), ())

    def each_column(self) -> Iterator[tuple[Table, Column]]:
        """Yield every column with its table, in the schema's order."""
        for table in self.schema.tables:
            for column in table.columns:
                yield table, column

    def ask(self, sql: str) -> QueryResult | None:
        """Run an extra statement in the sandbox; None if it failed or a limit stopped it.

        Where there is only the clock it is asked twice: a busy machine may have stopped it.
        """
        for _ in range(2 if self._by_clock else 1):
            try:
                return self._door.execute(sql)
            except QueryError as error:
                if error.reproducible:
                    return None
        self.given_up += 1
        return None

    def values(self, table: str, column: str) -> Values:
        """Return the distinct values of a column, in the order in which the database gives them.

        An unknown table or column has no values that are known.
        """
        owner, found = self.table(table), self.column(table, column)
        if owner is None or found is None:
            return Values(known=False)
        key = full_name(owner).lower(), found.name.lower()
        if key not in self._values:
            self._values[key] = self._read(owner, found)
        return self._values[key]

    def holds(self, table: str, column: str, literal: str, *, folded: bool = False) -> bool | None:
        """Return whether a column holds a literal, exactly; None if that cannot be known.

        With ``folded`` case does not count, nor do outer blanks.
        """
        values = self.values(table, column)
        if folded and values.known and literal.strip().casefold() in values.folded:
            return True
        if values.known and literal in values.texts:
            return True
        if values.known and not values.sampled:
            return _same_number(literal, values)
        key = table.lower(), column.lower(), literal, folded
        if key not in self._held:
            self._held[key] = self._look(table, column, literal, folded)
        return self._held[key]

    def where(self, literal: str, tables: tuple[str, ...] = ()) -> Places:
        """Return the columns that hold a literal, exactly or but for case and outer blanks.

        Parameters
        ----------
        literal : str
            What is looked for.
        tables : tuple of str
            These are searched first: a schema may have more columns than `SEARCHED`.
        """
        first = {full_name(t) for name in tables if (t := self.table(name)) is not None}
        ordered = sorted(self.each_column(), key=lambda pair: full_name(pair[0]) not in first)
        wanted = [pair for pair in ordered if _may_hold(pair[1], literal)]
        complete, folded = len(wanted) <= SEARCHED, literal.strip().casefold()
        found = []
        for table, column in wanted[:SEARCHED]:
            values = self.values(full_name(table), column.name)
            complete = complete and values.known and not values.sampled
            if literal in values.texts:
                found.append(Place(full_name(table), column.name, literal, True))
            elif folded in values.folded:
                place = Place(full_name(table), column.name, values.folded[folded], False)
                found.append(place)
        found.sort(key=lambda place: not place.exact)
        return Places(tuple(found), complete)

    def quoted(self, table: Table) -> str:
        """Return a table's name as a statement must write it."""
        parts = [table.schema, table.name] if table.schema else [table.name]
        return ".".join(quote_name(part, self.dialect) for part in parts)

    def _read(self, table: Table, column: Column) -> Values:
        name, source = quote_name(column.name, self.dialect), self.quoted(table)
        large = table.row_count is None or table.row_count > SCANNED
        if large:  # the rows that come first: as many again whatever the table's size
            source = f"(SELECT {name} FROM {source} LIMIT {SCANNED}) AS head"
        result = self.ask(f"SELECT DISTINCT {name} FROM {source} LIMIT {MOST + 2}")
        if result is None:
            return Values(known=False)
        found = [row[0] for row in result.rows if row[0] is not None]
        kept = [v for v in found[:MOST] if not isinstance(v, bytes) and len(as_text(v)) <= _LONGEST]
        sampled = len(kept) < len(found) or result.truncated
        if large and not sampled:
            count = self.ask(f"SELECT count(*) FROM (SELECT 1 FROM {source}) AS rows_there")
            sampled = count is None or count.rows[0][0] >= SCANNED
        return Values(tuple(kept), sampled)

    def _look(self, table: str, column: str, literal: str, folded: bool) -> bool | None:
        owner, found = self.table(table), self.column(table, column)
        if owner is None or found is None:
            return None
        name, text = quote_name(found.name, self.dialect), "'" + literal.replace("'", "''") + "'"
        if folded:
            name, text = f"lower({name})", f"lower({text})"
        result = self.ask(f"SELECT 1 FROM {self.quoted(owner)} WHERE {name} = {text} LIMIT 1")
        return None if result is None else bool(result.rows)


def narrow(database: Database) -> Database:
    """Return a second door to the same database, whose limits are those of an extra question.

    Some 50 ms of SQLite's steps, or half a second where there is only the clock. A database that
    cannot be opened again under other limits is asked under its own.

    Parameters
    ----------
    database : Database
        It closes the other door with itself.
    """
    limits: Any = getattr(database, "limits", None)
    with_limits = getattr(database, "with_limits", None)
    if with_limits is None or limits is None:
        return database
    changes: dict[str, Any] = {"max_bytes": min(_BYTES, limits.max_bytes)}
    if hasattr(limits, "vm_steps"):
        changes["vm_steps"] = min(_STEPS, limits.vm_steps)
    else:
        changes["wall_clock"] = min(_SECONDS, limits.wall_clock)
    found: Database = with_limits(replace(limits, **changes))
    return found


def full_name(table: Table) -> str:
    """Return a table's name, with its schema's where it needs that."""
    return f"{table.schema}.{table.name}" if table.schema else table.name


def as_text(value: Any) -> str:
    """Return a value as a literal would name it: a float that is whole without its fraction."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _same_number(literal: str, values: Values) -> bool:
    """Return whether a literal that is a number equals one that is there: 3.50 is 3.5."""
    try:
        return as_text(float(literal)) in values.texts
    except ValueError:
        return False


def _may_hold(column: Column, literal: str) -> bool:
    """Return whether a literal can be in a column at all, by the declared type."""
    if any(c.isalpha() for c in literal):
        kind = column.type.split("(")[0].strip().lower()
        return kind not in _NUMERIC
    return True


_NUMERIC = {
    "int", "integer", "smallint", "bigint", "real", "float", "double", "double precision",
    "numeric", "decimal", "boolean", "bool", "bytea", "blob",
}  # fmt: skip


class _Kept:
    """The profiles that are kept, each with the stamp of the content that it was read from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: weakref.WeakKeyDictionary[Database, tuple[Hashable, Catalogue]] = (
            weakref.WeakKeyDictionary()
        )

    def at_hand(self, database: Database) -> Catalogue | None:
        if not hasattr(database, "path"):
            return None  # to ask a server whether it has changed takes a while
        with self._lock:
            kept = self._found.get(database)
        return None if kept is None or kept[0] != content_stamp(database) else kept[1]

    def get(self, database: Database) -> Catalogue:
        stamp = content_stamp(database)
        with self._lock:
            kept = self._found.get(database)
            if kept is not None and kept[0] != stamp:
                reopen: Callable[[], None] | None = getattr(database, "reopen", None)
                if reopen is not None:
                    reopen()  # connections keep pages of the file as it was
            if kept is None or kept[0] != stamp:
                kept = self._found[database] = stamp, Catalogue(database, stamp)
            return kept[1]


_KEPT = _Kept()


def catalogue_of(database: Database) -> Catalogue:
    """Return the profile of a database, read anew if the database has changed since.

    Parameters
    ----------
    database : Database
        An open database, as the object through which it was opened: a profile is kept as long as
        that object lives.
    """
    return _KEPT.get(database)


def catalogue_at_hand(database: Database) -> Catalogue | None:
    """Return a profile of unchanged files that is there already, without waiting for anything."""
    return _KEPT.at_hand(database)
