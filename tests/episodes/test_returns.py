"""What an episode pays: nothing that is wrong is worth what is right, and waiting never pays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlbench.episodes.context import MAX_ATTEMPTS
from sqlbench.episodes.returns import REWARDS, attempt_value, episode_value, paid
from sqlbench.exceptions import UnknownNameError

SUMMED = ("gain", "final")  # the rewards that cannot be farmed


@dataclass(frozen=True)
class Made:
    success: bool
    score: float
    reward: float = 0.0


def returned(attempts, reward: str) -> float:
    """Add an episode's rewards up, as a trainer does."""
    last = len(attempts)
    return sum(paid(attempts[:t], t == last, reward) for t in range(1, last + 1))


# Task scores are from 0 to 0.75 where the result is wrong; what a broken one would give, too.
wrong = st.one_of(st.floats(0, 0.75), st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf]))
wrongs = st.lists(st.builds(Made, st.just(False), wrong), min_size=1, max_size=MAX_ATTEMPTS)
RIGHT = Made(True, 1.0)
fewer = st.lists(st.builds(Made, st.just(False), wrong), max_size=MAX_ATTEMPTS - 1)


@pytest.mark.parametrize("reward", SUMMED)
@given(never=wrongs, before=fewer)
def test_no_episode_that_never_is_right_returns_more_than_one_that_is(reward, never, before):
    assert returned(never, reward) < returned([*before, RIGHT], reward)
    assert 0 <= returned(never, reward) <= 0.5


@pytest.mark.parametrize("reward", SUMMED)
@given(before=fewer, data=st.data())
def test_later_is_never_better_than_sooner(reward, before, data):
    """Leaving out any of the wrong attempts before a right one pays."""
    if not before:
        return
    sooner = list(before)
    del sooner[data.draw(st.integers(0, len(before) - 1))]
    assert returned([*sooner, RIGHT], reward) > returned([*before, RIGHT], reward)


@pytest.mark.parametrize("reward", SUMMED)
@given(made=wrongs, data=st.data())
def test_no_padding_pays(reward, made, data):
    """Not the same again, and nothing that scores no better than what there was."""
    best = max((m.score for m in made if not math.isnan(m.score)), default=0.0)
    again = data.draw(st.sampled_from(made))
    worse = Made(False, data.draw(st.floats(0, min(max(best, 0), 0.75))))
    for padding in (again, worse, Made(False, 0.0)):
        place = data.draw(st.integers(0, len(made)))
        padded = [*made[:place], padding, *made[place:]]
        assert returned(padded, reward) == pytest.approx(returned(made, reward))


@given(made=st.lists(st.builds(Made, st.booleans(), wrong), min_size=1, max_size=MAX_ATTEMPTS))
def test_gain_adds_up_to_the_value_whatever_came_before(made):
    assert returned(made, "gain") == pytest.approx(episode_value(made))
    assert returned(made, "final") == pytest.approx(episode_value(made))
    assert all(paid(made[:t], t == len(made)) >= 0 for t in range(1, len(made) + 1))


def test_right_then_wrong_keeps_what_was_right_and_gains_nothing():
    made = [RIGHT, Made(False, 0.7)]
    assert [paid(made[:1], False), paid(made, True)] == [1.0, 0.0]


def test_values_are_as_they_are_told():
    assert [attempt_value(True, 1.0, t) for t in range(1, 6)] == [1.0, 0.9, 0.8, 0.7, 0.6]
    assert attempt_value(False, 0.75, 1) == attempt_value(False, 0.75, 5) == 0.5
    assert attempt_value(False, 0.3, 2) == pytest.approx(0.2)
    assert attempt_value(False, None, 1) == attempt_value(False, math.nan, 1) == 0.0
    long = [attempt_value(True, 1.0, t) for t in range(1, 200)]
    assert long == sorted(long, reverse=True) and min(long) > 0.5
    with pytest.raises(ValueError, match="counted from 1, not 0"):
        attempt_value(True, 1.0, 0)


def test_a_reward_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(UnknownNameError, match=r"'gained'.*gain, final, shaped, score"):
        paid([RIGHT], True, "gained")
    with pytest.raises(ValueError, match="before the first attempt"):
        paid([], True)
    assert REWARDS[0] == "gain"
