"""Stored answers of real systems with the official verdicts, and their signals."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from sqlbench.databases.base import outcome_of
from sqlbench.exceptions import ConfigError
from sqlbench.paths import located
from sqlbench.signals.train import Answers, Measured, gather, measure_answer
from sqlbench.suites.base import Question, Suite

SYSTEMS = "systems.jsonl.gz"
"""The file's name in a benchmark's folder."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """One distinct answer to one question.

    Attributes
    ----------
    position : int
        The question's place in the benchmark's file.
    sql : str
    right : bool
        The official verdict.
    systems : tuple of str
        Who gave it.
    """

    position: int
    sql: str
    right: bool
    systems: tuple[str, ...]


def read_systems(path: str | Path, count: int | None = None, seed: int = 0) -> list[StoredAnswer]:
    """Read stored answers, or so many of them drawn by chance, in the file's order.

    Parameters
    ----------
    path : path-like
        JSONL, gzipped or not: ``index``, ``pred``, ``official_exec`` and ``systems`` a line.
    count : int, optional
        How many to draw; by default, and where there are no more, all.
    seed : int
        Of the draw.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a line holds something else.
    """
    try:
        data = located(path).read_bytes()
        text = (gzip.decompress(data) if str(path).endswith(".gz") else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ConfigError(f"The stored answers {str(path)!r} cannot be read: {error}.") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            row = json.loads(line)
            systems = tuple(map(str, row["systems"]))
            found.append(
                StoredAnswer(
                    int(row["index"]), str(row["pred"]), bool(row["official_exec"]), systems
                )
            )
        except (ValueError, KeyError, TypeError):
            raise ConfigError(
                f"Line {number} of {str(path)!r} is no stored answer: expected a JSON object with "
                "index, pred, official_exec and systems."
            ) from None
    if count is None or count >= len(found):
        return found
    drawn = np.random.default_rng(seed).choice(len(found), count, replace=False)
    return [found[i] for i in sorted(drawn.tolist())]


def measure_systems(
    suite: Suite, stored: Sequence[StoredAnswer], *, progress: bool = True
) -> Answers:
    """Run stored answers in the sandbox and measure their signals; no gold is read.

    Parameters
    ----------
    suite : Suite
        Whose questions they answer.
    stored : sequence of StoredAnswer
        Those to questions that the suite leaves out are skipped.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    Answers
        ``weight`` is how many systems gave an answer.
    """
    names = {e.position: e.question_id for e in suite.entries}
    measured: list[Measured] = []
    wrong, weight = [], []
    for one in tqdm(stored, unit="answer", disable=not progress, leave=False):
        question_id = names.get(one.position)
        if question_id is None:
            continue
        measured.append(_measure(suite, suite.question(question_id), one.sql))
        wrong.append(float(not one.right))
        weight.append(float(len(one.systems)))
    if not measured:
        raise ConfigError(f"None of {len(stored)} stored answers is to a question of {suite.spec}.")
    return gather(measured, wrong, weight)


def _measure(suite: Suite, question: Question, sql: str) -> Measured:
    database = suite.databases[question.db_id]
    outcome = outcome_of(database, sql)
    return measure_answer(question.asked, sql, database, outcome, key=question.id)
