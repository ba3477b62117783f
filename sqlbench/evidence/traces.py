"""Stored records of real repairs by real models, read as they are.

`load_bird_table` reads a full-information table: 1,035 first answers by GPT-3.5-Turbo on BIRD dev
and what four published repair methods made of each (the MapleRepair study's public records).
`load_repairs` reads pairs of queries before and after a repair on Spider dev.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlbench.databases.base import Database
from sqlbench.episodes.errors import ErrorClass, classify_message, extract_offending_token
from sqlbench.evidence.repair_table import KEEP, RepairTable, TableError
from sqlbench.evidence.static_signals import record_signals
from sqlbench.paths import located, shown
from sqlbench.words import carried_values

if TYPE_CHECKING:
    import pandas as pd

BIRD_TABLE = "bird_gpt35_repair_table.jsonl"
SPIDER_REPAIRS = "spider_dev_repairs.jsonl.gz"
NOT_RAISED = "none"

_RAN = (ErrorClass.EMPTY_RESULT, ErrorClass.WRONG_RESULT)
_RAISED = [c for c in ErrorClass if c not in (*_RAN, ErrorClass.TIMEOUT)]


def _count(pattern: str, scale: float) -> Callable[[str], float]:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda sql: min(len(compiled.findall(sql)) / scale, 1.0)


# What can be read off the SQL text alone, each scaled to [0, 1] by a constant and not by the data.
_SQL_FEATURES: dict[str, Callable[[str], float]] = {
    "length": lambda sql: min(len(sql) / 600, 1.0),
    "joins": _count(r"\bJOIN\b", 4),
    "selects": _count(r"\bSELECT\b", 4),
    "conditions": _count(r"\b(?:WHERE|AND|OR)\b", 6),
    "aggregates": _count(r"\b(?:COUNT|SUM|AVG|MIN|MAX)\s*\(", 3),
    "group_by": _count(r"\bGROUP\s+BY\b", 1),
    "order_by": _count(r"\bORDER\s+BY\b", 1),
    "limit": _count(r"\bLIMIT\b", 1),
    "distinct": _count(r"\bDISTINCT\b", 1),
    "case": _count(r"\bCASE\b|\bIIF\s*\(", 2),
    "cast": _count(r"\bCAST\s*\(", 2),
    "dates": _count(r"\bSTRFTIME\s*\(|\bDATE\s*\(|\bJULIANDAY\s*\(", 2),
    "like": _count(r"\bLIKE\b", 2),
    "literals": _count(r"'[^']*'", 4),
    "division": _count(r"/", 2),
    "not_null": _count(r"\bIS\s+NOT\s+NULL\b", 1),
}


def load_bird_table(
    path: str | Path, *, signals: bool = False, databases: Mapping[str, Database] | None = None
) -> RepairTable:
    """Load the real repair table, with its arms as they are and `keep` (repair nothing).

    The context is the class of the error that was raised, or ``none`` where the query ran. The
    features are that class, counts on the text of the SQL, and what the message names. Whether
    the first answer was right is an outcome (of `keep`) and never part of a context.

    Parameters
    ----------
    path : path
        ``bird_gpt35_repair_table.jsonl``.
    signals : bool
        Whether to read the signals of every first answer, a few milliseconds each.
    databases : mapping of str to Database, optional
        Those that are at hand: there the signals see results, elsewhere the texts alone.

    Raises
    ------
    TableError
        If the file is missing, or a line has another form.
    """
    place = located(path)
    records = list(_lines(place))
    if not records:
        raise TableError(f"The repair table {str(place)!r} is empty.")
    try:
        methods = tuple(records[0]["repairs"])
        arms = (KEEP, *methods)
        right = np.array(
            [[r["before_right"], *(r["repairs"][m]["right"] for m in methods)] for r in records],
            dtype=bool,
        )[:, :, None]
        contexts = tuple(
            NOT_RAISED
            if r["before_message"] is None
            else str(classify_message(r["before_message"]))
            for r in records
        )
        features = np.array([_features(r["before_sql"], r["before_message"]) for r in records])
        questions = tuple(f"{r['db_id']}/{r['index']}" for r in records)
        db_ids = tuple(r["db_id"] for r in records)
    except (KeyError, TypeError, AttributeError) as error:
        raise TableError(
            f"{str(place)!r} is no repair table of real records: {error!r} in one of its lines; "
            f"expected the fields of {BIRD_TABLE}."
        ) from error
    names = ("bias", *(f"raised={c}" for c in _RAISED), *_SQL_FEATURES, *_MESSAGE_FEATURES)
    return RepairTable(
        name=place.name,
        arms=arms,
        question_ids=questions,
        db_ids=db_ids,
        contexts=contexts,
        features=features,
        feature_names=names,
        successes=right,
        rewards=right.astype(float),
        simulated=False,
        model="gpt-3.5-turbo (stored records)",
        # The obvious rule: show the error where one was raised, and leave alone what ran.
        # (`rule_exe` on its own also changes 112 of the 894 answers that ran.)
        rules={
            NOT_RAISED: KEEP,
            **{str(c): KEEP if c in _RAN else "rule_exe" for c in ErrorClass},
        },
        signals=record_signals(records, databases) if signals else None,
    )


def load_repairs(path: str | Path) -> pd.DataFrame:
    """Load the pairs (before, after) of real repairs on Spider dev, a row a pair.

    Adds ``repair``: whether it is the first, second, … stored repair of its question by the same
    model and method.

    Raises
    ------
    TableError
        If the file is missing or damaged.
    """
    import pandas as pd

    frame = pd.DataFrame(map(carried_values, _lines(located(path))))
    chain = ["model", "method", "schema_shown", "question_index"]
    missing = [c for c in (*chain, "before_class", "outcome") if c not in frame]
    if missing:
        raise TableError(f"{str(path)!r} lacks the field {missing[0]!r} of {SPIDER_REPAIRS}.")
    frame["repair"] = frame.groupby(chain, sort=False).cumcount() + 1
    return frame


_MESSAGE_FEATURES = ("names_something", "names_qualified", "names_phrase")


def _features(sql: str, message: str | None) -> list[float]:
    raised = None if message is None else classify_message(message)
    token = (extract_offending_token(message, sql) or "") if message else ""
    return [
        1.0,
        *(float(raised == c) for c in _RAISED),
        *(read(sql) for read in _SQL_FEATURES.values()),
        float(bool(token)),
        float("." in token),
        float(" " in token),
    ]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise TableError(
                        f"{str(path)!r}, line {number}, is damaged: {error}."
                    ) from error
    except FileNotFoundError:
        raise TableError(
            f"The file {shown(path)} does not exist; name the folder of stored records that "
            f"holds {BIRD_TABLE} and {SPIDER_REPAIRS}."
        ) from None
    except OSError as error:
        raise TableError(f"{str(path)!r} cannot be read: {error}.") from error
