"""Spider's layout (Yu et al. 2018): ``dev.json`` and ``database/<db_id>/<db_id>.sqlite``."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.exceptions import SuiteError
from sqlbench.suites.base import Question, Suite, Task
from sqlbench.suites.hardness import TASK_OF_DIFFICULTY, hardness


def load_spider(folder: str, spec: str) -> Suite:
    """Load Spider's dev questions.

    A question whose database file is missing is left out; the suite's notes name the database
    and count its questions.

    Parameters
    ----------
    folder : str
        The folder that holds ``dev.json`` and ``database/``.
    spec : str
        What the user wrote.

    Raises
    ------
    SuiteError
        If the folder or its files are missing or malformed, or no database is there.
    """
    root = Path(folder).expanduser()
    path = root / "dev.json"
    if not path.is_file():
        raise SuiteError(
            f"The suite {spec!r} needs Spider's layout, but {str(path)!r} does not exist; "
            "name the folder that holds dev.json and database/."
        )
    records = _records(path)
    wanted = Counter(r["db_id"] for r in records)
    files = {db_id: root / "database" / db_id / f"{db_id}.sqlite" for db_id in sorted(wanted)}
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
    by_difficulty: dict[str, list[Question]] = defaultdict(list)
    for record in records:
        if record["db_id"] in present:
            difficulty = hardness(record["query"])
            by_difficulty[difficulty].append(
                Question(
                    id=f"dev_{record['index']:04d}",
                    text=record["question"],
                    gold=record["query"],
                    db_id=record["db_id"],
                    task_id=TASK_OF_DIFFICULTY[difficulty],
                )
            )
    tasks = {
        task_id: Task(task_id, difficulty, tuple(by_difficulty[difficulty]))
        for difficulty, task_id in TASK_OF_DIFFICULTY.items()
        if by_difficulty[difficulty]
    }
    return Suite(
        spec=spec,
        tasks=tasks,
        databases={db_id: SQLiteDatabase(file, db_id) for db_id, file in present.items()},
        fingerprints={
            db_id: hashlib.sha256(file.read_bytes()).hexdigest() for db_id, file in present.items()
        },
        notes=notes,
    )


def _records(path: Path) -> list[dict[str, Any]]:
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SuiteError(f"{str(path)!r} is no JSON file that can be read: {error}.") from error
    if not isinstance(records, list) or not records:
        raise SuiteError(f"{str(path)!r} must hold a list of questions.")
    for i, record in enumerate(records):
        for key in ("db_id", "question", "query"):
            if not isinstance(record, dict) or not isinstance(record.get(key), str):
                raise SuiteError(f"{str(path)!r}: entry {i} has no text field {key!r}.")
        record.setdefault("index", i)
    return records
