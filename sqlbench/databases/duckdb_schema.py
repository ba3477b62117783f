"""Reads the schema of a DuckDB database from its catalogue, comments included."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from sqlbench.databases.base import Column, ForeignKey, QueryError, Row, Schema, Table

_ROWS_SEEN = 1_000  # rows that are looked at for sample values
_SAMPLES = 3
_LONGEST = 60  # characters of a sample value

_TABLES = """
SELECT schema_name, table_name, table_oid, comment, false
FROM duckdb_tables() WHERE NOT internal AND NOT temporary AND database_name = current_database()
UNION ALL
SELECT schema_name, view_name, view_oid, comment, true
FROM duckdb_views() WHERE NOT internal AND NOT temporary AND database_name = current_database()
ORDER BY 5, 3
"""
_COLUMNS = """
SELECT schema_name, table_name, column_name, data_type, comment
FROM duckdb_columns() WHERE NOT internal AND database_name = current_database()
ORDER BY table_oid, column_index
"""
_KEYS = """
SELECT schema_name, table_name, constraint_type, to_json(constraint_column_names)::VARCHAR,
       referenced_table, to_json(referenced_column_names)::VARCHAR
FROM duckdb_constraints()
WHERE database_name = current_database() AND constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY')
ORDER BY table_oid, constraint_index
"""


def read_schema(read: Callable[[str], list[Row]], db_id: str, *, of_files: bool) -> Schema:
    """Return the schema, tables before views and each in the order of their creation.

    Parameters
    ----------
    read : callable
        Runs a statement of our own and returns its rows.
    db_id : str
        The name that the schema carries.
    of_files : bool
        Whether its views stand for files, and are to be looked into like tables.
    """
    columns: dict[tuple[str, str], list[tuple[str, str, str]]] = defaultdict(list)
    for schema, table, name, type_, comment in read(_COLUMNS):
        columns[schema, table].append((name, type_, comment or ""))
    primary, foreign = _keys(read)
    tables = []
    for schema, name, _, comment, is_view in read(_TABLES):
        place = schema, name
        if not columns[place]:
            continue  # a view on what is gone
        described = tuple(
            Column(column, type_, column in primary[place], text)
            for column, type_, text in columns[place]
        )
        count, samples = (
            (None, {}) if is_view and not of_files else _contents(read, schema, name, described)
        )
        keys = () if is_view else tuple(foreign[place])
        shown = "" if schema == "main" else schema
        tables.append(Table(name, described, keys, count, samples, shown, comment or ""))
    return Schema(db_id, "duckdb", tuple(tables))


def _keys(
    read: Callable[[str], list[Row]],
) -> tuple[dict[tuple[str, str], set[str]], dict[tuple[str, str], list[ForeignKey]]]:
    import json

    primary: dict[tuple[str, str], set[str]] = defaultdict(set)
    foreign: dict[tuple[str, str], list[ForeignKey]] = defaultdict(list)
    for schema, table, kind, names, target, targets in read(_KEYS):
        if kind == "PRIMARY KEY":
            primary[schema, table].update(json.loads(names))
        elif target:
            shown = "" if schema == "main" else schema  # a key stays within its schema
            key = ForeignKey(tuple(json.loads(names)), target, tuple(json.loads(targets)), shown)
            foreign[schema, table].append(key)
    return primary, foreign


def _contents(
    read: Callable[[str], list[Row]], schema: str, table: str, columns: tuple[Column, ...]
) -> tuple[int | None, dict[str, tuple[Any, ...]]]:
    """Return a table's row count, and each column's first distinct values."""
    full = f"{_quoted(schema)}.{_quoted(table)}"
    listed = ", ".join(_sampled(column) for column in columns)
    try:
        ((count,),) = read(f"SELECT count(*) FROM {full}")
        rows = read(f"SELECT {listed} FROM {full} LIMIT {_ROWS_SEEN}")
    except QueryError:
        return None, {}  # a view on a file that is gone, a table that takes too long
    samples: dict[str, tuple[Any, ...]] = {}
    for j, column in enumerate(columns):
        distinct = dict.fromkeys(row[j] for row in rows if row[j] is not None)
        if values := tuple(distinct)[:_SAMPLES]:
            samples[column.name] = values
    return count, samples


def _sampled(column: Column) -> str:
    name = _quoted(column.name)
    if column.type in ("BLOB", "BIT"):
        return "NULL"
    plain = column.type.partition("(")[0] in _SHORT
    return name if plain else f"left({name}::VARCHAR, {_LONGEST})"


_SHORT = {
    "BIGINT", "BOOLEAN", "DATE", "DECIMAL", "DOUBLE", "FLOAT", "HUGEINT", "INTEGER", "SMALLINT",
    "TIME", "TIMESTAMP", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "UUID",
}  # fmt: skip


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
