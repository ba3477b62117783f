"""The line beside the trees: what it adds to a logit."""

from __future__ import annotations

import numpy as np

from sqlbench.signals.line import FAR, Line, Standard, no_line


def test_line_adds_what_it_says_and_no_more_far_out():
    arrays = (np.array(v, np.float32) for v in ([1, 0], [2, 1], [0.5, 1], [0.25, 0]))
    line = Line(np.array([2, 0], np.int16), *arrays)
    inputs = np.array([[0, 7, 1], [-1, 7, 3], [100, 7, np.nan], [np.nan, 7, 1]], float)
    np.testing.assert_allclose(line.logit(inputs), [0, 0.5 - 1, 0.25 + FAR, 0])


def test_no_line_adds_nothing():
    assert no_line().logit(np.full((2, 3), np.nan)).tolist() == [0, 0]


def test_what_is_unknown_seldom_has_no_column_of_its_own():
    read = np.zeros((200, 3), np.float32)
    read[:100, 0] = 2
    read[:3, 1] = np.nan  # 1.5%
    read[:2, 2] = np.nan  # 1%
    standard = Standard.of(read)
    assert standard.unknown.tolist() == [False, True, False]
    np.testing.assert_allclose(standard.center, [1, 0, 0])
    np.testing.assert_allclose(standard.spread, [1, 1, 1])
    assert standard.design(read).shape == (200, 4)
    assert standard.design(read)[:4, 3].tolist() == [1, 1, 1, 0]
