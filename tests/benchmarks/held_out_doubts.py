"""Doubts of stored answers by weights that saw neither their database nor their family of systems.

For each database the skeletons and the trees are learned on all others, and the trees once more
without each family of systems whose answers are judged. The two numbers of the calibration are
learned on the other databases' doubts, as those were when they were held out themselves.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from measured_answers import Places, measure_all, rows_of, verdict

from sqlbench.databases.base import Outcome, QueryError
from sqlbench.exceptions import ConfigError
from sqlbench.signals.choice import agreement
from sqlbench.signals.doubt import FITS
from sqlbench.signals.learner import learn, one_thread
from sqlbench.signals.registry import NAMES
from sqlbench.signals.skeleton import ELEMENTS
from sqlbench.signals.train import (
    Answers,
    columns_read,
    cross_fitted,
    expecting,
    folds_of,
    gather,
    inputs_of_answers,
    platt,
    skeletons,
    trees_read,
)

FAMILIES = ("resdsql", "codellama", "deepseek", "llama3", "graphix")
PIPELINES = "pipelines of large models"
_PIPELINES = re.compile(r"c3|dail|din|super_?sql|gpt|mac|chess", re.IGNORECASE)


def family(system: str) -> str:
    """Return what systems are held out together: one base model, or all pipelines of large ones."""
    for name in FAMILIES:
        if name in system.lower():
            return name
    if _PIPELINES.match(system):
        return PIPELINES
    letters = re.match(r"[A-Za-z]+\d*", system)
    return letters.group().lower() if letters else system.lower()


@dataclass
class Set:
    """The candidates of one source for one question; ``rows`` are places among the answers."""

    source: str
    question: str
    database: str
    statements: list[str]
    right: np.ndarray
    rows: np.ndarray
    same: np.ndarray
    ran: np.ndarray


class Stored:
    """Systems' answers that are learned from, others that are judged, and sets of candidates.

    Attributes
    ----------
    answers : Answers
        All of them, each with how often the systems that are learned from gave it.
    families : list of str
        Those of the systems that are judged.
    learned, judged : array, shape (answers, families)
        How many systems of a family gave an answer. ``learned`` has a last column for all others.
    sets : list of Set
    lost : int
        Records of questions that the suite leaves out.
    """

    def __init__(
        self,
        spec: str,
        learn: Path,
        judge: Path,
        candidates: Sequence[Path],
        *,
        workers: int = 2,
        cache: Path | None = None,
    ) -> None:
        places = Places(spec)
        files = dict.fromkeys((learn.resolve(), judge.resolve()))
        given: dict[tuple[str, str], dict[Path, Counter[str]]] = {}
        right: dict[tuple[str, str], bool] = {}
        for path in files:
            for r in rows_of(path):
                if (question := places.of(r)) is not None:
                    job = question, r["pred"]
                    right[job] = verdict(r)
                    systems = r.get("systems") or [r.get("source", path.stem)]
                    counts = given.setdefault(job, {}).setdefault(path, Counter())
                    counts.update(map(family, systems))
        jobs = list(given)
        self.families = sorted({f for at in given.values() for f in at.get(judge.resolve(), ())})
        if not self.families:
            raise ConfigError(f"{str(judge)!r} holds no answer to a question of {spec!r}.")
        options: dict[str, Any] = {"workers": workers, "cache": cache}
        found = [m for m, _ in measure_all(spec, jobs, **options)]
        raw = [(r, q) for path in candidates for r in rows_of(path) if (q := places.of(r))]
        chosen = [(q, sql) for r, q in raw for sql in r["candidates"]]
        measured = measure_all(spec, chosen, outcomes=True, **options)
        self.lost = places.lost
        self.learned = np.zeros((len(jobs) + len(chosen), len(self.families) + 1))
        self.judged = np.zeros((len(jobs) + len(chosen), len(self.families)))
        column = {f: i for i, f in enumerate(self.families)}
        for i, job in enumerate(jobs):
            for f, n in given[job].get(learn.resolve(), {}).items():
                self.learned[i, column.get(f, -1)] += n
            for f, n in given[job].get(judge.resolve(), {}).items():
                self.judged[i, column[f]] += n
        self.answers: Answers = gather(
            [*found, *(m for m, _ in measured)],
            [1.0 - right[job] for job in jobs] + [0.0] * len(chosen),
            self.learned.sum(axis=1).tolist(),
        )
        self.sets: list[Set] = []
        at = len(jobs)
        for r, question in raw:
            rows = np.arange(at, at + len(r["candidates"]))
            at += len(rows)
            outcomes = [o for _, o in measured[rows[0] - len(jobs) : at - len(jobs)] if o]
            self.sets.append(self._set(r, question, rows, outcomes))

    def _set(
        self, r: dict[str, Any], question: str, rows: np.ndarray, outcomes: list[Outcome]
    ) -> Set:
        right = np.array(r["official_exec"], dtype=bool)
        ran = np.array([not isinstance(o, QueryError) for o in outcomes])
        database = str(self.answers.database[rows[0]])
        source = str(r.get("source", "candidates"))
        return Set(
            source, question, database, r["candidates"], right, rows, agreement(outcomes), ran
        )

    @property
    def learning(self) -> Answers:
        """The answers that are learned from."""
        return self.answers.take(self.answers.weight > 0)

    @property
    def with_rows(self) -> np.ndarray:
        """Which answers ran and gave rows."""
        values = self.answers.values
        return (values[:, NAMES.index("raised")] == 0) & (values[:, NAMES.index("empty")] == 0)


def held_out(
    stored: Stored,
    *,
    families: bool = True,
    folds: int = 0,
    seed: int = 0,
    workers: int = 2,
    cache: Path | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what the trees read of all answers, their logits, and their doubts.

    Parameters
    ----------
    stored : Stored
    families : bool
        Whether families of systems are held out as well.
    folds : int
        How many groups of databases are held out in turn; 0: each database alone.
    seed, workers : int
        Of the trees; processes.
    cache : Path, optional
        A folder in which a run that was stopped finds what it had.

    Returns
    -------
    inputs : array, shape (answers, inputs)
    logits, doubts : array, shape (answers, 1 + families)
        By weights of the other databases; then by those without each family as well. The doubts are
        calibrated on the other databases, whose answers differ with the database that is held out:
        where that one's answers are worse than most, the others' are better, and its doubts come
        out lower than they would from one calibration. So ranks over all databases are the logits'.
    """
    global _SHARED
    answers = stored.answers
    without = [answers.weight]
    if families:
        without += [answers.weight - stored.learned[:, j] for j in range(len(stored.families))]
    _SHARED = answers, without, seed, cache
    names = sorted(set(answers.database.tolist()))
    groups = [names[k::folds] for k in range(min(folds, len(names)))] or [[n] for n in names]
    if not all((~np.isin(answers.database, g) & (answers.weight > 0)).any() for g in groups):
        raise ConfigError(
            f"Nothing is left to learn from where {', '.join(names)} is held out: name answers on "
            "other databases with --learn, or judge a BIRD folder with --bird."
        )
    inputs, logits = None, np.zeros((len(answers.wrong), len(without)))
    with get_context("fork").Pool(workers) as pool:
        for group, rows, found in pool.imap_unordered(_of_group, groups):
            test = np.isin(answers.database, group)
            if inputs is None:
                inputs = np.zeros((len(test), rows.shape[1]))
            inputs[test], logits[test] = rows, found
            print(f"held out {', '.join(group)}", file=sys.stderr, flush=True)
    assert inputs is not None
    doubts = np.zeros_like(logits)
    for group in groups:
        test = np.isin(answers.database, group)
        for j, weight in enumerate(without):
            kept = ~test & (weight > 0)
            slope, offset = platt(logits[kept, j], answers.wrong[kept], weight[kept])
            line = np.clip(slope * logits[test, j] + offset, -30, 30)
            doubts[test, j] = 1 / (1 + np.exp(-line))
    return inputs, logits, doubts


