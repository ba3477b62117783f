"""Forgetting: against explicit matrices, with the ridge that comes back a coordinate at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sqlbench.policies import make_policy
from sqlbench.policies.discounted import FLOOR, DiscountedArms, resets


class Explicit:
    """All matrices as they are, nothing inverted but for a comparison: numpy alone."""

    def __init__(self, arms, d, ridge, gamma):
        self.gamma, self.ridge, self.per_update = gamma, ridge, resets(gamma, arms * d)
        self.s = np.zeros((arms, d, d))
        self.b = np.zeros((arms, d))
        self.prior = np.full(arms * d, ridge)
        self.turn = 0
        period = arms * d / self.per_update
        self.whole = ridge
        if gamma < 1:  # so that the mean over a turn is the ridge
            self.whole = ridge * period * (1 - gamma) / (1 - gamma**period)

    def update(self, arm, x, reward):
        self.s *= self.gamma
        self.b *= self.gamma
        self.prior *= self.gamma
        for _ in range(self.per_update):
            self.prior[self.turn] = self.whole
            self.turn = (self.turn + 1) % len(self.prior)
        self.s[arm] += np.outer(x, x)
        self.b[arm] += reward * x

    def inverses(self):
        rows = self.prior.reshape(len(self.s), -1)
        return np.linalg.inv(self.s + np.array([np.diag(row) for row in rows]))


@pytest.mark.parametrize(("gamma", "d"), [(0.995, 23), (0.97, 23), (0.9, 37), (0.3, 5), (1.0, 5)])
def test_forgetting_agrees_with_explicit_matrices_over_1000_steps(gamma, d):
    arms, explicit = DiscountedArms(8, d, 0.5, gamma), Explicit(8, d, 0.5, gamma)
    rng, worst, least = np.random.default_rng(4), 0.0, math.inf
    for step in range(1000):
        x = rng.random(d) * (rng.random(d) < 0.3)
        arm, reward = int(rng.integers(8 if step < 300 else 2)), float(rng.normal())
        arms.update(arm, x, reward)
        explicit.update(arm, x, reward)
        least = min(least, explicit.prior.min())
        inverses = explicit.inverses()
        theta = np.einsum("kij,kj->ki", inverses, explicit.b)
        widths = np.sqrt(np.einsum("kij,i,j->k", inverses, x, x))
        worst = max(worst, np.abs(arms.theta - theta).max(), np.abs(arms.widths(x) - widths).max())
    assert worst < 1e-9
    state = arms.state()
    np.testing.assert_allclose(state["a_inv"], explicit.inverses(), atol=1e-9)
    np.testing.assert_allclose(state["b"], explicit.b, atol=1e-9)
    assert least >= 0.5 * min(FLOOR, gamma) * (1 - 1e-9), "the ridge has a floor"


def test_the_inverse_stays_symmetric_and_exact_however_long_it_forgets():
    arms, explicit = DiscountedArms(3, 6, 1.0, 0.95), Explicit(3, 6, 1.0, 0.95)
    rng = np.random.default_rng(5)
    for _ in range(20_000):
        step = int(rng.integers(2)), rng.random(6), float(rng.normal())
        arms.update(*step)
        explicit.update(*step)
    found = arms.state()["a_inv"]
    np.testing.assert_allclose(found, explicit.inverses(), atol=1e-9)
    np.testing.assert_allclose(found, found.transpose(0, 2, 1), atol=1e-12)


def test_a_policy_that_forgets_goes_on_from_its_state():
    policy, again = make_policy("linucb?gamma=0.9"), make_policy("linucb?gamma=0.9")
    rng = np.random.default_rng(6)
    for i in range(300):
        policy.arms.update(i % 8, rng.random(23), float(rng.normal()))
    again.load_state(policy.state())
    for i in range(50):
        x, reward = rng.random(23), float(rng.normal())
        policy.arms.update(i % 8, x, reward)
        again.arms.update(i % 8, x, reward)
    np.testing.assert_allclose(again.arms.theta, policy.arms.theta, atol=1e-9)
    np.testing.assert_allclose(again.arms.widths(x), policy.arms.widths(x), atol=1e-9)
