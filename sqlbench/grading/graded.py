"""A graded prediction file: a verdict a question, in memory or in a folder.

``grade.json`` holds what the verdicts depend on, ``verdicts.jsonl`` a line a question, appended as
they are made. A line counts once it ends in a newline: a torn last line is owed again, and grading
into the same folder goes on where it stopped.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sqlbench.exceptions import RunFolderError
from sqlbench.html import Card, Shown
from sqlbench.paths import located, shown
from sqlbench.words import carried, carried_values

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
INVALID_GOLD = "invalid_gold"
# What may differ between two runs whose verdicts are the same: names and remarks.
_DESCRIPTIVE = {"name", "suite", "notes", "hardness_by"}


@dataclass(frozen=True, slots=True)
class Grade:
    """The verdict on one prediction.

    Attributes
    ----------
    index : int
        The question's place in the benchmark's own order.
    question_id, db_id, hardness : str
        The question, its database and its tier.
    correct : bool or None
        The metric's verdict; None if the gold query is invalid, so that there is none.
    reason : str
        As in `sqlbench.grading.Verdict`, or ``invalid_gold``.
    error_class : str or None
        Of a failure, see `sqlbench.episodes.errors.ErrorClass`.
    vacuous, tie : bool
        As in `sqlbench.grading.Verdict`.
    gold_rows, pred_rows : int or None
        Row counts.
    message : str or None
        What the database said, of the prediction or of an invalid gold.
    lucky : bool or None
        Of a match: whether it fails on a neighbour database. None if no neighbour was usable, or
        none was asked for.
    lucky_on : str or None
        The neighbour that shows it: the mildest kind that does, and its number.
    """

    index: int
    question_id: str
    db_id: str
    hardness: str
    correct: bool | None
    reason: str
    error_class: str | None = None
    vacuous: bool = False
    tie: bool = False
    gold_rows: int | None = None
    pred_rows: int | None = None
    message: str | None = None
    lucky: bool | None = None
    lucky_on: str | None = None

    def record(self) -> dict[str, Any]:
        """Return the fields as ``verdicts.jsonl`` has them."""
        return {name: getattr(self, name) for name in _FIELDS}


_FIELDS = [f.name for f in fields(Grade)]


@dataclass(frozen=True)
class Graded(Shown):
    """A graded prediction file.

    Attributes
    ----------
    meta : dict
        What the verdicts depend on: suite, metric, predictions, neighbours, versions.
    grades : tuple of Grade
        In the benchmark's order.
    """

    meta: dict[str, Any]
    grades: tuple[Grade, ...]

    @classmethod
    def open(cls, folder: str | Path) -> Graded:
        """Read a folder that `grade` wrote.

        Raises
        ------
        RunFolderError
            If it is no such folder, or is damaged before its last line.
        """
        path = located(folder)
        try:
            meta = json.loads((path / "grade.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{shown(path)} holds no graded predictions: {error}.") from None
        if meta.get("schema_version") != SCHEMA_VERSION:
            raise RunFolderError(
                f"The verdicts in {str(path)!r} have schema version "
                f"{meta.get('schema_version')!r}; this sqlbench reads version {SCHEMA_VERSION}."
            )
        return cls(meta, tuple(_read(path / "verdicts.jsonl")[0]))

    def card(self) -> Card:
        """Return what a notebook shows of it: rates, why answers are wrong, what to know."""
        from sqlbench.grading.report import graded_card

        return graded_card(self)

    @property
    def name(self) -> str:
        """The prediction file's short name."""
        return str(self.meta["name"])

    @property
    def metric(self) -> str:
        """The metric of the verdicts."""
        return str(self.meta["metric"])

    @property
    def invalid(self) -> dict[str, str]:
        """The questions whose gold query is invalid, with what is wrong with it."""
        return {g.question_id: str(g.message) for g in self.grades if g.correct is None}

    @property
    def frame(self) -> pd.DataFrame:
        """A row a question with a valid gold: the fields of `Grade`, and the file's name."""
        return self._frame.copy()

    @cached_property
    def _frame(self) -> pd.DataFrame:
        import pandas as pd

        rows = [carried_values(g.record()) for g in self.grades if g.correct is not None]
        frame = pd.DataFrame(rows, columns=_FIELDS)
        frame.insert(0, "predictions", carried(self.name))
        return frame.astype({"correct": bool})


