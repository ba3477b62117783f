"""What tells at a glance that results differ changes no verdict."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlbench.databases import QueryResult
from sqlbench.grading import exact

# What meets what: integers and floats with their dust, texts that spell numbers, all else.
CELLS = st.sampled_from(
    [None, 0, 1, 2, 1.0, 1.0 + 1e-12, 2.5, "1", "01", "2.5", "a", "b", b"a", True]
)


@st.composite
def pairs(draw):
    """Draw two results of one width; often the second is the first, rearranged."""
    width = draw(st.integers(1, 3))
    rows = st.lists(st.tuples(*[CELLS] * width), min_size=0, max_size=4)
    want = draw(rows)
    got = draw(rows)
    if want and draw(st.booleans()):
        columns = draw(st.permutations(range(width)))
        drawn = draw(st.lists(st.sampled_from(want), max_size=5))
        got = [tuple(row[i] for i in columns) for row in drawn]
        if got and draw(st.booleans()):
            got[0] = (draw(CELLS), *got[0][1:])
    return want, got


@given(pairs(), st.booleans())
@settings(max_examples=1_000, deadline=None)
def test_a_glance_says_what_the_whole_comparison_says(pair, ordered):
    want, got = pair
    columns = tuple("abc"[: len((want or got or [(1,)])[0])])
    cells = frozenset(cell for row in want for cell in row)
    gold = SimpleNamespace(result=QueryResult(columns, want), ordered=ordered, cells=cells)
    pred = QueryResult(columns, got)
    at_a_glance = exact.exact_reason(gold, pred)
    with patch.object(exact, "_may_agree", lambda cells, got: True):
        assert at_a_glance == exact.exact_reason(gold, pred)


@pytest.mark.parametrize(
    ("want", "got", "may"),
    [
        ([("a", 1)], [("b", 1)], False),
        ([(1,)], [(2,)], False),
        ([(None,)], [(0,)], False),
        ([("x", 1)], [("x", 2)], False),
        ([(1,)], [("1",)], True),
        ([(1,)], [(1.0 + 1e-12,)], True),
        ([("a", 1), ("a", 1)], [("a", 1)], True),
    ],
)
def test_what_can_be_told_at_a_glance(want, got, may):
    assert exact._may_agree(frozenset(cell for row in want for cell in row), got) is may
