"""What SQL from a model may say on DuckDB: one SELECT that calls what has no effects.

The first of several walls. Behind it stand a database that is opened read-only, a configuration
without files, extensions and temporary files that is locked, and a process of its own that may
not write, grow or outlive its limit (`duckdb_worker`). DuckDB's own parser makes the tree that is
looked through, as `json_serialize_sql` writes it: what is checked here is what DuckDB runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_QUERIES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
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
_KNOWN = "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE internal"
_MACROS = (
    "SELECT lower(function_name), function_type = 'table_macro', macro_definition "
    "FROM duckdb_functions() WHERE NOT internal AND macro_definition IS NOT NULL"
)
_EMPTY = "the statement is empty"


class Refused(Exception):
    """Raised where a statement may not run; says why."""


class NoSuchTable(Exception):
    """Raised where a statement reads a file as a table; holds its name."""


class Safety:
    """Looks through statements on one connection.

    Parameters
    ----------
    read : callable
        Runs a statement of our own and returns its rows.
    """

    def __init__(self, read: Callable[[str], list[tuple[Any, ...]]]) -> None:
        allowed = _allowed_functions()
        self._tables = {name for (name,) in read(_OWN)}
        self._hidden = {name for (name,) in read(_INTERNAL)} - self._tables
        known = {name for (name,) in read(_KNOWN) if name.isidentifier()}  # signs are operators
        self._refused = known - allowed - _MAKE_ROWS
        self._refused_rows = known - _MAKE_ROWS
        self._check_macros(read)

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
        statements = json.loads(serialized)["statements"]
        if not statements:
            raise Refused(_EMPTY)
        if len(statements) > 1:
            raise Refused("only one statement may be run at a time")
        ctes = {str(e["key"]).lower() for n in _walk(statements) for e in _ctes(n)}
        for node in _walk(statements):
            self._check_node(node, ctes)

    def _check_node(self, node: dict[str, Any], ctes: set[str]) -> None:
        kind = node.get("type")
        if isinstance(kind, str):
            if kind.endswith("_NODE") and kind not in _QUERIES:
                word = kind.partition("_")[0]
                raise Refused(f"only SELECT statements may be run ({word} is not allowed)")
            if kind == "SHOW_REF":
                raise Refused("only SELECT statements may be run (SHOW is not allowed)")
            if kind == "BASE_TABLE":
                self._check_table(node, ctes)
            if kind == "TABLE_FUNCTION":
                for name in _names(node["function"]):
                    if name in self._refused_rows:
                        raise Refused(f"the function {name}() may not be used")
        for name in _names(node):
            if name in self._refused:
                raise Refused(f"the function {name}() may not be used")

    def _check_table(self, node: dict[str, Any], ctes: set[str]) -> None:
        path = [str(p).lower() for p in _path(node) or [node["table_name"]]]
        schema, name = path[-2] if len(path) > 1 else "", path[-1]
        if schema == "information_schema":
            if name in self._hidden - _DESCRIBING:
                raise Refused(f"the table {name} may not be read")
        elif name in self._hidden - _DESCRIBING and not (not schema and name in ctes):
            raise Refused(f"the table {name} may not be read")
        elif not schema and name not in self._tables | ctes and _FILE_LIKE.search(name):
            raise NoSuchTable(node["table_name"])

    def _check_macros(self, read: Callable[[str], list[tuple[Any, ...]]]) -> None:
        """Refuse the database's own macros that do what no statement may; they may nest."""
        trees = {}
        for name, of_rows, body in read(_MACROS):
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
            if json.loads(tree)["error"]:
                return False
            self.check(tree)
        except (Refused, NoSuchTable):
            return False
        return True


def _allowed_functions() -> frozenset[str]:
    text = Path(__file__).with_name("duckdb_functions.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return frozenset(" ".join(lines).split())


def _walk(root: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a tree; without recursion, whatever its depth."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(v for v in node.values() if isinstance(v, dict | list))
        else:
            waiting.extend(v for v in node if isinstance(v, dict | list))


def _ctes(node: dict[str, Any]) -> list[dict[str, Any]]:
    ctes = node.get("cte_map")
    return list(ctes["map"]) if isinstance(ctes, dict) and "map" in ctes else []


def _path(node: dict[str, Any]) -> list[Any]:
    named = node.get("qualified_name")
    return list(named["path"]) if isinstance(named, dict) else []


def _names(node: dict[str, Any]) -> set[str]:
    """Return what a node calls, in small letters."""
    if "function_name" not in node:
        return set()
    return {str(n).lower() for n in (node["function_name"], *_path(node)[-1:])}
