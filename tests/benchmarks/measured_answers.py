"""Stored answers, measured once in processes of their own and kept between runs of the benchmarks.

What is kept is found again only for the same answers under the same source text of the signals, so
that no figure is of signals that have changed since.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing import Pool
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

import sqlbench.signals
from sqlbench.databases.base import Outcome, QueryError
from sqlbench.exceptions import ConfigError
from sqlbench.signals.train import Measured, measure_answer
from sqlbench.suites import load_suite
from sqlbench.suites.base import Suite

Job = tuple[str, str]
"""A question's id and a statement."""

_SUITES: dict[str, Suite] = {}


def suite_of(spec: str) -> Suite:
    """Return a suite, loaded once in each process."""
    if spec not in _SUITES:
        _SUITES[spec] = load_suite(spec)
    return _SUITES[spec]


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a JSONL file, packed or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open() as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


class Places:
    """Finds the question that a record of a stored file is of.

    A record names it by ``index`` (its place in the benchmark's file) or by ``question_id`` (the
    benchmark's own number); those that the suite leaves out are counted in ``lost``.
    """

    def __init__(self, spec: str) -> None:
        entries = suite_of(spec).entries
        self._position = {e.position: e.question_id for e in entries}
        self._number = {str(e.number): e.question_id for e in entries}
        self.lost = 0

    def of(self, record: dict[str, Any]) -> str | None:
        """Return the question's id, None if the suite does not have it."""
        if "index" in record:
            found = self._position.get(record["index"])
        elif "question_id" in record:
            found = self._number.get(str(record["question_id"]))
        else:
            raise ConfigError(
                "A stored answer needs 'index' or 'question_id', which say of which question it "
                f"is; this record has: {', '.join(record)}."
            )
        self.lost += found is None
        return found


def verdict(record: dict[str, Any]) -> bool:
    """Return whether a stored answer is right, by the verdict that stands beside it."""
    for name in ("official_exec", "bird_ex"):
        if name in record:
            return bool(record[name])
    raise ConfigError(
        "A stored answer needs its verdict, 'official_exec' or 'bird_ex'; this record has: "
        f"{', '.join(record)}."
    )


def measure_all(
    spec: str,
    jobs: Sequence[Job],
    *,
    outcomes: bool = False,
    hint: bool = True,
    workers: int = 2,
    cache: Path | None = None,
) -> list[tuple[Measured, Outcome | None]]:
    """Run and measure answers, equal ones once, in the order in which they are given.

    Parameters
    ----------
    spec : str
        The suite, as ``--suite`` takes it.
    jobs : sequence of (str, str)
    outcomes : bool
        Whether the results are wanted too.
    hint : bool
        Whether a question's hint is shown to the signals.
    workers : int
        Processes.
    cache : Path, optional
        A folder that keeps what was measured.
    """
    unique = list(dict.fromkeys(jobs))
    path = cache / f"{_key(spec, unique, outcomes, hint)}.pickle" if cache is not None else None
    if path is not None and path.exists():
        found = pickle.loads(path.read_bytes())  # written and read by this file alone
    else:
        work = [(spec, question, sql, outcomes, hint) for question, sql in unique]
        with Pool(workers) as pool:
            done = pool.imap(_measure, work, chunksize=100)
            found = list(tqdm(done, total=len(work), desc=spec.split(":")[0], mininterval=5))
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pickle.dumps(found))
    by_job = dict(zip(unique, found, strict=True))
    return [by_job[job] for job in jobs]


def _measure(job: tuple[str, str, str, bool, bool]) -> tuple[Measured, Outcome | None]:
    spec, question_id, sql, outcomes, hint = job
    suite = suite_of(spec)
    question = suite.question(question_id)
    database = suite.databases[question.db_id]
    try:
        outcome: Outcome = database.execute(sql)
    except QueryError as error:
        outcome = error
    text = f"{question.text}\n{question.evidence}" if hint and question.evidence else question.text
    found = measure_answer(text, sql, database, outcome, key=question_id)
    if not outcomes:
        return found, None
    return found, outcome if isinstance(outcome, QueryError) else replace(outcome, elapsed=0.0)


def _key(spec: str, jobs: Sequence[Job], outcomes: bool, hint: bool) -> str:
    digest = hashlib.sha256(json.dumps([spec, outcomes, hint, *jobs]).encode())
    for source in sorted(Path(sqlbench.signals.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:20]
