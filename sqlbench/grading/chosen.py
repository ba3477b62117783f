"""Choices among stored answers: candidates files, the rule's choice, and what it is worth.

A candidates file is JSONL, a question a line: ``{"index": 0, "candidates": ["SELECT …", …]}``, in
the model's order; ``index`` is the question's place in the benchmark's file, ``question_id`` its
own number or id; ``source`` (optional) says whose answers they are. The choice itself sees no gold.
Golds are run afterwards, where the figures are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sqlbench.databases.base import Database, QueryError
from sqlbench.exceptions import ConfigError
from sqlbench.grading.compare import compare
from sqlbench.grading.gold import Gold, run_gold
from sqlbench.grading.metrics import find_metric
from sqlbench.grading.places import PlaceError, Places, name_of
from sqlbench.grading.predictions import PredictionFileError
from sqlbench.paths import located
from sqlbench.signals.choice import Choice, choose_among
from sqlbench.stats import Interval, clustered_ratio, share
from sqlbench.suites.base import Suite
from sqlbench.words import markdown_table


@dataclass(frozen=True, slots=True)
class CandidateSet:
    """The answers of one source to one question, in the model's order."""

    source: str
    question_id: str
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice, and which of the answers are right where that was asked for."""

    candidates: CandidateSet
    choice: Choice
    right: tuple[bool, ...] | None = None


def read_candidates(path: str | Path, suite: Suite) -> list[CandidateSet]:
    """Read a candidates file and pair it with a suite's questions.

    Questions that the suite leaves out (a missing database) are skipped.

    Raises
    ------
    PredictionFileError
        If the file cannot be read, or does not belong to the suite; the line is named.
    """
    path = located(path)
    try:
        lines = _text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PredictionFileError(path, None, f"it cannot be read: {error}.") from None
    places = Places(suite)
    found: list[CandidateSet] = []
    seen: dict[tuple[str, int], int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            statements = row["candidates"]
            entries = places.of(row)
        except PlaceError as error:
            raise PredictionFileError(path, number, str(error)) from None
        except (ValueError, KeyError, TypeError):
            raise PredictionFileError(path, number, _EXPECTED) from None
        if not _are_texts(statements):
            raise PredictionFileError(path, number, _EXPECTED)
        source = str(row.get("source", path.name.partition(".")[0]))
        entry = next((e for e in entries if (source, e.position) not in seen), entries[0])
        earlier = seen.setdefault((source, entry.position), number)
        if earlier != number:
            raise PredictionFileError(
                path,
                number,
                f"answers question {name_of(entry)} of the source {source!r} again, as {earlier}.",
            )
        if entry.question_id is not None:
            found.append(CandidateSet(source, entry.question_id, tuple(statements)))
    if not found:
        raise PredictionFileError(path, None, f"it has no candidates. {_EXPECTED}")
    return found


def choose_all(
    suite: Suite, candidates: Sequence[CandidateSet], rule: str, *, metric: str | None = None
) -> Iterator[Chosen]:
    """Yield the choice for each set of candidates, in order.

    Parameters
    ----------
    suite : Suite
        Whose questions they answer.
    candidates : sequence of CandidateSet
        See `read_candidates`.
    rule : {"first", "agreement", "doubt"}
        See `sqlbench.signals.choice.choose`.
    metric : str, optional
        Grade all the answers by it, after the choice. Questions whose gold fails are not graded.
    """
    prepare = find_metric(metric).prepare if metric is not None else None
    golds: dict[str, Gold | None] = {}
    for one in candidates:
        question = suite.question(one.question_id)
        database = suite.databases[question.db_id]
        choice = choose_among(question.asked, one.statements, database, rule)
        right = None
        if prepare is not None and metric is not None:
            if question.gold is None:
                raise ConfigError(f"The question {question.id!r} has no gold: grade without it.")
            if question.id not in golds:
                try:
                    golds[question.id] = run_gold(prepare(question.gold), database)
                except QueryError:
                    golds[question.id] = None
            gold = golds[question.id]
            if gold is not None:
                verdicts = {
                    sql: _is_right(gold, prepare(sql), database, metric) for sql in one.statements
                }
                right = tuple(verdicts[sql] for sql in one.statements)
        yield Chosen(one, choice, right)


@dataclass(frozen=True, slots=True)
class ChoiceFigures:
    """What a rule's choices of one source are worth; intervals by question.

    Attributes
    ----------
    source : str
    questions : int
    first, chosen, any_right : Interval
        Shares of questions whose first answer, whose chosen answer, of which any is right.
    closed : Interval
        The share of the gap from the first answer to any right one that the choice closes.
    """

    source: str
    questions: int
    first: Interval
    chosen: Interval
    any_right: Interval
    closed: Interval


def choice_figures(chosen: Sequence[Chosen]) -> list[ChoiceFigures]:
    """Return the figures of each source, of the choices that were graded."""
    found = []
    for source in dict.fromkeys(c.candidates.source for c in chosen):
        mine = [c for c in chosen if c.candidates.source == source and c.right is not None]
        if not mine:
            continue
        rows = np.array(
            [(c.right[0], c.right[c.choice.index], any(c.right)) for c in mine if c.right],
            dtype=np.float64,
        )
        questions = [c.candidates.question_id for c in mine]
        first, taken, best = (share(rows[:, i], questions) for i in range(3))
        closed = clustered_ratio(rows[:, 1] - rows[:, 0], rows[:, 2] - rows[:, 0], questions)
        found.append(ChoiceFigures(source, len(mine), first, taken, best, closed))
    return found


def choice_text(figures: Sequence[ChoiceFigures]) -> str:
    """Return the figures as a table."""
    header = ["source", "questions", "first", "chosen", "any right", "gap closed"]
    rows = [
        [f.source, str(f.questions), *(str(i) for i in (f.first, f.chosen, f.any_right, f.closed))]
        for f in figures
    ]
    return markdown_table(header, rows)


_EXPECTED = (
    'Expected a JSON object a line: {"index": 0, "candidates": ["SELECT …", …]}, '
    "or question_id in place of index."
)


def _text(path: Path) -> str:
    if path.suffix == ".gz":
        import gzip

        with gzip.open(path, "rt", encoding="utf-8") as file:
            return file.read()
    return path.read_text(encoding="utf-8")


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _is_right(gold: Gold, sql: str, database: Database, metric: str) -> bool:
    try:
        return compare(gold, database.execute(sql), metric).match
    except QueryError:
        return False
