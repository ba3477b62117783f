"""Where all randomness comes from: one seed for each decision, whatever the order of events.

A generator is keyed by (experiment seed, role, question, repeat, attempt). It depends neither on
the order in which concurrent episodes finish nor on the policy, so that policies are compared on
common random numbers.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum
from functools import lru_cache

import numpy as np

_LARGEST_WORD = 2**32 - 1


class Role(IntEnum):
    """What a random number is for."""

    ORDER = 0
    MODEL = 1
    POLICY = 2
    ANALYSIS = 3


def seed_sequence(
    seed: int, role: Role, key: str = "", repeat: int = 0, attempt: int = 0
) -> np.random.SeedSequence:
    """Return the seed sequence of one decision.

    Parameters
    ----------
    seed : int
        The experiment's seed, at least 0.
    role : Role
        What it is for.
    key : str
        The question's id, hashed by SHA-256.
    repeat, attempt : int
        Which time this question is asked, and which attempt at it.
    """
    entropy = (seed, int(role), *_words(key), repeat, attempt)
    if 0 <= seed <= _LARGEST_WORD:
        # The words that numpy would make of these integers, at a fifth of the time.
        return np.random.SeedSequence(np.array(entropy, dtype=np.uint32))
    return np.random.SeedSequence(entropy)


def generator(
    seed: int, role: Role, key: str = "", repeat: int = 0, attempt: int = 0
) -> np.random.Generator:
    """Return a fresh generator for one decision (see `seed_sequence`)."""
    return np.random.Generator(np.random.PCG64(seed_sequence(seed, role, key, repeat, attempt)))


def call_seed(seed: int, key: str, repeat: int, attempt: int, sample: int = 0) -> int:
    """Return the integer seed of one model call, in [0, 2³¹).

    Parameters
    ----------
    seed, key, repeat, attempt
        See `seed_sequence`; an attempt is below 256.
    sample : int
        Which of several answers to the same request, from 0.
    """
    place = attempt + (sample << 8)
    state = seed_sequence(seed, Role.MODEL, key, repeat, place).generate_state(1)
    return int(state[0]) >> 1


@lru_cache(maxsize=100_000)
def _words(key: str) -> tuple[int, ...]:
    digest = hashlib.sha256(key.encode()).digest()
    return tuple(int.from_bytes(digest[i : i + 4], "big") for i in range(0, 16, 4))
