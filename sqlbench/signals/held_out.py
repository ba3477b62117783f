"""Doubts of answers by weights that never saw their databases; scikit-learn is needed."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.signals.doubt import FITS, Floats
from sqlbench.signals.learner import learn
from sqlbench.signals.registry import SIGNALS
from sqlbench.signals.train import Answers, cross_fitted, folds_of, platt, trees_read

KINDS: tuple[str, ...] = (*dict.fromkeys(d.reads for d in SIGNALS), "skeleton")
"""The kinds of what the trees read: what a signal reads, and how well the whole skeleton fits."""


class HeldOut:
    """Graded answers, judged with each group of databases held out in turn.

    A group's skeletons, trees and calibration are learned on the other groups (stacking, Wolpert
    1992). The skeletons are learned once for each group, whatever kinds are left out.

    Parameters
    ----------
    answers : Answers
        Of several databases.
    seed : int
        Of the trees.

    Raises
    ------
    ConfigError
        If there are fewer than two databases.
    """

    def __init__(self, answers: Answers, *, seed: int = 0) -> None:
        if len(set(answers.database.tolist())) < 2:
            raise ConfigError(
                "Databases are held out in turn, so the answers have to be of two or more, "
                f"and these {len(answers.wrong)} are of {len(set(answers.database.tolist()))}."
            )
        self.answers, self.seed = answers, seed
        self._folds = folds_of(answers)
        self._read = trees_read(cross_fitted(answers, self._folds))

    @property
    def groups(self) -> int:
        """How many groups of databases are held out in turn."""
        return len(set(self._folds.tolist()))

    def doubts(self, without: Collection[str] = ()) -> Floats:
        """Return the doubts, shape (answers,).

        Parameters
        ----------
        without : collection of str
            Kinds of signals, of `KINDS`, that are unknown in training and in use.

        Raises
        ------
        UnknownNameError
            If there is no such kind.
        """
        for kind in without:
            if kind not in KINDS:
                raise UnknownNameError("kind of signals", kind, KINDS)
        kinds = np.array([*(d.reads for d in SIGNALS), *["skeleton"] * FITS])
        read = np.where(np.isin(kinds, list(without)), np.float32(0), self._read)
        wrong, weight = self.answers.wrong, self.answers.weight
        logit = np.zeros(len(wrong))
        groups = sorted(set(self._folds.tolist()))
        for group in groups:
            test = self._folds == group
            model = learn(read[~test], wrong[~test], weight[~test], self.seed)
            logit[test] = model.logit(read[test])
        doubt = np.zeros(len(wrong))
        for group in groups:
            test = self._folds == group
            slope, offset = platt(logit[~test], wrong[~test], weight[~test])
            doubt[test] = 1 / (1 + np.exp(-np.clip(slope * logit[test] + offset, -30, 30)))
        return doubt
