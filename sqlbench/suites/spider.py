"""Spider's layout (Yu et al. 2018): ``dev.json``, ``tables.json`` and ``database/<db_id>/``.

Many of Spider's SQLite files declare no foreign keys; ``tables.json`` has them, and the names of
columns in plain English. Both go into the schema that a model sees.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlbench.databases.base import Column, ForeignKey, Schema, Table
from sqlbench.exceptions import SuiteError
from sqlbench.suites.base import Suite
from sqlbench.suites.benchmark import (
    Annotation,
    Record,
    build_suite,
    joined,
    number_of,
    read_records,
    split_of,
)

# Each split's questions, databases and schemas.
_SPLITS = {
    "dev": ("dev.json", "database", "tables.json"),
    "train_spider": ("train_spider.json", "database", "tables.json"),
    "train_others": ("train_others.json", "database", "tables.json"),
    "test": ("test.json", "test_database", "test_tables.json"),
}
ALL = "all"


def load_spider(argument: str, spec: str) -> Suite:
    """Load one split of Spider, or all of those that are there.

    Parameters
    ----------
    argument : str
        The folder that holds ``dev.json`` and ``database/``, and ``?split=`` with ``dev`` (the
        default), ``train_spider``, ``train_others``, ``test``, or ``all`` of these.
    spec : str
        What the user wrote.

    Raises
    ------
    UnknownNameError
        If there is no such split.
    SuiteError
        If the folder or its files are missing or malformed, or no database is there.
    """
    root, name = split_of(spec, argument, (*_SPLITS, ALL))
    if name != ALL:
        return _load(root, name or "dev", spec)
    present = [split for split, (questions, *_) in _SPLITS.items() if (root / questions).is_file()]
    return joined(spec, [_load(root, split, spec) for split in present or ("dev",)])


def _load(root: Path, split: str, spec: str) -> Suite:
    questions, databases, tables = _SPLITS[split]
    raw = read_records(
        root / questions, f"Spider's {questions} and {databases}/", ("db_id", "question", "query")
    )
    path = root / questions
    records = [
        Record(
            number_of(r.get("index", i), path, i, "index"), r["db_id"], r["question"], r["query"]
        )
        for i, r in enumerate(raw)
    ]
    # Spider's test databases lie in a folder of their own, older copies in the common one.
    folder = root / databases if (root / databases).is_dir() else root / "database"
    annotations = _annotations(root / tables) if (root / tables).is_file() else {}
    return build_suite(spec, split, records, folder, annotations)


def _annotations(path: Path) -> dict[str, Annotation]:
    try:
        schemas = json.loads(path.read_text(encoding="utf-8-sig"))
        return {
            s["db_id"]: Annotation(
                _Tables(s).complete,
                hashlib.sha256(json.dumps(s, sort_keys=True).encode()).hexdigest(),
            )
            for s in schemas
        }
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise SuiteError(
            f"{str(path)!r} is not in the form of Spider's tables.json: {error!r}."
        ) from error


class _Tables:
    """One entry of ``tables.json``."""

    def __init__(self, entry: dict[str, Any]) -> None:
        tables = entry["table_names_original"]
        columns = [
            (tables[t] if t >= 0 else "", name) for t, name in entry["column_names_original"]
        ]
        plain = [name for _, name in entry.get("column_names", entry["column_names_original"])]
        self.plain = {
            (table.lower(), name.lower()): text
            for (table, name), text in zip(columns, plain, strict=True)
        }
        self.keys = [(columns[a], columns[b]) for a, b in entry.get("foreign_keys", [])]

    def complete(self, schema: Schema) -> Schema:
        names = {t.name.lower(): t for t in schema.tables}
        return replace(schema, tables=tuple(self._table(t, names) for t in schema.tables))

    def _table(self, table: Table, names: dict[str, Table]) -> Table:
        declared = {
            (source.lower(), key.ref_table.lower(), target.lower())
            for key in table.foreign_keys
            for source, target in zip(key.columns, key.ref_columns, strict=True)
        }
        own = {c.name.lower(): c.name for c in table.columns}
        added = []
        for (source_table, source), (target_table, target) in self.keys:
            known = names.get(target_table.lower())
            if source_table.lower() != table.name.lower() or known is None:
                continue
            columns = {c.name.lower(): c.name for c in known.columns}
            edge = (source.lower(), target_table.lower(), target.lower())
            if edge not in declared and source.lower() in own and target.lower() in columns:
                declared.add(edge)
                added.append(
                    ForeignKey((own[source.lower()],), known.name, (columns[target.lower()],))
                )
        return replace(
            table,
            columns=tuple(self._column(table.name, c) for c in table.columns),
            foreign_keys=(*table.foreign_keys, *added),
        )

    def _column(self, table: str, column: Column) -> Column:
        text = self.plain.get((table.lower(), column.name.lower()), "")
        says_more = _letters(text) != _letters(column.name)
        return replace(column, comment=text) if text and says_more else column


def _letters(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
