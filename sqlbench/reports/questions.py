"""The questions of a run as a table that a person reads: those that were never solved first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlbench.exceptions import SQLBenchError
from sqlbench.html import Card, Grid, Text
from sqlbench.runs.questions import never_solved, question_frame
from sqlbench.runs.run import Run
from sqlbench.words import counted, markdown_table

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 100
_HEADER = ("question", "difficulty", "asked", "first", "solved", "classes met", "last reason")
_LONGEST = 60
_LONGEST_MESSAGE = 240  # behind an address, which says little, comes what was wrong


def questions_card(run: Run) -> Card:
    """Return what a report shows of a run's questions: the unsolved ones, and folded away the rest.

    Where the suite is gone, or is another by now, the card says so and does without its texts.
    """
    frame, note = _frame(run)
    unsolved = never_solved(frame)
    rest = frame[(frame["asked"] > 0) & (frame["solved"] > 0)]
    unasked, lost = _unanswered(run, frame)
    parts: list[Text | Grid] = [Text(note)] if note else []
    if lost:
        parts.append(
            Text(f"{counted(lost, 'question')} more asked: every episode of theirs failed.")
        )
    parts += [Text(f"{counted(unasked, 'question')} not asked.")] if unasked else []
    for title, part in (("Never solved", unsolved), ("Solved at least once", rest)):
        if len(part):
            parts.append(_grid(part, title, run.mark, opened=part is unsolved))
    asked = len(unsolved) + len(rest)
    verb = "answered" if lost else "asked"
    return Card(f"{counted(asked, 'question')} {verb}, {len(unsolved)} never solved", parts)


def questions_text(run: Run, *, only_unsolved: bool = False) -> str:
    """Return a run's questions as a table for the terminal."""
    frame, note = _frame(run)
    shown = never_solved(frame) if only_unsolved else frame
    unsolved, answered = len(never_solved(frame)), int((frame["asked"] > 0).sum())
    _, lost = _unanswered(run, frame)
    asked = f"{counted(answered + lost, 'question')} of {len(frame)} asked"
    asked += f", {lost} of them in failed episodes alone" if lost else ""
    lines = [f"{run.label}{run.mark}: {asked}, {unsolved} never solved"]
    lines += [note] if note else []
    if len(shown):
        lines += ["", markdown_table([*_HEADER, "text"], [[*r, t] for r, t in _rows(shown)])]
    return "\n".join(lines)


def failures_text(run: Run, most: int = 20) -> str:
    """Return the episodes that their model or database failed as Markdown; empty for none."""
    if not run.failed:
        return ""
    rows = [
        (f["episode"], f["question_id"], f["attempt"], f["kind"],
         _short(str(f["message"]), _LONGEST_MESSAGE))
        for f in run.failed[:most]
    ]  # fmt: skip
    more = len(run.failed) - len(rows)
    table = markdown_table(["episode", "question", "attempt", "kind", "what was said"], rows)
    return table + (f"\n\n… and {more:,} more in failures.jsonl." if more else "")


def _frame(run: Run) -> tuple[pd.DataFrame, str]:
    try:
        suite = run.suite
    except (SQLBenchError, OSError) as error:
        return question_frame(run, None), f"Without the questions' texts: {error}"
    return question_frame(run, suite), ""


def _unanswered(run: Run, frame: pd.DataFrame) -> tuple[int, int]:
    """Return how many questions were not asked, and how many in failed episodes alone."""
    unanswered = frame.loc[frame["asked"] == 0, "question_id"]
    lost = int(unanswered.isin([f["question_id"] for f in run.failed]).sum())
    return len(unanswered) - lost, lost


def _grid(frame: pd.DataFrame, title: str, mark: str, *, opened: bool) -> Grid:
    rows = [[*row, text] for row, text in _rows(frame.head(SHOWN))]
    n = len(frame)
    part = f", the first {SHOWN}" if n > SHOWN else ""
    return Grid([*_HEADER, "text"], rows, f"{title}: {n}{part}{mark}", opened=opened)


def _rows(frame: pd.DataFrame) -> list[tuple[list[object], str]]:
    return [
        (
            [r.question_id, _known(r.difficulty), r.asked, r.first, r.solved, r.classes or "—",
             _known(r.reason)],
            _short(_known(r.text)),
        )
        for r in frame.itertuples()
    ]  # fmt: skip


def _known(value: object) -> str:
    return value if isinstance(value, str) else "—"


def _short(text: str, longest: int = _LONGEST) -> str:
    text = " ".join(text.split()).replace("|", "¦")
    return text if len(text) <= longest else text[: longest - 1] + "…"
