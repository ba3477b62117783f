"""Weights of doubt that a person can check: an answer that raised or is empty is doubtful."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sqlbench.signals.doubt import Weights, save_weights
from sqlbench.signals.line import no_line
from sqlbench.signals.registry import NAMES
from sqlbench.signals.skeleton import ELEMENTS

INNER, LEAVES = 15, 16


def plain_weights() -> Weights:
    """Return one tree on each of two signals: either adds 4 to a logit of −2."""
    feature = np.zeros((2, INNER), np.int16)
    threshold = np.full((2, INNER), np.inf, np.float32)
    leaf = np.zeros((2, LEAVES), np.float32)
    for tree, name in enumerate(("raised", "empty")):
        feature[tree, 0], threshold[tree, 0] = NAMES.index(name), 0.5
        leaf[tree, LEAVES // 2 :] = 4.0
    return Weights(
        signals=NAMES,
        phrases={},
        table=np.zeros((1, len(ELEMENTS)), np.int8),
        scale=np.ones(len(ELEMENTS), np.float32),
        feature=feature,
        threshold=threshold,
        missing_left=np.ones((2, INNER), bool),
        leaf=leaf,
        line=no_line(),
        start=-2.0,
        slope=1.0,
        offset=0.0,
        about={},
    )


def write_plain_weights(path: Path) -> Path:
    """Write them to a file."""
    save_weights(plain_weights(), path)
    return path