_SHARED: tuple[Answers, list[np.ndarray], int, Path | None]


def _of_group(group: list[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
    answers, without, seed, cache = _SHARED
    test = np.isin(answers.database, group)
    kept = ~test & (answers.weight > 0)
    base = answers.take(kept)
    digest = hashlib.sha256(f"{seed} {group}".encode())
    for part in (answers.values, answers.skeletons, answers.wrong, answers.weight):
        digest.update(np.ascontiguousarray(part).tobytes())

    def learned() -> np.ndarray:
        read = trees_read(cross_fitted(base, folds_of(base)))
        rows = inputs_of_answers(answers.take(test), expecting(skeletons(base)))
        return np.concatenate([read.ravel(), rows.ravel()])

    with one_thread():
        flat = _kept(cache, digest, "read", learned)
        columns = columns_read(np.zeros((1, answers.values.shape[1] + len(ELEMENTS) + FITS)))
        size = len(base.wrong) * columns.shape[1]
        read = flat[:size].reshape(len(base.wrong), -1).astype(np.float32)
        rows = flat[size:].reshape(int(test.sum()), -1)
        logits = np.zeros((len(rows), len(without)))
        for j, weight in enumerate(without):
            if j and np.array_equal(weight, answers.weight):
                logits[:, j] = logits[:, 0]  # this family is not learned from anyway
                continue

            def judged(weight: np.ndarray = weight) -> np.ndarray:
                used = weight[kept] > 0
                model = learn(read[used], base.wrong[used], weight[kept][used], seed)
                return model.logit(columns_read(rows))

            digest_j = digest.copy()
            digest_j.update(np.ascontiguousarray(weight).tobytes())
            logits[:, j] = _kept(cache, digest_j, "logits", judged)
    return group, rows, logits


def _kept(cache: Path | None, digest: Any, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Return what a run that was stopped found already, or find it."""
    if cache is None:
        return make()
    path = cache / f"{name}_{digest.hexdigest()[:20]}.npy"
    if not path.exists():
        half = path.with_suffix(f".{os.getpid()}.npy")
        np.save(half, make())
        half.replace(path)
    found: np.ndarray = np.load(path)
    return found
