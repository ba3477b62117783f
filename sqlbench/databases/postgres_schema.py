"""Reads the schema of a PostgreSQL database from its catalogue: what the role may read, no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from sqlbench.databases.base import Column, ForeignKey, QueryError, Row, Schema, Table

_ROWS_SEEN = 200  # rows that are looked at for sample values
_SAMPLES = 3
_LONGEST = 60  # characters of a sample value

# Tables, views, materialized views, foreign and partitioned tables; of the last not their parts.
_TABLES = """
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.reltuples,
       pg_catalog.obj_description(c.oid, 'pg_class'),
       pg_catalog.pg_table_is_visible(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT c.relispartition
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
ORDER BY n.nspname COLLATE "C", c.oid
"""
_COLUMNS = """
SELECT a.attrelid, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod),
       pg_catalog.col_description(a.attrelid, a.attnum),
       EXISTS (
         SELECT FROM pg_catalog.pg_constraint k
         WHERE k.conrelid = a.attrelid AND k.contype = 'p' AND a.attnum = ANY (k.conkey)
       )
FROM pg_catalog.pg_attribute a
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid IN ({oids})
  AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
ORDER BY a.attrelid, a.attnum
"""
_KEYS = """
SELECT k.oid, k.conrelid, k.confrelid, a.attname::text, f.attname::text
FROM pg_catalog.pg_constraint k
CROSS JOIN LATERAL pg_catalog.generate_subscripts(k.conkey, 1) AS i
JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[i]
JOIN pg_catalog.pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[i]
WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid IN ({oids}) AND k.confrelid IN ({oids})
ORDER BY k.oid, i
"""


def read_schema(
    read: Callable[[str], list[Row]], db_id: str, schemas: Sequence[str] = ()
) -> Schema:
    """Return the schema, tables by their schema's name and in the order of their creation.

    Parameters
    ----------
    read : callable
        Runs a statement of our own and returns its rows.
    db_id : str
        The name that the schema carries.
    schemas : sequence of str
        Only these; empty takes all that the role may read.
    """
    found = [row for row in read(_TABLES) if not schemas or row[1] in schemas]
    if not found:
        return Schema(db_id, "postgres", ())
    oids = ", ".join(str(row[0]) for row in found)
    columns: dict[int, list[Column]] = defaultdict(list)
    for oid, name, type_, comment, primary in read(_COLUMNS.format(oids=oids)):
        columns[oid].append(Column(name, type_, primary, comment or ""))
    # The schema's name is shown where the table is not found without it.
    names = {row[0]: ("" if row[6] else row[1], row[2]) for row in found}
    keys = _foreign_keys(read(_KEYS.format(oids=oids)), names)
    tables = []
    for oid, schema, name, kind, estimate, comment, _ in found:
        samples = _samples(read, schema, name, columns[oid]) if kind != "v" else {}
        count = int(estimate) if kind != "v" and estimate >= 0 else None
        shown = names[oid][0]
        tables.append(
            Table(
                name, tuple(columns[oid]), keys.get(oid, ()), count, samples, shown, comment or ""
            )
        )
    return Schema(db_id, "postgres", tuple(tables))


def _foreign_keys(
    rows: list[Row], names: dict[int, tuple[str, str]]
) -> dict[int, tuple[ForeignKey, ...]]:
    parts: dict[tuple[int, int, int], list[tuple[str, str]]] = defaultdict(list)
    for key, owner, target, column, ref_column in rows:
        parts[owner, key, target].append((column, ref_column))
    keys: dict[int, list[ForeignKey]] = defaultdict(list)
    for (owner, _, target), pairs in parts.items():
        schema, table = names[target]
        left, right = zip(*pairs, strict=True)
        keys[owner].append(ForeignKey(left, table, right, schema))
    return {owner: tuple(found) for owner, found in keys.items()}


def _samples(
    read: Callable[[str], list[Row]], schema: str, table: str, columns: Sequence[Column]
) -> dict[str, tuple[Any, ...]]:
    """Return each column's first distinct values, cut to a readable length."""
    listed = ", ".join(_sampled(column) for column in columns)
    try:
        rows = read(f"SELECT {listed} FROM {_quoted(schema)}.{_quoted(table)} LIMIT {_ROWS_SEEN}")
    except QueryError:
        return {}  # row security, a foreign server that is away, a lock: the columns will do
    samples: dict[str, tuple[Any, ...]] = {}
    for j, column in enumerate(columns):
        distinct = dict.fromkeys(row[j] for row in rows if row[j] is not None)
        if values := tuple(distinct)[:_SAMPLES]:
            samples[column.name] = values
    return samples


def _sampled(column: Column) -> str:
    name = _quoted(column.name)
    if column.type == "bytea":
        return f"NULL AS {name}"
    plain = column.type.split("(")[0].split(" ")[0] in _SHORT
    return name if plain else f"pg_catalog.left({name}::text, {_LONGEST}) AS {name}"


_SHORT = {
    "smallint", "integer", "bigint", "numeric", "real", "double", "boolean", "date", "time",
    "timestamp", "interval", "uuid",
}  # fmt: skip


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
