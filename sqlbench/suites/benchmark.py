"""What Spider's and BIRD's folders have in common: questions, and a file for each database."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlbench.databases.base import Database, Schema
from sqlbench.databases.duckdb import DuckDBDatabase
from sqlbench.databases.file_hash import file_hash
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.exceptions import SuiteError, UnknownNameError
from sqlbench.paths import located, shown
from sqlbench.suites.base import Entry, Question, Suite, Task
from sqlbench.suites.shapes import read_shapes

TASK_OF_DIFFICULTY = {
    "easy": "simple_queries",
    "medium": "join_queries",
    "hard": "complex_queries",
}
OUR_RULE = "sqlbench's rule on the parsed gold"


@dataclass(frozen=True, slots=True)
class Record:
    """A question as a benchmark's file has it; ``difficulty`` is its own label, if any."""

    number: int
    db_id: str
    question: str
    gold: str
    evidence: str = ""
    difficulty: str | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a benchmark's files say about a schema beyond the SQLite file, and their hash."""

    apply: Callable[[Schema], Schema]
    fingerprint: str


class AnnotatedSQLiteDatabase(SQLiteDatabase):
    """A SQLite file whose schema is completed from the benchmark's other files."""

    def __init__(self, path: Path, db_id: str, apply: Callable[[Schema], Schema]) -> None:
        super().__init__(path, db_id)
        self._apply = apply
        self._annotated: Schema | None = None

    def schema(self) -> Schema:
        """Return the schema with the benchmark's keys and descriptions."""
        if self._annotated is None:
            self._annotated = self._apply(super().schema())
        return self._annotated


class AnnotatedDuckDBDatabase(DuckDBDatabase):
    """A DuckDB file whose schema is completed from the benchmark's other files."""

    def __init__(self, path: Path, db_id: str, apply: Callable[[Schema], Schema]) -> None:
        super().__init__(path, db_id)
        self._apply = apply
        self._annotated: Schema | None = None

    def schema(self) -> Schema:
        """Return the schema with the benchmark's keys and descriptions."""
        if self._annotated is None:
            self._annotated = self._apply(super().schema())
        return self._annotated


def split_of(spec: str, argument: str, splits: Sequence[str]) -> tuple[Path, str | None]:
    """Return the folder and the split that ``DIR?split=NAME`` names.

    Raises
    ------
    UnknownNameError
        If there is no such split.
    SuiteError
        If something else than a split is asked for.
    """
    folder, _, query = argument.partition("?")
    key, _, name = query.partition("=")
    if query and key != "split":
        raise SuiteError(f"The suite {spec!r} has an option {key!r}; expected ?split=NAME.")
    if query and name not in splits:
        raise UnknownNameError("split", name, splits)
    return located(folder), name or None


def read_records(path: Path, layout: str, fields: Sequence[str]) -> list[dict[str, Any]]:
    """Read a list of questions, each of which has these fields as text.

    Raises
    ------
    SuiteError
        If the file is missing or malformed.
    """
    if not path.is_file():
        raise SuiteError(
            f"{shown(path)} does not exist: the suite needs {layout}; name the folder that holds "
            "them."
        )
    try:
        records = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SuiteError(f"{str(path)!r} is no JSON file that can be read: {error}.") from error
    if not isinstance(records, list) or not records:
        raise SuiteError(f"{str(path)!r} must hold a list of questions.")
    for i, record in enumerate(records):
        for field in fields:
            if not isinstance(record, dict) or not isinstance(record.get(field), str):
                raise SuiteError(f"{str(path)!r}: entry {i} has no text field {field!r}.")
    return records


def number_of(value: object, path: Path, entry: int, field: str) -> int:
    """Return a question's number, which some files write as text.

    Raises
    ------
    SuiteError
        If it is no number.
    """
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value)
    if type(value) is not int:
        raise SuiteError(f"{str(path)!r}: entry {entry} has {field} {value!r}, no number.")
    return value


