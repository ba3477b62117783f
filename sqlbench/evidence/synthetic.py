"""Repair tables of drawn outcomes: what is known of them is exact (always simulated)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sqlbench.episodes.context import FEATURE_NAMES, Context, featurize
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS
from sqlbench.evidence.repair_table import RepairTable, obvious_rules


def synthetic_table(
    p_fixed: Mapping[str, Mapping[str, float]],
    shares: Mapping[str, float],
    rows: int,
    rng: np.random.Generator,
    *,
    name: str = "synthetic",
    samples: int = 1,
) -> RepairTable:
    """Make a table whose outcomes are drawn from known probabilities (always simulated).

    Parameters
    ----------
    p_fixed : mapping of error class to (mapping of arm to float)
        P(fixed | class, arm).
    shares : mapping of error class to float
        Relative frequencies of the classes among failing first answers.
    rows : int
        How many first answers to draw.
    rng : Generator
        Draws classes and outcomes.
    name : str
        What to call it.
    samples : int
        Outcomes for each cell.
    """
    labels = [c for c in shares if shares[c] > 0]
    weights = np.array([shares[c] for c in labels])
    drawn = rng.choice(len(labels), size=rows, p=weights / weights.sum())
    arms = tuple(str(a) for a in ARMS)
    matrix = np.array([[p_fixed[c][a] for a in arms] for c in labels])
    expected = matrix[drawn]
    successes = rng.random((rows, len(arms), samples)) < expected[:, :, None]
    classes = [ErrorClass(labels[i]) for i in drawn]
    return RepairTable(
        name=name,
        arms=arms,
        question_ids=tuple(f"q{i}" for i in range(rows)),
        db_ids=("synthetic",) * rows,
        contexts=tuple(str(c) for c in classes),
        features=np.array([featurize(Context(c, 2)) for c in classes]),
        feature_names=FEATURE_NAMES,
        successes=successes,
        # The reward of a first repair without what the new error's class adds to it.
        rewards=np.where(successes, 0.9, -0.2),
        simulated=True,
        model="synthetic",
        rules=obvious_rules(),
        expected=expected,
    )
