"""Repair tables on disk: the folder that `sqlbench collect` fills, or a file of real records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqlbench.databases.base import Database
from sqlbench.episodes.context import FEATURE_NAMES, Context, featurize
from sqlbench.episodes.errors import ErrorClass
from sqlbench.evidence.repair_table import RepairTable, TableError, obvious_rules
from sqlbench.evidence.static_signals import record_signals
from sqlbench.evidence.traces import load_bird_table
from sqlbench.paths import located, shown
from sqlbench.suites import load_suite
from sqlbench.words import counted

TABLE_VERSION = 1


def load_table(
    path: str | Path, *, signals: bool = False, databases: Mapping[str, Database] | None = None
) -> RepairTable:
    """Load a repair table: a folder that `sqlbench collect` filled, or a file of real records.

    Parameters
    ----------
    path : path
        The folder, or the file.
    signals : bool
        Whether to read the signals of every first answer: of a collected table by running it once
        more on its suite's database, of real records as `load_bird_table` says.
    databases : mapping of str to Database, optional
        As for `load_bird_table`.

    Raises
    ------
    TableError
        If there is none, it is damaged, or its suite has changed and signals are asked for.
    UnknownNameError, SuiteError
        If signals are asked for and its suite cannot be loaded.
    """
    place = located(path)
    if place.is_file():
        return load_bird_table(place, signals=signals, databases=databases)
    try:
        return _load_collected(place, signals)
    except (KeyError, TypeError) as error:
        raise TableError(
            f"The repair table in {str(place)!r} is damaged: {type(error).__name__}, {error}."
        ) from error


def _load_collected(folder: Path, signals: bool) -> RepairTable:
    meta = read_meta(folder)
    arms, samples = tuple(meta["config"]["arms"]), int(meta["config"]["samples"])
    first: dict[tuple[str, int], dict[str, Any]] = {}
    cells: dict[tuple[str, int], dict[tuple[str, int], dict[str, Any]]] = {}
    for call in read_calls(folder):
        key = (call["question_id"], call["answer"])
        if call["arm"] == "generate":
            first[key] = call
        else:
            cells.setdefault(key, {})[call["arm"], call["sample"]] = call
    failing = [key for key, call in first.items() if not call["success"]]
    complete = [key for key in failing if len(cells.get(key, ())) == len(arms) * samples]
    notes = []
    owed = meta["config"]["answers"] * len(meta["questions"]) - len(first)
    if owed or len(complete) < len(failing):
        notes.append(
            f"Not complete: {counted(owed, 'first answer')} owed, and "
            f"{len(failing) - len(complete)} of {len(failing)} failing ones lack repairs and are "
            "left out; "
            "`sqlbench collect` with the same options goes on."
        )

    if not complete:
        raise TableError(
            f"The repair table in {str(folder)!r} has no row: of its {len(first)} first answers "
            f"{len(failing)} fail, and none of those has all its repairs. "
            + " ".join(notes or ["A model that fails more gives a table."])
        )

    def outcomes(name: str, dtype: type) -> NDArray[Any]:
        return np.array(
            [[[cells[k][a, s][name] for s in range(samples)] for a in arms] for k in complete],
            dtype=dtype,
        ).reshape(len(complete), len(arms), samples)

    classes = [ErrorClass(first[k]["error_class"]) for k in complete]
    return RepairTable(
        name=str(folder),
        arms=arms,
        question_ids=tuple(q for q, _ in complete),
        db_ids=tuple(first[k]["db_id"] for k in complete),
        contexts=tuple(str(c) for c in classes),
        features=np.array([featurize(Context(c, 2)) for c in classes]).reshape(len(complete), -1),
        feature_names=FEATURE_NAMES,
        successes=outcomes("success", bool),
        rewards=outcomes("reward", float),
        simulated=bool(meta["simulated"]),
        suite_hash=meta["suite_hash"],
        model=meta["config"]["model"],
        rules=obvious_rules(),
        notes=tuple(notes),
        tokens=outcomes("prompt_tokens", float) + outcomes("completion_tokens", float),
        signals=_signals(folder, meta, [first[k] for k in complete]) if signals else None,
    )


def _signals(
    folder: Path, meta: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]
) -> NDArray[np.float64]:
    """Return the block ``signals`` of first answers, each run once more on its database."""
    suite = load_suite(meta["config"]["suite"])
    try:
        if suite.content_hash != meta["suite_hash"]:
            raise TableError(
                f"The suite {suite.spec!r} has changed since the repair table in {str(folder)!r} "
                "was collected: the signals of its answers cannot be read any more."
            )
        asked = {question.id: question.asked for question in suite}
        records = (
            {
                "question": asked[call["question_id"]],
                "db_id": call["db_id"],
                "before_sql": call["sql"],
                "before_message": call["error_message"],
            }
            for call in calls
        )
        return record_signals(records, suite.databases)
    finally:
        suite.close()


def read_meta(folder: Path) -> dict[str, Any]:
    """Read what ``table.json`` holds.

    Raises
    ------
    TableError
        If the folder holds no table, or one of another version.
    """
    path = folder / "table.json"
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TableError(
            f"{shown(folder)} holds no repair table: {path.name} is missing; "
            "make one with `sqlbench collect --out DIR`."
        ) from None
    except (OSError, ValueError) as error:
        raise TableError(f"{str(path)!r} cannot be read: {error}.") from error
    version = meta.get("table_version") if isinstance(meta, dict) else None
    if version != TABLE_VERSION:
        raise TableError(
            f"The repair table in {str(folder)!r} has version {version!r}; "
            f"this sqlbench reads version {TABLE_VERSION}."
        )
    assert isinstance(meta, dict)
    return meta


def read_calls(folder: Path) -> list[dict[str, Any]]:
    """Read the finished calls of a table's folder; a torn last line is owed again."""
    path = folder / "calls.jsonl"
    calls = []
    if path.exists():
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
            if not line.endswith(b"\n"):
                break
            try:
                calls.append(json.loads(line))
            except ValueError as error:
                raise TableError(f"{str(path)!r}, line {number}, is damaged: {error}.") from error
    return calls
