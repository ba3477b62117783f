"""What doubts are learned by: that what is exported is what was learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plain_weights import plain_weights

from sqlbench.signals.learner import learn
from sqlbench.signals.registry import NAMES

pytest.importorskip("sklearn", reason="needs the extra signals")


def test_what_is_learned_is_what_is_applied():
    rng = np.random.default_rng(0)
    places = np.arange(len(NAMES))
    read = rng.normal(size=(600, len(NAMES))).astype(np.float32)
    read[rng.random(read.shape) < 0.1] = np.nan
    wrong = (np.nan_to_num(read[:, 0]) + rng.normal(size=600) > 0).astype(float)
    learned = learn(read, wrong, np.ones(600), seed=0)
    weights = replace(plain_weights(), **learned.exported(places))
    logit = learned.logit(read)
    assert logit.std() > 0.5
    np.testing.assert_allclose(weights.probability(read), 1 / (1 + np.exp(-logit)), atol=1e-4)
