"""Seeds: one for each decision, whatever came before it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sqlbench.seeds import Role, _words, call_seed, generator, seed_sequence


@pytest.mark.parametrize("seed", [0, 7, 2**31, 2**32 - 1, 2**32, 2**70 + 3])
@pytest.mark.parametrize(("repeat", "attempt"), [(0, 1), (12, 5)])
def test_the_words_are_those_that_numpy_makes_of_the_integers(seed, repeat, attempt):
    ours = seed_sequence(seed, Role.POLICY, "q-1", repeat, attempt)
    own = np.random.SeedSequence((seed, int(Role.POLICY), *_words("q-1"), repeat, attempt))
    assert ours.generate_state(8).tolist() == own.generate_state(8).tolist()


def test_no_two_decisions_share_their_numbers():
    keys = itertools.product((0, 1), Role, ("a", "b"), (0, 1), (1, 2))
    drawn = [generator(*key).random() for key in keys]
    assert len(set(drawn)) == len(drawn)


def test_a_seed_of_a_call_stays_as_it_was():
    # Stored completions and committed figures hang on it.
    assert [call_seed(0, "simple_queries-01", 0, attempt) for attempt in (1, 2)] == [
        583573804,
        1676013136,
    ]