def build_suite(
    spec: str,
    split: str,
    records: Sequence[Record],
    folder: Path,
    annotations: Mapping[str, Annotation],
    tasks_of: Mapping[str, str] = TASK_OF_DIFFICULTY,
) -> Suite:
    """Build a suite from a benchmark's questions and its folder of databases.

    A question whose database file is missing is left out; the suite's notes name the database
    and count its questions.

    Parameters
    ----------
    spec : str
        What the user wrote.
    split : str
        The beginning of every question's id.
    records : sequence of Record
        In the benchmark's order.
    folder : Path
        Holds ``<db_id>/<db_id>.sqlite``, or ``<db_id>/<db_id>.duckdb`` where that is not there.
    annotations : mapping of str to Annotation
        What completes a database's schema, by db_id.
    tasks_of : mapping of str to str
        The task of each difficulty, easiest first.

    Raises
    ------
    SuiteError
        If no database is there.
    """
    wanted = Counter(r.db_id for r in records)
    files = {db_id: _file(folder / db_id, db_id) for db_id in sorted(wanted)}
    present = {db_id: file for db_id, file in files.items() if file.is_file()}
    if not present:
        raise SuiteError(
            f"The suite {spec!r} has no database: expected files such as "
            f"{str(next(iter(files.values())))!r}."
        )
    notes = tuple(
        f"The database {db_id!r} is missing ({file}): {wanted[db_id]} questions are left out."
        for db_id, file in files.items()
        if db_id not in present
    )
    repeats = _repeats(records)
    labelled = all(r.difficulty in tasks_of for r in records)
    unlabelled = [] if labelled else [(r.gold, "sqlite") for r in records if r.db_id in present]
    hardness = iter([shape.hardness for shape in read_shapes(unlabelled)])
    by_difficulty: dict[str, list[Question]] = defaultdict(list)
    entries = []
    for position, record in enumerate(records):
        # BIRD's own mini_dev has two numbers twice: the second 137 is mini_dev_0137_2.
        again = f"_{repeats[position]}" if repeats[position] > 1 else ""
        question_id = f"{split}_{record.number:04d}{again}" if record.db_id in present else None
        entries.append(Entry(position, record.db_id, question_id, record.number))
        if question_id is None:
            continue
        difficulty = str(record.difficulty) if labelled else next(hardness)
        by_difficulty[difficulty].append(
            Question(
                id=question_id,
                text=record.question,
                gold=record.gold,
                db_id=record.db_id,
                task_id=(tasks_of if labelled else TASK_OF_DIFFICULTY)[difficulty],
                evidence=record.evidence,
            )
        )
    tasks = {
        task_id: Task(task_id, difficulty, tuple(by_difficulty[difficulty]))
        for difficulty, task_id in (tasks_of if labelled else TASK_OF_DIFFICULTY).items()
        if by_difficulty[difficulty]
    }
    return Suite(
        spec=spec,
        tasks=tasks,
        databases={
            db_id: _opened(file, db_id, annotations.get(db_id)) for db_id, file in present.items()
        },
        fingerprints={
            db_id: _fingerprint(file, annotations.get(db_id)) for db_id, file in present.items()
        },
        notes=notes,
        entries=tuple(entries),
        hardness_by="the benchmark's own label" if labelled else OUR_RULE,
    )


def joined(spec: str, suites: Sequence[Suite]) -> Suite:
    """Return the splits of one benchmark as one suite, in their order.

    Parameters
    ----------
    spec : str
        What the user wrote.
    suites : sequence of Suite
        At least one; no question's id occurs twice.
    """
    tasks = {
        task_id: Task(
            task_id,
            next(s.tasks[task_id].difficulty for s in suites if task_id in s.tasks),
            tuple(q for s in suites if task_id in s.tasks for q in s.tasks[task_id].questions),
        )
        for task_id in TASK_OF_DIFFICULTY.values()
        if any(task_id in s.tasks for s in suites)
    }
    entries = (e for s in suites for e in s.entries)
    return Suite(
        spec=spec,
        tasks=tasks,
        databases={db_id: d for s in suites for db_id, d in s.databases.items()},
        fingerprints={db_id: f for s in suites for db_id, f in s.fingerprints.items()},
        notes=tuple(n for s in suites for n in s.notes),
        entries=tuple(replace(e, position=i) for i, e in enumerate(entries)),
        hardness_by=suites[0].hardness_by,
    )


def _file(folder: Path, db_id: str) -> Path:
    lite, duck = folder / f"{db_id}.sqlite", folder / f"{db_id}.duckdb"
    return duck if duck.is_file() and not lite.is_file() else lite


def _opened(file: Path, db_id: str, annotation: Annotation | None) -> Database:
    if file.suffix == ".duckdb":
        if annotation is None:
            return DuckDBDatabase(file, db_id)
        return AnnotatedDuckDBDatabase(file, db_id, annotation.apply)
    if annotation is None:
        return SQLiteDatabase(file, db_id)
    return AnnotatedSQLiteDatabase(file, db_id, annotation.apply)


def _repeats(records: Sequence[Record]) -> list[int]:
    """Return how often each record's number has occurred, itself included."""
    seen: Counter[int] = Counter()
    found = []
    for record in records:
        seen[record.number] += 1
        found.append(seen[record.number])
    return found


def _fingerprint(file: Path, annotation: Annotation | None) -> str:
    digest = file_hash(file)
    return digest if annotation is None else f"{digest}+{annotation.fingerprint}"
