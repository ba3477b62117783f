"""What a statement on SQLite may do: read, and call what cannot reach out or run for ever."""

from __future__ import annotations

import re
import sqlite3

from sqlbench.databases import sqlite_brief
from sqlbench.databases.watch import Ticket

# No step is interrupted, and straight-line code is not checked between its steps. So what bounds
# it is the number of calls in one statement, as `Limits.max_value_bytes` bounds each of them.
_MAX_NAMES = 5_000  # columns, tables and functions that a statement refers to, views expanded
_MAX_CALLS = 1_000
# Quadratic ones, by what share of the limit a call takes. Two long JSON objects take 10 s to merge,
# which goes on when the caller is answered.
_MAX_SLOW = 50
_SLOW = {"glob": 1, "json_patch": 25, "jsonb_patch": 25, "like": 1, "match": 1, "matchinfo": 1}

_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE}
_DENIED_FUNCTIONS = {
    "edit",
    "eval",
    "fts3_tokenizer",
    "fts5",
    "load_extension",
    "optimize",
    "readfile",
    "rtreecheck",
    "sqlite_log",
    "writefile",
}
_DENIED_TABLES = {
    "bytecode",
    "completion",
    "csv",
    "dbstat",
    "fsdir",
    "fts3tokenize",
    "sqlite_dbpage",
    "sqlite_dbdata",
    "sqlite_dbptr",
    "sqlite_memstat",
    "sqlite_stmt",
    "tables_used",
    "zipfile",
}
# What the authorizer calls a denied action, where the statement's first word does not say it.
_ACTIONS = {
    sqlite3.SQLITE_ATTACH: "ATTACH",
    sqlite3.SQLITE_DELETE: "DELETE",
    sqlite3.SQLITE_INSERT: "INSERT",
    sqlite3.SQLITE_PRAGMA: "PRAGMA",
    sqlite3.SQLITE_UPDATE: "UPDATE",
}
# Possessive, so that a statement of comments alone costs no more than its length.
_FIRST_WORD = re.compile(r"(?:[\s;\ufeff]|--[^\n]*+|(?>/\*.*?\*/))*+([A-Za-z]+)", re.DOTALL)


class Authorizer:
    """Allows one statement at a time to read, and counts what it names and calls.

    Parameters
    ----------
    tables : frozenset of str
        What may not be read, see `denied_tables`.
    native : bool
        Whether SQLite's own functions of texts are there.

    Attributes
    ----------
    denied : str or None
        What the statement was denied, if anything.
    unsure : bool
        Whether it was denied as a brief one only.
    """

    def __init__(self, tables: frozenset[str], *, native: bool = False) -> None:
        self._tables, self._native = tables, native
        self.restart(Ticket())

    def restart(self, ticket: Ticket, *, short_formats: bool = False) -> None:
        """Forget the last statement; this one's ticket says when it is to stop."""
        self._ticket, self._short_formats = ticket, short_formats
        self.denied: str | None = None
        self.unsure = False
        self._names = self._calls = self._slow = 0

    def __call__(  # noqa: D102  what SQLite asks of an authorizer
        self,
        action: int,
        first: str | None,
        second: str | None,
        database: str | None,
        trigger: str | None,
    ) -> int:
        self._names += 1
        if action == sqlite3.SQLITE_FUNCTION:
            name = str(second).lower()
            self._calls += 1
            self._slow += _SLOW.get(name, 0)
            if self._ticket.brief and name not in sqlite_brief.FUNCTIONS:
                self.unsure = True
            elif name in _DENIED_FUNCTIONS:
                self.denied = f"the function {name}() may not be used"
            elif self._native and name in ("printf", "format") and not self._short_formats:
                # A width of a billion fills the memory in one step.
                self.denied = (
                    f"{name}() takes a text that is not UTF-8 only with a format that stands in "
                    "the statement, without *"
                )
            elif self._slow > _MAX_SLOW and name in _SLOW:
                most = _MAX_SLOW // _SLOW[name]
                self.denied = f"a statement may call {name}() at most {most} times"
            elif self._calls > _MAX_CALLS:
                self.denied = f"a statement may call at most {_MAX_CALLS} functions"
        elif action == sqlite3.SQLITE_READ:
            name = str(first).lower()
            if name in self._tables:
                self.denied = f"the table {name} may not be read"
        elif action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
            # What SQLite does to load a virtual table; json_each and json_tree are loaded.
            self.denied = "this virtual table or table-valued function may not be used"
        elif action == sqlite3.SQLITE_PRAGMA and first == "data_version" and second is None:
            pass  # FTS5 asks for it before it reads; a statement of one's own is refused before
        elif action not in _READING:
            self.denied = f"action {_ACTIONS.get(action, '')}"
        if self._ticket.stopped is not None:
            self.denied = "it was to stop"  # while it was compiled, which no interrupt ends
        elif self._names > _MAX_NAMES:
            self.denied = f"a statement may refer to at most {_MAX_NAMES} names"
        if self._ticket.brief and self._names > sqlite_brief.MAX_NAMES:
            self.unsure = True
        allowed = self.denied is None and not self.unsure
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    def denial(self, sql: str) -> str:
        """Return what was denied, in words for the statement's author."""
        denied = str(self.denied)
        if not denied.startswith("action"):
            return denied
        # CREATE TABLE is first of all an INSERT into the schema: the statement's own word is
        # the one to name.
        word = first_word(sql)
        if word in {"", "SELECT", "WITH", "VALUES"}:
            word = denied.removeprefix("action").strip()
        return "only SELECT statements may be run" + (f" ({word} is not allowed)" if word else "")


def denied_tables(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the tables that tell of more than a database's own rows, in small letters.

    They are modules of SQLite's, or functions that stand for a pragma. A name that is neither
    here is the user's, as is an ordinary table's of the same name, which hides the module.

    Parameters
    ----------
    connection : sqlite3.Connection
        An open connection without an authorizer.
    """
    modules = {name.lower() for (name,) in connection.execute("PRAGMA module_list")}
    pragmas = {f"pragma_{name.lower()}" for (name,) in connection.execute("PRAGMA pragma_list")}
    own = connection.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        " AND sql NOT LIKE 'CREATE VIRTUAL%'"
    )
    ours = {name.lower() for (name,) in own}
    known = _DENIED_TABLES & modules if modules else _DENIED_TABLES
    return frozenset((known | pragmas) - ours)


def first_word(sql: str) -> str:
    """Return a statement's first word in capitals, behind all comments; empty without one."""
    match = _FIRST_WORD.match(sql)
    return match.group(1).upper() if match else ""