class GradedFiles(list[Graded], Shown):
    """Several files that were graded together; a notebook shows their leader board."""

    __slots__ = ()
    __str__ = Shown.__str__

    def card(self) -> Card:
        """Return what a notebook shows of it: who is right how often, and who is better."""
        from sqlbench.grading.report import board_card

        return board_card(self)


class VerdictLog:
    """Appends verdicts to a folder, or keeps them in memory only.

    Parameters
    ----------
    meta : dict
        What the verdicts depend on.
    folder : Path or None
        Where to keep them. Verdicts of the same kind that are there are taken over.

    Raises
    ------
    RunFolderError
        If the folder holds other files or verdicts of another kind, is damaged, or is being
        written to.
    """

    def __init__(self, meta: dict[str, Any], folder: Path | None) -> None:
        self.meta = meta
        self.grades: dict[int, Grade] = {}
        self._file: IO[bytes] | None = None
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "verdicts.jsonl"
        if not path.exists() and any(folder.iterdir()):
            raise RunFolderError(
                f"The folder {str(folder)!r} holds files and no verdicts; name an empty or new one."
            )
        self._file = path.open("ab")
        try:
            self._take_over(folder, path)
        except BaseException:
            self._file.close()
            raise

    def _take_over(self, folder: Path, path: Path) -> None:
        assert self._file is not None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunFolderError(f"{str(folder)!r} is being written to by another run.") from None
        if (folder / "grade.json").exists():
            found = json.loads((folder / "grade.json").read_text(encoding="utf-8"))
            keys = [k for k in self.meta if k not in _DESCRIPTIVE]
            differing = [k for k in keys if found.get(k) != self.meta[k]]
            if differing:
                key = differing[0]
                raise RunFolderError(
                    f"{str(folder)!r} holds verdicts with {key} {found.get(key)!r}, not "
                    f"{self.meta[key]!r}: name another folder with --out."
                )
            grades, size = _read(path)
            self._file.truncate(size)
            self.grades = {g.index: g for g in grades}
            return
        if path.stat().st_size:
            raise RunFolderError(f"{str(folder)!r} holds verdicts without their grade.json.")
        partial = folder / "grade.json.partial"
        partial.write_text(json.dumps(self.meta, indent=2) + "\n", encoding="utf-8")
        partial.replace(folder / "grade.json")

    def append(self, grades: Iterable[Grade]) -> None:
        """Add verdicts; they are with the operating system when this returns."""
        lines = []
        for grade in grades:
            self.grades[grade.index] = grade
            lines.append(json.dumps(grade.record(), ensure_ascii=False) + "\n")
        if self._file is not None:
            self._file.write("".join(lines).encode(errors="surrogatepass"))
            self._file.flush()

    def close(self) -> Graded:
        """Close the file and return all verdicts."""
        if self._file is not None:
            self._file.close()
        return Graded(self.meta, tuple(self.grades[i] for i in sorted(self.grades)))


def _read(path: Path) -> tuple[list[Grade], int]:
    """Return the whole lines as verdicts, and how many bytes they take."""
    raw = path.read_bytes() if path.exists() else b""
    size = raw.rfind(b"\n") + 1
    grades = []
    for number, line in enumerate(raw[:size].splitlines(), 1):
        try:
            grades.append(Grade(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise RunFolderError(f"{str(path)!r}, line {number} is damaged: {error}.") from None
    return grades, size
