"""Learn which skeleton a question asks for, from questions with right answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize

from sqlbench.signals.skeleton import phrases

Floats = NDArray[np.float64]

_RIDGE = 1.0  # penalty of a squared weight, in questions
_SEEN = 4  # questions in which a phrase must be
_MOST = 900  # phrases that are kept, the most frequent first


@dataclass(frozen=True, eq=False)
class SkeletonModel:
    """Log-odds of each element: ``table[i]`` for the phrase i, its last row for every question.

    ``table`` is scaled to whole numbers of one byte, ``scale`` says by what.
    """

    phrases: tuple[str, ...]
    table: NDArray[np.int8]
    scale: NDArray[np.float32]


def fit_skeletons(
    questions: Sequence[Sequence[str]], targets: Floats, databases: Sequence[str]
) -> SkeletonModel:
    """Fit one logistic regression an element, all at once.

    Parameters
    ----------
    questions : sequence of sequence of str
        Masked words, a question each.
    targets : array, shape (questions, elements)
        The share of a question's right answers that have an element.
    databases : sequence of str
        Whose question it is: a phrase that one database alone has says nothing of others.
    """
    found = [list(phrases(words)) for words in questions]
    seen = Counter(p for ps in found for p in ps)
    homes: dict[str, set[str]] = {}
    for ps, database in zip(found, databases, strict=True):
        for p in ps:
            homes.setdefault(p, set()).add(database)
    several = min(2, len(set(databases)))
    kept = [p for p, n in seen.items() if n >= _SEEN and len(homes[p]) >= several]
    kept = sorted(sorted(kept), key=lambda p: -seen[p])[:_MOST]
    places = {p: i for i, p in enumerate(kept)}
    rows, columns = [], []
    for i, ps in enumerate(found):
        for p in ps:
            if p in places:
                rows.append(i)
                columns.append(places[p])
    shape = len(found), len(kept)
    x = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
    table = _logistic(x, targets)
    scale = np.maximum(np.abs(table).max(axis=0), 1e-9) / 127
    whole = np.round(table / scale).astype(np.int8)
    return SkeletonModel(tuple(kept), whole, scale.astype(np.float32))


def _logistic(x: sparse.csr_matrix, targets: Floats) -> Floats:
    """Minimise the log loss with a ridge on all but the last row, which is the intercept."""
    n, (_, k), m = x.shape[0], targets.shape, x.shape[1]
    base = np.clip(targets.mean(axis=0), 0.5 / (n + 1), 1 - 0.5 / (n + 1))
    first = np.zeros((m + 1, k))
    first[-1] = np.log(base / (1 - base))

    def loss(flat: Floats) -> tuple[float, Floats]:
        w = flat.reshape(m + 1, k)
        logits = x @ w[:-1] + w[-1]
        value = np.logaddexp(0, logits).sum() - (targets * logits).sum()
        value += 0.5 * _RIDGE * (w[:-1] ** 2).sum()
        error = 1 / (1 + np.exp(-logits)) - targets
        slope = np.vstack([x.T @ error + _RIDGE * w[:-1], error.sum(axis=0)])
        return float(value), slope.ravel()

    found = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(found.x).reshape(m + 1, k)
