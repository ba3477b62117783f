"""Learning doubts: their calibration."""

from __future__ import annotations

import numpy as np
import pytest

from sqlbench.signals.train import platt


@pytest.mark.parametrize("scale", [0.01, 1.0, 4.0, 50.0])
def test_calibration_is_the_same_whatever_the_logits_scale(scale):
    rng = np.random.default_rng(0)
    logit = rng.normal(-1, 3, 2000)
    wrong = (rng.random(2000) < 1 / (1 + np.exp(-0.5 * logit + 1))).astype(float)
    weight = rng.integers(1, 20, 2000).astype(float)
    slope, offset = platt(scale * logit, wrong, weight)
    assert scale * slope == pytest.approx(0.5, abs=0.06)
    assert offset == pytest.approx(-1, abs=0.15)


def test_calibration_of_logits_that_tell_all_apart_stays_finite():
    logit = np.array([-2.0, -1.0, 1.0, 2.0])
    slope, offset = platt(logit, (logit > 0).astype(float), np.ones(4))
    assert np.isfinite([slope, offset]).all() and slope > 1
