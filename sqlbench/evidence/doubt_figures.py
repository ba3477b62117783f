"""What doubts are worth where verdicts are known: ROC, calibration, what each kind adds.

Figures over answers are weighed by how often an answer was given. Intervals are bootstrapped by
database (or by question within one): its answers are drawn together, and the resamples are the
same for every doubt, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sqlbench.seeds import Role, generator
from sqlbench.signals.doubt import Floats
from sqlbench.signals.registry import NAMES
from sqlbench.signals.train import Answers
from sqlbench.stats.estimates import Interval
from sqlbench.stats.intervals import bootstrap_ends

if TYPE_CHECKING:
    import pandas as pd

_DRAWS = 300
_BINS = 10  # of the calibration, of equal width


@dataclass(frozen=True, eq=False)
class Judged:
    """Doubts beside verdicts.

    Attributes
    ----------
    doubt, wrong, weight : array, shape (answers,)
        The doubt; 1 where the answer is wrong; how often it was given.
    rows : array of bool, shape (answers,)
        Whether it ran and returned rows.
    database, question : array, shape (answers,)
    """

    doubt: Floats
    wrong: Floats
    weight: Floats
    rows: NDArray[np.bool_]
    database: NDArray[Any]
    question: NDArray[Any]

    def take(self, kept: NDArray[np.bool_]) -> Judged:
        """Return some of the answers."""
        return Judged(
            self.doubt[kept], self.wrong[kept], self.weight[kept], self.rows[kept],
            self.database[kept], self.question[kept],
        )  # fmt: skip

    def given(self) -> tuple[Floats, Floats]:
        """Return doubts and verdicts, each answer as often as it was given."""
        times = self.weight.astype(int)
        return np.repeat(self.doubt, times), np.repeat(self.wrong, times)


def judged(answers: Answers, doubt: Floats) -> Judged:
    """Put doubts beside the verdicts of measured answers."""
    raised, empty = (answers.values[:, NAMES.index(name)] for name in ("raised", "empty"))
    return Judged(
        doubt, answers.wrong, answers.weight, (raised == 0) & (empty == 0), answers.database,
        answers.question,
    )  # fmt: skip


def roc(found: Judged) -> tuple[Floats, Floats]:
    """Return the ROC curve: shares of right and of wrong answers that are flagged, from 0 to 1."""
    _, place = np.unique(-found.doubt, return_inverse=True)
    shares = []
    for flagged in (1 - found.wrong, found.wrong):
        sums = np.bincount(place, found.weight * flagged)
        shares.append(np.append(0.0, np.cumsum(sums) / sums.sum()))
    return shares[0], shares[1]


def auc(found: Judged, *, by: str = "database", seed: int = 0) -> Interval:
    """Return the area under the ROC curve; 0.5 is chance, NaN where all answers are alike.

    Parameters
    ----------
    found : Judged
    by : {"database", "question"}
        What is drawn together in the resamples.
    seed : int
        Of the resamples.
    """
    clusters = getattr(found, by)
    return _interval(found, clusters, _areas, seed)


def calibration_error(found: Judged, *, seed: int = 0) -> Interval:
    """Return the expected calibration error over ten bins of equal width, by database."""
    return _interval(found, found.database, _errors, seed)


def precision(found: Judged, share: float = 0.2) -> float:
    """Return how many are wrong of the most doubtful answers, this share of all."""
    order = np.argsort(-found.doubt, kind="stable")
    weight = found.weight[order]
    flagged = np.cumsum(weight) <= share * weight.sum()
    return float(np.average(found.wrong[order][flagged], weights=weight[flagged]))


def risk_at(found: Judged, coverage: float) -> float:
    """Return how many are wrong of the least doubtful answers, this share of all."""
    order = np.argsort(found.doubt, kind="stable")
    weight = found.weight[order]
    kept = np.cumsum(weight) <= coverage * weight.sum() + 1e-9
    return float(np.average(found.wrong[order][kept], weights=weight[kept]))


def by_database(found: Judged, *, seed: int = 0) -> pd.DataFrame:
    """Return a row a database, the worst first: answers, wrong, auc, low, high (by question)."""
    import pandas as pd

    rows = []
    for name in sorted(set(found.database.tolist())):
        mine = found.take(found.database == name)
        area = auc(mine, by="question", seed=seed)
        rows.append(
            {
                "database": name, "answers": len(mine.doubt),
                "wrong": float(np.average(mine.wrong, weights=mine.weight)),
                "auc": area.estimate, "low": area.low, "high": area.high,
            }
        )  # fmt: skip
    return pd.DataFrame(rows).sort_values("auc", ignore_index=True)


def calibration(found: Judged, *, seed: int = 0) -> pd.DataFrame:
    """Return a row a bin of doubts: doubt (mean), wrong (share), low, high, given."""
    import pandas as pd

    bins = np.minimum((found.doubt * _BINS).astype(int), _BINS - 1)
    rows = []
    for i in sorted(set(bins.tolist())):
        mine = found.take(bins == i)
        share = _interval(mine, mine.database, _shares, seed)
        rows.append(
            {
                "doubt": float(np.average(mine.doubt, weights=mine.weight)),
                "wrong": share.estimate, "low": share.low, "high": share.high,
                "given": float(mine.weight.sum()),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def what_each_adds(found: Judged, without: Mapping[str, Floats], *, seed: int = 0) -> pd.DataFrame:
    """Return what the area under the ROC curve loses without each kind of signals.

    Parameters
    ----------
    found : Judged
        The doubts of all kinds.
    without : mapping of str to array of shape (answers,)
        For each kind the doubts that were learned without it.
    seed : int
        Of the resamples.

    Returns
    -------
    DataFrame
        Columns kind, answers ("all" or "with rows"), auc (without it), lost, low, high (paired, by
        database); what adds most comes first.
    """
    import pandas as pd

    rows = []
    for name, kept in (("all", np.ones(len(found.doubt), bool)), ("with rows", found.rows)):
        mine = found.take(kept)
        weights = _resampled(mine.weight, mine.database, seed)
        whole = _areas(mine, weights)
        for kind, doubt in without.items():
            less = Judged(
                doubt[kept], mine.wrong, mine.weight, mine.rows, mine.database, mine.question
            )
            lost = whole - _areas(less, weights)
            low, high = bootstrap_ends(lost[1:], len(set(mine.database.tolist())))
            rows.append(
                {
                    "kind": kind, "answers": name, "auc": float(whole[0] - lost[0]),
                    "lost": float(lost[0]), "low": float(low), "high": float(high),
                }
            )  # fmt: skip
    frame = pd.DataFrame(rows)
    order = frame[frame["answers"] == "all"].set_index("kind")["lost"]
    place = frame["kind"].map(order.rank(ascending=False, method="first"))
    return frame.assign(place=place).sort_values(["place", "answers"]).drop(columns="place")


def _interval(found: Judged, clusters: NDArray[Any], figure: Any, seed: int) -> Interval:
    """Return a figure of weighed answers with its interval."""
    values = figure(found, _resampled(found.weight, clusters, seed))
    k = len(set(clusters.tolist()))
    low, high = bootstrap_ends(values[1:], k)
    return Interval(float(values[0]), float(low), float(high), len(found.doubt), k)


def _resampled(weight: Floats, clusters: NDArray[Any], seed: int) -> Floats:
    """Return the weights as they are, then those of each resample, shape (1 + draws, answers)."""
    names, place = np.unique(clusters, return_inverse=True)
    k = len(names)
    drawn = generator(seed, Role.ANALYSIS).multinomial(k, np.full(k, 1 / k), size=_DRAWS)
    return np.vstack([weight, weight * drawn[:, place]])


def _areas(found: Judged, weights: Floats) -> Floats:
    """Return the area under the ROC curve by each row of weights; ties count half."""
    order = np.argsort(found.doubt, kind="stable")
    starts = np.flatnonzero(np.diff(found.doubt[order], prepend=-1.0))
    ordered = weights[:, order]
    bad = np.add.reduceat(ordered * found.wrong[order], starts, axis=1)
    good = np.add.reduceat(ordered * (1 - found.wrong[order]), starts, axis=1)
    below = np.cumsum(good, axis=1) - good / 2
    with np.errstate(invalid="ignore"):
        area: Floats = (bad * below).sum(axis=1) / (bad.sum(axis=1) * good.sum(axis=1))
    return area


def _errors(found: Judged, weights: Floats) -> Floats:
    bins = np.minimum((found.doubt * _BINS).astype(int), _BINS - 1)
    gaps = weights * (found.wrong - found.doubt)
    sums = np.stack([gaps[:, bins == i].sum(axis=1) for i in range(_BINS)])
    error: Floats = np.abs(sums).sum(axis=0) / weights.sum(axis=1)
    return error


def _shares(found: Judged, weights: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        share: Floats = (weights * found.wrong).sum(axis=1) / weights.sum(axis=1)
    return share
