"""Counts of repairs by method and class, read as earlier records of a repair table's arms.

Published studies often say no more of a repair method than how many answers of each class it mended
and broke. That is all that a policy needs which sees the class alone.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.errors import ErrorClass
from sqlbench.evidence.repair_table import KEEP, RepairTable, TableError
from sqlbench.evidence.traces import NOT_RAISED
from sqlbench.paths import located, shown
from sqlbench.seeds import Role, generator

if TYPE_CHECKING:
    import pandas as pd

REPAIR_COUNTS = "repair_counts.csv"
RIGHT, WRONG = "right", "wrong_or_empty"  # the classes of first answers that raised nothing
_CLASSES = (RIGHT, WRONG, *map(str, ErrorClass))
_COLUMNS = ("benchmark", "method", "model", "before_class", "n", "fixed", "broke")


def load_counts(path: str | Path, table: RepairTable) -> RepairTable:
    """Load what a study counted of a table's arms on answers that the table does not hold.

    The file counts all answers of the study, those of the table among them: these are taken off,
    class by class. A row stands for one answer; only the means of an arm within a class (and
    within right or wrong first answers) are known, and nothing of which answer was which: the
    features are the class alone.

    Parameters
    ----------
    path : path
        A CSV file with the columns benchmark, method, model, before_class (``right``,
        ``wrong_or_empty`` or a raised class), n, fixed, broke. A method is the arm of that name
        (``LLM-Exe`` is ``llm_exe``).
    table : RepairTable
        Whose arms are meant, with `keep`.

    Raises
    ------
    TableError
        If the file is missing or damaged, lacks an arm, counts an arm on several benchmarks or
        models, or does not hold the table's rows.
    """
    import pandas as pd

    place = located(path)
    try:
        frame = pd.read_csv(place)
    except FileNotFoundError:
        raise TableError(f"The file of counts {shown(place)} does not exist.") from None
    except (OSError, ValueError) as error:
        raise TableError(f"{str(place)!r} cannot be read as counts of repairs: {error}") from error
    missing = [c for c in _COLUMNS if c not in frame]
    if missing:
        raise TableError(f"{str(place)!r} lacks the column {missing[0]!r} of counts of repairs.")
    if KEEP not in table.arms:
        raise TableError(
            f"Counts of repairs are told to a table with the arm {KEEP!r}, which "
            f"{table.name!r} lacks; it has: {', '.join(table.arms)}."
        )
    frame["arm"] = frame["method"].astype(str).str.lower().str.replace("-", "_", regex=False)
    arms = tuple(a for a in table.arms if a != KEEP)
    classes = sorted(set(frame.loc[frame["arm"].isin(arms), "before_class"]))
    counted = np.stack([_counted(frame, arm, classes, place) for arm in arms], axis=1)
    left = counted - np.stack([_held(table, arm, classes) for arm in arms], axis=1)
    n, changed = left[:, :, 0], left[:, :, 1]
    if (left < 0).any() or (n != n[:, :1]).any() or (changed > n).any():
        raise TableError(
            f"{str(place)!r} does not count the {len(table):,} rows of the repair table "
            f"{table.name!r} among its own, alike for each arm: it is of other records."
        )
    return _expanded(table, arms, classes, left, place)


def _counted(frame: pd.DataFrame, arm: str, classes: list[str], place: Path) -> NDArray[np.intp]:
    """Return n, changed (fixed or broke) of each class, shape (classes, 2)."""
    rows = frame[frame["arm"] == arm]
    sources = rows[["benchmark", "model"]].drop_duplicates()
    if len(sources) != 1:
        raise TableError(
            f"{str(place)!r} counts the arm {arm!r} on {len(sources)} pairs of benchmark and "
            "model; expected one."
        )
    _check(rows, place)
    by_class = rows.groupby("before_class")[["n", "fixed", "broke"]].sum().reindex(classes)
    by_class = by_class.fillna(0).astype(int)
    changed = by_class["fixed"] + by_class["broke"]
    return np.stack([by_class["n"].to_numpy(), changed.to_numpy()], axis=1)


def _check(rows: pd.DataFrame, place: Path) -> None:
    """Refuse what counts no answers: an unknown class, or numbers that are none."""
    import pandas as pd

    for row in rows.to_dict("records"):
        name = str(row["before_class"])
        if name not in _CLASSES:
            raise TableError(
                f"{str(place)!r} has the class {name!r}; expected one of: {', '.join(_CLASSES)}."
            )
        counts = [pd.to_numeric(row[c], errors="coerce") for c in ("n", "fixed", "broke")]
        n, fixed, broke = counts
        if not all(c >= 0 and c == int(c) for c in counts) or fixed + broke > n:
            raise TableError(
                f"{str(place)!r} has n = {row['n']}, fixed = {row['fixed']} and broke = "
                f"{row['broke']} for {row['method']} and {name!r}; expected whole numbers, no more "
                "fixed and broken than there are."
            )


def _held(table: RepairTable, arm: str, classes: list[str]) -> NDArray[np.intp]:
    """Return the same of the table's own rows."""
    before = table.successes[:, table.arms.index(KEEP), 0]
    after = table.successes[:, table.arms.index(arm), 0]
    n: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    for context, was, now in zip(table.contexts, before, after, strict=True):
        name = context if context != NOT_RAISED else RIGHT if was else WRONG
        n[name] += 1
        changed[name] += int(was != now)
    return np.array([[n[c], changed[c]] for c in classes])


def _expanded(
    table: RepairTable,
    arms: tuple[str, ...],
    classes: list[str],
    left: NDArray[np.intp],
    place: Path,
) -> RepairTable:
    """Return a row for each answer that is left, in a seeded order."""
    names: list[str] = []
    right: list[list[bool]] = []
    for name, counts in zip(classes, left, strict=True):
        was = name == RIGHT
        for i in range(int(counts[0, 0])):
            names.append(name)
            by_arm = dict(zip(arms, (was != (i < changed) for _, changed in counts), strict=True))
            right.append([was if a == KEEP else by_arm[a] for a in table.arms])
    if not names:
        raise TableError(f"{str(place)!r} counts nothing beside the rows of {table.name!r}.")
    order = generator(0, Role.ORDER, "counts").permutation(len(names))
    names = [names[i] for i in order]
    successes = np.array(right, dtype=bool)[order][:, :, None]
    raised = [f for f in table.feature_names if f.startswith("raised=")]
    return RepairTable(
        name=place.name,
        arms=table.arms,
        question_ids=tuple(f"{place.name}/{i}" for i in range(len(names))),
        db_ids=(place.name,) * len(names),
        contexts=tuple(NOT_RAISED if n in (RIGHT, WRONG) else n for n in names),
        features=np.array([[1.0, *(float(f == f"raised={n}") for f in raised)] for n in names]),
        feature_names=("bias", *raised),
        successes=successes,
        rewards=successes.astype(float),
        simulated=False,
        model=table.model,
        rules=table.rules,
        notes=(
            f"{place.name} knows its answers by class alone: linear policies see no more, there "
            "and here.",
        ),
    )
