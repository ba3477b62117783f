"""What doubts are learned by: boosted trees and a line, whose logits are added up.

scikit-learn is needed here, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqlbench.exceptions import MissingExtraError
from sqlbench.signals.line import Floats, Standard

DEPTH = 4  # of a tree
# How little is left of the line's coefficients: the inverse of the ridge, for answers' summed loss.
_RIDGE = 3e-4


@dataclass(frozen=True, slots=True)
class Learned:
    """Trees (scikit-learn's) and a linear model on what `Standard.design` gives."""

    trees: Any
    standard: Standard
    linear: Any

    def logit(self, read: NDArray[np.float32]) -> Floats:
        """Return the logits of answers that are wrong, not calibrated, shape (answers,)."""
        with one_thread():
            grown: Floats = self.trees.decision_function(read)
            added: Floats = self.linear.decision_function(self.standard.design(read))
            return grown + added

    def exported(self, places: NDArray[np.intp]) -> dict[str, Any]:
        """Return what `Weights` holds of it.

        Parameters
        ----------
        places : array of int, shape (columns,)
            Which inputs the columns are that were learned from.
        """
        first = float(np.ravel(self.trees._baseline_prediction)[0])
        return {
            **_complete_trees(self.trees, places),
            "line": self.standard.line(places, self.linear.coef_[0]),
            "start": first + float(self.linear.intercept_[0]),
        }


def learn(read: NDArray[np.float32], wrong: Floats, weight: Floats, seed: int) -> Learned:
    """Learn from what `trees_read` gives, shape (answers, columns).

    Parameters
    ----------
    read : array, shape (answers, columns)
    wrong, weight : array, shape (answers,)
    seed : int

    Raises
    ------
    MissingExtraError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingExtraError("Training the signals' weights", "signals") from None
    trees = HistGradientBoostingClassifier(
        max_depth=DEPTH, max_iter=200, learning_rate=0.07, l2_regularization=5.0,
        min_samples_leaf=100, early_stopping=False, random_state=seed,
    )  # fmt: skip
    standard = Standard.of(read)
    linear = LogisticRegression(C=_RIDGE, solver="newton-cholesky", max_iter=100)
    with one_thread():
        trees.fit(read, wrong, sample_weight=weight)
        linear.fit(standard.design(read), wrong, sample_weight=weight)
    return Learned(trees, standard, linear)


def one_thread() -> Any:
    """Return a context of one thread: several spin in wait for each other on a busy machine."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    return threadpool_limits(1)


def _complete_trees(model: Any, places: NDArray[np.intp]) -> dict[str, Any]:
    """Return a boosted model's trees as complete trees of `DEPTH`."""
    inner = 2**DEPTH - 1
    count = len(model._predictors)
    feature = np.zeros((count, inner), np.int16)
    threshold = np.full((count, inner), np.inf, np.float32)
    missing = np.ones((count, inner), bool)
    leaf = np.zeros((count, inner + 1), np.float32)

    for t, (predictor,) in enumerate(model._predictors):
        nodes = predictor.nodes

        def place(node: int, at: int, t: int = t, nodes: Any = nodes) -> None:
            n = nodes[node]
            if at >= inner:
                leaf[t, at - inner] = n["value"]
            elif n["is_leaf"]:  # whatever is read, both ways end in this leaf
                place(node, 2 * at + 1)
                place(node, 2 * at + 2)
            else:
                feature[t, at] = places[int(n["feature_idx"])]
                threshold[t, at] = n["num_threshold"]
                missing[t, at] = bool(n["missing_go_to_left"])
                place(int(n["left"]), 2 * at + 1)
                place(int(n["right"]), 2 * at + 2)

        place(0, 0)
    return {"feature": feature, "threshold": threshold, "missing_left": missing, "leaf": leaf}
