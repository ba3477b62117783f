"""Repairs or samples, at equal numbers of calls: on real answers and in the simulator's own terms.

k calls buy k samples, of which one is chosen without a gold (by majority of results or by doubt),
or one sample and k − 1 repairs. pass@k is what a perfect choice would give.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from sqlbench.episodes.errors import ErrorClass
from sqlbench.exceptions import ConfigError
from sqlbench.grading.chosen import read_candidates
from sqlbench.models.simulated.profile import Profile
from sqlbench.paths import located
from sqlbench.signals.choice import choose, choose_among
from sqlbench.stats import clustered_ratio
from sqlbench.suites.base import Suite

if TYPE_CHECKING:
    import pandas as pd

CANDIDATES = "candidates.jsonl.gz"
"""The file's name in a benchmark's folder."""
_NODES = 64


@dataclass(frozen=True, slots=True)
class SampledQuestion:
    """Several stored answers of one source to one question.

    Attributes
    ----------
    source, question_id : str
    right : tuple of bool
        The official verdict on each.
    majority, doubt : tuple of int
        For each k from 1 on, which of the first k the rules ``agreement`` and ``doubt`` choose.
    """

    source: str
    question_id: str
    right: tuple[bool, ...]
    majority: tuple[int, ...]
    doubt: tuple[int, ...]


def read_samples(
    path: str | Path, suite: Suite, *, questions: int | None = None, progress: bool = False
) -> list[SampledQuestion]:
    """Run stored candidates in the sandbox and let both rules choose; no gold is read.

    Parameters
    ----------
    path : path-like
        ``candidates.jsonl.gz``: source, index, candidates and official_exec a line.
    suite : Suite
        Whose questions they answer.
    questions : int, optional
        The first so many of each source; by default all.
    progress : bool
        Whether to show a bar.

    Raises
    ------
    ConfigError
        If a line lacks verdicts.
    PredictionFileError
        If the file cannot be read, or belongs to another suite.
    """
    sets = read_candidates(path, suite)
    verdicts = _verdicts(located(path), suite)
    taken: dict[str, int] = {}
    found = []
    for one in tqdm(sets, unit="question", disable=not progress, leave=False):
        taken[one.source] = taken.get(one.source, 0) + 1
        if questions is not None and taken[one.source] > questions:
            continue
        question = suite.question(one.question_id)
        database = suite.databases[question.db_id]
        weighed = choose_among(question.asked, one.statements, database, "doubt").candidates
        ks = range(1, len(weighed) + 1)
        found.append(
            SampledQuestion(
                one.source,
                one.question_id,
                verdicts[one.source, one.question_id],
                tuple(choose(weighed[:k], "agreement").index for k in ks),
                tuple(choose(weighed[:k], "doubt").index for k in ks),
            )
        )
    return found


def samples_table(samples: Sequence[SampledQuestion]) -> pd.DataFrame:
    """Return a row a source and number of samples.

    Columns: source, calls, questions, and for ``pass`` (any right), ``majority`` and ``doubt`` the
    share that is right with its 95% interval by question, and the points gained over the first
    answer (NAME_gain, NAME_gain_low, NAME_gain_high).
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for source in dict.fromkeys(s.source for s in samples):
        mine = [s for s in samples if s.source == source]
        ids, ones = [s.question_id for s in mine], np.ones(len(mine))
        first = np.array([s.right[0] for s in mine], dtype=float)
        for k in range(1, min(len(s.right) for s in mine) + 1):
            row: dict[str, Any] = {"source": source, "calls": k, "questions": len(mine)}
            for name, right in {
                "pass": [any(s.right[:k]) for s in mine],
                "majority": [s.right[s.majority[k - 1]] for s in mine],
                "doubt": [s.right[s.doubt[k - 1]] for s in mine],
            }.items():
                values = np.array(right, dtype=float)
                share = clustered_ratio(values, ones, ids)
                gain = clustered_ratio(values - first, ones, ids)
                row |= {name: share.estimate, f"{name}_low": share.low, f"{name}_high": share.high}
                row |= {
                    f"{name}_gain": 100 * gain.estimate,
                    f"{name}_gain_low": 100 * gain.low,
                    f"{name}_gain_high": 100 * gain.high,
                }
            rows.append(row)
    return pd.DataFrame(rows)


def repairs_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what one real repair, made always, gains: a row a model and method.

    Parameters
    ----------
    frame : DataFrame
        From `sqlbench.evidence.traces.load_repairs`.

    Returns
    -------
    DataFrame
        Columns: model, method, prompt_kind, questions, first (right before), fixed, broken, and net
        points with their 95% interval by question (net, net_low, net_high); methods with at least
        100 answers that were right before, so that what they break is counted too.
    """
    import pandas as pd

    rows = []
    part = frame[frame["repair"] == 1]
    for (model, method, kind), mine in part.groupby(["model", "method", "prompt_kind"]):
        right = mine["before_class"] == "right"
        if right.sum() < 100:
            continue
        fixed, broke = mine["outcome"] == "fixed", mine["outcome"] == "broke"
        change = np.asarray(fixed, dtype=float) - np.asarray(broke, dtype=float)
        net = clustered_ratio(change, np.ones(len(mine)), mine["question_index"].tolist())
        rows.append(
            {
                "model": model, "method": method, "prompt_kind": kind, "questions": len(mine),
                "first": float(right.mean()), "fixed": int(fixed.sum()), "broken": int(broke.sum()),
                "net": 100 * net.estimate, "net_low": 100 * net.low, "net_high": 100 * net.high,
            }
        )  # fmt: skip
    return pd.DataFrame(rows).sort_values("net", ascending=False, ignore_index=True)


def resample_rate(profile: Profile) -> float:
    """Return P(a new sample is right | the first was wrong) of a simulated model.

    Both share the question's difficulty, so it is less than P(right): E[p(1 − p)] / E[1 − p].
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    p = np.array([profile.p_success(float(z)) for z in nodes])
    return float((weights * p * (1 - p)).sum() / (weights * (1 - p)).sum())


def repair_rate(profile: Profile, sharpness: float = 1.0) -> dict[str, float]:
    """Return P(a first repair mends) of a simulated model under three policies that know or guess.

    ``random``, ``rules`` and ``oracle``, over its failures as they come; exact.
    """
    from sqlbench.evidence.sensitivity import sharpened
    from sqlbench.policies.simple import OBVIOUS_ARM

    matrix = sharpened(profile, sharpness)
    shares = {c: w for c, w in profile.first_attempt.items() if w}
    total = sum(shares.values())
    found = {"random": 0.0, "rules": 0.0, "oracle": 0.0}
    for error_class, weight in shares.items():
        row = matrix[str(ErrorClass(error_class))]
        found["random"] += weight / total * sum(row.values()) / len(row)
        found["rules"] += weight / total * row[str(OBVIOUS_ARM[error_class])]
        found["oracle"] += weight / total * max(row.values())
    return found


def _verdicts(path: Path, suite: Suite) -> dict[tuple[str, str], tuple[bool, ...]]:
    names = {e.position: e.question_id for e in suite.entries}
    found = {}
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            row = json.loads(line)
            question_id, verdicts = names.get(row.get("index")), row.get("official_exec")
            if not isinstance(verdicts, list) or len(verdicts) != len(row["candidates"]):
                raise ConfigError(
                    f"Line {number} of {str(path)!r} has no verdict on each candidate: expected "
                    "official_exec, a list of 0 and 1."
                )
            if question_id is not None:
                found[str(row.get("source")), question_id] = tuple(map(bool, verdicts))
    return found
