"""What SQL from a model may say on DuckDB: one SELECT that calls what has no effects.

The first of several walls. Behind it stand a database that is opened read-only, a configuration
without files, extensions and temporary files that is locked, and a process of its own that may
not write, grow or outlive its limit (`duckdb_worker`). DuckDB's own parser makes the tree that is
looked through, as `json_serialize_sql` writes it: what is checked here is what DuckDB runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

_QUERIES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_LOOKED_AT = {"BASE_TABLE", "SHOW_REF", "TABLE_FUNCTION"}
_make_rows_words = "generate_series json_each json_tree range repeat repeat_row unnest"
_MAKE_ROWS = frozenset(_make_rows_words.split())
# Of the catalogue's views those that name no file and no setting.
_describing_words = (
    "columns constraint_column_usage key_column_usage referential_constraints schemata "
    "table_constraints tables"
)
_DESCRIBING = frozenset(_describing_words.split())
_FILE_LIKE = re.compile(r"[/\\*?:]|\.\w+$")
_INTERNAL = "SELECT DISTINCT lower(view_name) FROM duckdb_views() WHERE internal"
_OWN = (
    "SELECT lower(table_name) FROM duckdb_tables() WHERE NOT internal UNION "
    "SELECT lower(view_name) FROM duckdb_views() WHERE NOT internal"
)
_FUNCTIONS = (
    "SELECT DISTINCT lower(function_name), function_type = 'table_macro', "
    "CASE WHEN NOT internal THEN macro_definition END, internal FROM duckdb_functions()"
)
_EMPTY = "the statement is empty"
_Read = Callable[[str], list[tuple[Any, ...]]]


class Refused(Exception):
    """Raised where a statement may not run; says why."""


class NoSuchTable(Exception):
    """Raised where a statement reads a file as a table; holds its name."""


class Safety:
    """Looks through statements on one database.

    Parameters
    ----------
    read : callable
        Runs a statement of our own and returns its rows.
    facts : dict, optional
        The `facts` of another process on the same database: reading them takes as long as opening
        it does.
    """

    def __init__(self, read: _Read, facts: dict[str, list[str]] | None = None) -> None:
        if facts is not None:
            self._tables, self._hidden = set(facts["tables"]), set(facts["hidden"])
            self._refused, self._refused_rows = set(facts["refused"]), set(facts["refused_rows"])
            return
        self._tables = {name for (name,) in read(_OWN)}
        self._hidden = {name for (name,) in read(_INTERNAL)} - self._tables
        functions = read(_FUNCTIONS)
        # Signs are operators.
        known = {name for name, _, _, internal in functions if internal and name.isidentifier()}
        self._refused = known - _allowed_functions() - _MAKE_ROWS
        self._refused_rows = known - _MAKE_ROWS
        macros = [(name, of_rows, body) for name, of_rows, body, _ in functions if body is not None]
        self._check_macros(macros, read)

    @property
    def facts(self) -> dict[str, list[str]]:
        """What is known of the database and its engine."""
        found = {"tables": self._tables, "hidden": self._hidden, "refused": self._refused}
        return {k: sorted(v) for k, v in {**found, "refused_rows": self._refused_rows}.items()}

    def check(self, serialized: str) -> None:
        """Check a statement's tree.

        Parameters
        ----------
        serialized : str
            What ``json_serialize_sql`` made of it, without an error.

        Raises
        ------
        Refused
            If it may not run.
        NoSuchTable
            If it names a file in FROM.
        """
        statements = _parsed(serialized)["statements"]
        if not statements:
            raise Refused(_EMPTY)
        if len(statements) > 1:
            raise Refused("only one statement may be run at a time")
        # Each statement pays for this: no generator, no recursion, nothing looked at twice.
        waiting: list[Any] = [statements]
        while waiting:
            node = waiting.pop()
            if node.__class__ is dict:
                if "function_name" in node:
                    self._check_names(node, self._refused)
                kind = node.get("type")
                if kind.__class__ is str and (kind in _LOOKED_AT or kind.endswith("_NODE")):
                    self._check_kind(kind, node, statements)
                node = node.values()
            waiting.extend([v for v in node if v and (v.__class__ is dict or v.__class__ is list)])

    def _check_kind(self, kind: str, node: dict[str, Any], statements: list[Any]) -> None:
        if kind.endswith("_NODE"):
            if kind not in _QUERIES:
                word = kind.partition("_")[0]
                raise Refused(f"only SELECT statements may be run ({word} is not allowed)")
        elif kind == "SHOW_REF":
            raise Refused("only SELECT statements may be run (SHOW is not allowed)")
        elif kind == "BASE_TABLE":
            self._check_table(node, statements)
        elif kind == "TABLE_FUNCTION":
            self._check_names(node["function"], self._refused_rows)

    @staticmethod
    def _check_names(node: dict[str, Any], refused: set[str]) -> None:
        for name in (node["function_name"], *_path(node)[-1:]):
            if name.lower() in refused:
                raise Refused(f"the function {name.lower()}() may not be used")

    def _check_table(self, node: dict[str, Any], statements: list[Any]) -> None:
        path = [str(p).lower() for p in _path(node) or [node["table_name"]]]
        schema, name = path[-2] if len(path) > 1 else "", path[-1]
        if not schema and name in self._tables:
            return
        if schema == "information_schema":
            if name in self._hidden - _DESCRIBING:
                raise Refused(f"the table {name} may not be read")
        elif not schema and name in _ctes(statements):
            pass
        elif name in self._hidden - _DESCRIBING:
            raise Refused(f"the table {name} may not be read")
        elif not schema and _FILE_LIKE.search(name):
            raise NoSuchTable(node["table_name"])

    def _check_macros(self, macros: list[tuple[str, bool, str]], read: _Read) -> None:
        """Refuse the database's own macros that do what no statement may; they may nest."""
        trees = {}
        for name, of_rows, body in macros:
            text = body if of_rows else f"SELECT {body}"
            quoted = text.replace("'", "''")
            trees[name] = read(f"SELECT json_serialize_sql('{quoted}')")[0][0]
            # A macro of the engine's name would stand in for it.
            self._refused.discard(name)
            self._refused_rows.discard(name)
        while True:
            bad = {name for name, tree in trees.items() if not self._is_fit(tree)}
            if not bad:
                return
            self._refused |= bad
            self._refused_rows |= bad
            for name in bad:
                del trees[name]

    def _is_fit(self, tree: str) -> bool:
        try:
            if _parsed(tree)["error"]:
                return False
            self.check(tree)
        except (Refused, NoSuchTable):
            return False
        return True


def _allowed_functions() -> frozenset[str]:
    text = Path(__file__).with_name("duckdb_functions.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return frozenset(" ".join(lines).split())


def _parsed(serialized: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(serialized)
    except orjson.JSONDecodeError:  # nested deeper than it goes
        found = json.loads(serialized)
    return found


def _ctes(statements: list[Any]) -> set[str]:
    """Return the names of all common table expressions, in small letters."""
    names: set[str] = set()
    waiting: list[Any] = [statements]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            ctes = node.get("cte_map")
            if isinstance(ctes, dict):
                names |= {str(entry["key"]).lower() for entry in ctes.get("map") or ()}
            node = list(node.values())
        waiting.extend([v for v in node if isinstance(v, dict | list)])
    return names


def _path(node: dict[str, Any]) -> list[Any]:
    named = node.get("qualified_name")
    return list(named["path"]) if isinstance(named, dict) else []
