"""BIRD's layout (Li et al. 2023): ``dev.json`` or ``mini_dev_sqlite.json``, ``dev_databases/``.

Each database's ``database_description/*.csv`` says what its columns mean: those texts go into the
schema that a model sees, a question's evidence into the question. BIRD's own labels (simple,
moderate, challenging) are the tiers.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import replace
from pathlib import Path

from sqlbench.databases.base import Schema, Table
from sqlbench.exceptions import SuiteError
from sqlbench.paths import shown
from sqlbench.suites.base import Suite
from sqlbench.suites.benchmark import (
    Annotation,
    Record,
    build_suite,
    number_of,
    read_records,
    split_of,
)

_SPLITS = {
    "dev": ("dev.json", "dev_databases"),
    "mini_dev": ("mini_dev_sqlite.json", "dev_databases"),
    "train": ("train.json", "train_databases"),
}
TASK_OF_LABEL = {
    "simple": "simple_queries",
    "moderate": "join_queries",
    "challenging": "complex_queries",
}


def load_bird(argument: str, spec: str) -> Suite:
    """Load one split of BIRD.

    Parameters
    ----------
    argument : str
        The folder, and ``?split=`` with ``dev``, ``mini_dev`` or ``train``; by default the one
        whose questions the folder holds.
    spec : str
        What the user wrote.

    Raises
    ------
    UnknownNameError
        If there is no such split.
    SuiteError
        If the folder or its files are missing or malformed, it holds several splits and none is
        named, or no database is there.
    """
    root, named = split_of(spec, argument, tuple(_SPLITS))
    split = named or _only_split(root, spec)
    questions, databases = _SPLITS[split]
    path = root / questions
    raw = read_records(path, f"BIRD's {questions} and {databases}/", ("db_id", "question", "SQL"))
    records = []
    for i, r in enumerate(raw):
        number = number_of(r.get("question_id", i), path, i, "question_id")
        evidence, label = r.get("evidence") or "", r.get("difficulty")
        records.append(Record(number, r["db_id"], r["question"], r["SQL"], evidence, label))
    folder = root / databases
    annotations = {
        db_id: _annotation(folder / db_id / "database_description")
        for db_id in {r.db_id for r in records}
        if (folder / db_id / "database_description").is_dir()
    }
    return build_suite(spec, split, records, folder, annotations, TASK_OF_LABEL)


def _only_split(root: Path, spec: str) -> str:
    found = [split for split, (questions, _) in _SPLITS.items() if (root / questions).is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        raise SuiteError(f"The suite {spec!r} holds {', '.join(found)}: add ?split={found[0]}.")
    names = " or ".join(questions for questions, _ in _SPLITS.values())
    raise SuiteError(f"The suite {spec!r} needs BIRD's layout: no {names} in {shown(root)}.")


def _annotation(folder: Path) -> Annotation:
    files = sorted(folder.glob("*.csv"))
    contents = {file.stem.strip().lower(): file.read_bytes() for file in files}
    texts = {table: _descriptions(raw) for table, raw in contents.items()}
    digest = hashlib.sha256(b"\0".join(contents[name] for name in sorted(contents))).hexdigest()

    def describe(table: Table) -> Table:
        found = texts.get(table.name.lower(), {})
        columns = (
            replace(c, comment=found.get(c.name.strip().lower(), c.comment)) for c in table.columns
        )
        return replace(table, columns=tuple(columns))

    def apply(schema: Schema) -> Schema:
        return replace(schema, tables=tuple(map(describe, schema.tables)))

    return Annotation(apply, digest)


def _descriptions(raw: bytes) -> dict[str, str]:
    """Return what a CSV says of each column: BIRD's files mix UTF-8 and Windows-1252."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    result = {}
    for row in csv.DictReader(io.StringIO(text.replace("\0", ""), newline="")):
        fields = {
            (key or "").strip().lower(): " ".join((value or "").split())
            for key, value in row.items()
            if isinstance(value, str | None)
        }
        name = fields.get("original_column_name", "")
        parts = (fields.get("column_description"), fields.get("value_description"))
        said = [p for p in parts if p]
        plain = fields.get("column_name", "")
        if not said and plain.lower() != name.lower():
            said = [plain] if plain else []
        if name and said:
            result[name.lower()] = "; ".join(said)
    return result
