"""Doubts of answers by weights that never saw their databases."""

from __future__ import annotations

import numpy as np
import pytest

from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.signals.held_out import HeldOut
from sqlbench.signals.registry import NAMES, SIGNALS
from sqlbench.signals.skeleton import ELEMENTS
from sqlbench.signals.train import Answers


def answers(databases=3, n=450):
    """Answers that are wrong where a result is empty, mostly."""
    rng = np.random.default_rng(0)
    values = np.zeros((n, len(NAMES)))
    empty = rng.integers(0, 2, n)
    values[:, NAMES.index("empty")] = empty
    wrong = np.where(rng.uniform(size=n) < 0.1, 1 - empty, empty).astype(float)
    question = np.arange(n) % 30
    return Answers(
        values,
        np.zeros((n, len(ELEMENTS))),
        wrong,
        np.ones(n),
        question,
        [("how", "many")] * 30,
        np.array([f"db{i % databases}" for i in range(30)]),
    )


def test_doubt_follows_what_holds_on_the_other_databases():
    given = answers()
    held = HeldOut(given)
    doubt, empty = held.doubts(), given.values[:, NAMES.index("empty")] == 1
    assert held.groups == 3
    assert doubt[empty].min() > 0.7 > 0.3 > doubt[~empty].max()
    # Without the kind that tells, nothing is left to tell by.
    (kind,) = (d.reads for d in SIGNALS if d.name == "empty")
    blind = held.doubts([kind])
    assert np.ptp(blind) < 0.2


def test_an_answers_own_verdict_does_not_move_its_doubt():
    given = answers(databases=6)
    mine = given.database == "db0"
    flipped = Answers(
        given.values, given.skeletons, np.where(mine, 1 - given.wrong, given.wrong), given.weight,
        given.question, given.words, given.databases,
    )  # fmt: skip
    before, after = HeldOut(given).doubts()[mine], HeldOut(flipped).doubts()[mine]
    # Only the calibration of the others' doubts saw a model that learned from these verdicts.
    assert (before > 0.5).tolist() == (after > 0.5).tolist()


def test_what_cannot_be_held_out_is_one_sentence():
    with pytest.raises(ConfigError, match="two or more"):
        HeldOut(answers(databases=1))
    with pytest.raises(UnknownNameError, match="kind of signals"):
        HeldOut(answers()).doubts(["luck"])
