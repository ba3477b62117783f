"""Columns are matched as trying all permutations would, in time that does not grow as they do."""

from __future__ import annotations

import random
import time
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlbench.grading.columns import match_columns


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3).map(tuple), max_size=6),
    st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3).map(tuple), max_size=6),
)
def test_column_matching_agrees_with_trying_all_permutations(
    want: list[tuple[int, ...]], got: list[tuple[int, ...]]
) -> None:
    found = len(want) == len(got) and match_columns(want, got) is not None
    tried = any(
        sorted(want) == sorted(tuple(row[i] for i in p) for row in got)
        for p in permutations(range(3))
    )
    assert found == tried


@pytest.mark.parametrize("rows", [30, 20_000])
def test_twelve_look_alike_columns_do_not_blow_up(rows: int) -> None:
    rng = random.Random(7)
    want = [tuple(rng.randrange(2) for _ in range(12)) for _ in range(rows)]
    order = rng.sample(range(12), 12)
    got = [tuple(row[i] for i in order) for row in want]
    rng.shuffle(got)
    started = time.perf_counter()
    permutation = match_columns(want, got)
    assert permutation is not None
    assert sorted(want) == sorted(tuple(row[i] for i in permutation) for row in got)
    # Two cells swapped: every column keeps its contents, and nothing fits any more.
    a, b = got[0], next(r for r in got if r[0] != got[0][0] and r[1:] != got[0][1:])
    got[got.index(b)], got[0] = (a[0], *b[1:]), (b[0], *a[1:])
    assert match_columns(want, got) is None
    assert time.perf_counter() - started < 30  # 12! permutations would take days


def test_the_search_gives_up_on_results_built_to_resist_it() -> None:
    # A Latin square: all rows and all columns look alike, and refinement tells nothing apart.
    n = 12
    want = [tuple((i + j) % n for j in range(n)) for i in range(n)]
    got = [tuple((i * 5 + j * 7) % n for j in range(n)) for i in range(n)]
    started = time.perf_counter()
    match_columns(want, got)
    assert time.perf_counter() - started < 30
