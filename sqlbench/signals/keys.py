"""The foreign keys of a schema: those declared or, where none are, those that names imply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlbench.databases.base import Table


@dataclass(frozen=True, slots=True)
class Key:
    """``columns`` of ``table`` refer to ``ref_columns`` of ``ref_table``.

    Attributes
    ----------
    table, ref_table : str
        Names as `full_name` gives them.
    columns, ref_columns : tuple of str
        Pairs, in order.
    declared : bool
        False if the schema does not declare it and the names imply it.
    """

    table: str
    columns: tuple[str, ...]
    ref_table: str
    ref_columns: tuple[str, ...]
    declared: bool = True

    def condition(self) -> str:
        """Return the join that follows this key, as a statement writes it."""
        pairs = zip(self.columns, self.ref_columns, strict=True)
        return " AND ".join(f"{self.table}.{a} = {self.ref_table}.{b}" for a, b in pairs)


def keys_of(tables: Sequence[Table]) -> tuple[Key, ...]:
    """Return the keys between tables of one schema.

    Where the schema declares none at all, a column implies a key if it is named like the only
    column of another table's primary key, or like that table with that column: ``team_id`` refers
    to ``team.id`` and to ``team.team_id``.

    Parameters
    ----------
    tables : sequence of Table
        All of the schema.
    """
    names = {(t.schema.lower(), t.name.lower()): _full(t) for t in tables}
    declared = tuple(
        Key(_full(table), key.columns, names[target], key.ref_columns)
        for table in tables
        for key in table.foreign_keys
        if (target := (key.ref_schema.lower(), key.ref_table.lower())) in names
        and len(key.columns) == len(key.ref_columns)
    )
    return declared or tuple(_implied(tables))


def _implied(tables: Sequence[Table]) -> list[Key]:
    owners: dict[str, list[tuple[Table, str]]] = {}
    for table in tables:
        primary = [c.name for c in table.columns if c.primary_key]
        if len(primary) == 1:
            name, owner = primary[0], table.name.lower()
            implied = {f"{owner}_{name}".lower(), f"{owner.removesuffix('s')}_{name}".lower()}
            if name.lower() not in _BARE:
                implied = {name.lower()}
            for said in implied:
                owners.setdefault(said, []).append((table, name))
    found = []
    for table in tables:
        for column in table.columns:
            targets = [o for o in owners.get(column.name.lower(), ()) if o[0] is not table]
            own = [o for o in owners.get(column.name.lower(), ()) if o[0] is table]
            if len(targets) == 1 and not own:
                target, name = targets[0]
                found.append(Key(_full(table), (column.name,), _full(target), (name,), False))
    return found


_BARE = {"id", "code", "key", "no", "number", "name", "uid", "uuid", "pk"}


def _full(table: Table) -> str:
    return f"{table.schema}.{table.name}" if table.schema else table.name
