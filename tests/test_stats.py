"""Statistics: against textbook values, exact formulas and simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest, t

from sqlbench.exceptions import ConfigError
from sqlbench.stats import (
    Interval,
    clustered_ratio,
    difference_of_shares,
    gap_closed,
    mcnemar,
    paired_difference,
    pairs_needed,
    rate,
    rough_note,
    seed_band,
    share,
    small_n_warning,
    wilson,
    wilson_arrays,
)


def test_wilson_gives_the_textbook_interval_alone_and_in_arrays():
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    low, high = wilson_arrays(np.array([81]), np.array([263]))
    assert (low[0], high[0]) == pytest.approx(wilson(81, 263))


def test_mcnemar_gives_the_exact_binomial_p_value():
    first = [True] * 30 + [True] * 9 + [False] * 1 + [False] * 60
    second = [True] * 30 + [False] * 9 + [True] * 1 + [False] * 60
    found = mcnemar(first, second)
    assert (found.n, found.only_first, found.only_second) == (100, 9, 1)
    assert found.p_value == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(first, first).p_value == 1.0


def test_p_and_wilsons_ends_are_scipys():
    for count, n in [(0, 0), (0, 7), (7, 7), (3, 9), (5, 10), (400, 900)]:
        found = mcnemar(
            [True] * count + [False] * (n - count), [False] * count + [True] * (n - count)
        )
        if n:
            assert found.p_value == pytest.approx(binomtest(count, n).pvalue, rel=1e-9)
            ends = binomtest(count, n).proportion_ci(method="wilson")
            low, high = wilson(count, n)
            assert (low, high) == pytest.approx((ends.low, ends.high), abs=1e-12)
            assert low <= count / n <= high
        else:
            assert found.p_value == 1.0


def test_the_clustered_interval_covers_where_the_independent_one_does_not():
    rng, hits, naive = np.random.default_rng(0), 0, 0
    for _ in range(200):
        clusters = np.repeat(np.arange(40), 10)
        values = rng.normal(0, 1, 40)[clusters] + rng.normal(0, 1, 400)
        found = clustered_ratio(values, np.ones(400), clusters)
        hits += found.low < 0 < found.high
        naive += abs(values.mean()) < 1.96 * values.std() / math.sqrt(len(values))
    assert 0.90 <= hits / 200 <= 0.99
    assert naive / 200 < 0.75  # 60% in theory: the intervals are 2.3 times too narrow


def test_pairs_are_resampled_as_pairs():
    rng = np.random.default_rng(1)
    questions = np.repeat(np.arange(50), 4)
    luck = rng.normal(0, 10, 200)
    found = paired_difference(luck + 1 + rng.normal(0, 0.1, 200), luck, questions)
    assert found.estimate == pytest.approx(1, abs=0.03)
    assert found.high - found.low < 0.1  # luck's own spread is 40 times this
    assert found.excludes_zero


def test_a_difference_of_independent_pairs_is_newcombes():
    """Method 10 of his second paper of 1998, without its correction: n is large."""
    both, first, second, neither = 360, 120, 20, 100
    a = np.repeat([1, 1, 0, 0], [both, first, second, neither])
    b = np.repeat([1, 0, 1, 0], [both, first, second, neither])
    (la, ua), (lb, ub) = wilson(480, 600), wilson(380, 600)
    phi = (both * neither - first * second) / math.sqrt(480 * 120 * 380 * 220)
    p, q = 480 / 600, 380 / 600
    down = math.sqrt((p - la) ** 2 - 2 * phi * (p - la) * (ub - q) + (ub - q) ** 2)
    up = math.sqrt((ua - p) ** 2 - 2 * phi * (ua - p) * (q - lb) + (q - lb) ** 2)
    found = paired_difference(a, b, list(range(600)))
    assert (found.low, found.high) == pytest.approx((p - q - down, p - q + up), abs=5e-4)


def test_shares_of_other_cases_differ_as_newcombes_do_and_one_of_none_by_nobody_knows():
    """Two independent samples: his method of the first paper, 56 of 70 and 48 of 80."""
    rows = [(1, 1, 0, 0)] * 56 + [(0, 1, 0, 0)] * 14 + [(0, 0, 1, 1)] * 48 + [(0, 0, 0, 1)] * 32
    found = difference_of_shares(rows, list(range(150)))
    assert found.estimate == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=3e-3)  # table II, (a)
    nobody = difference_of_shares([(1, 1, 0, 0), (0, 1, 0, 0)], ["a", "b"])
    assert math.isnan(nobody.estimate) and math.isnan(nobody.low)


def test_a_skewed_mean_reaches_further_up_than_down():
    costs = [1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 9.0]
    found = clustered_ratio(costs, np.ones(7), list(range(7)))
    assert found.high - found.estimate > 1.5 * (found.estimate - found.low)
    even = clustered_ratio([1.0, 2.0, 3.0], np.ones(3), list("abc"))
    half = 4.302653 / math.sqrt(3)  # Student's t of two degrees of freedom
    assert (even.low, even.high) == pytest.approx((2 - half, 2 + half))


def test_shares_of_shares_are_narrower_than_rights_and_wrongs_of_the_same_mean():
    even = share([0.4, 0.5, 0.6, 0.5] * 5, list(range(20)))
    low, high = wilson(10, 20)
    assert even.estimate == 0.5 and even.high - even.low < 0.8 * (high - low)
    assert share([0.0, 1.0] * 10, list(range(20))).low == pytest.approx(wilson(10, 20)[0])
    assert math.isnan(share([0.5, 0.7], ["a", "a"]).low)


def test_differences_that_are_all_the_same_leave_the_interval_unknown():
    found = paired_difference([3.0, 4.0, 5.0], [1.0, 2.0, 3.0], ["a", "b", "c"])
    assert found.estimate == 2 and math.isnan(found.low) and not found.excludes_zero
    assert str(clustered_ratio([2.5] * 4, [1.0] * 4, list("aabb"))) == "250.0% [interval unknown]"


def test_two_that_never_disagree_differ_by_nothing_that_is_sure():
    right = [True, False] * 10
    found = paired_difference(right, right, list(range(20)))
    assert found.estimate == 0 and -found.low == pytest.approx(found.high)
    assert 0.05 < found.high < 0.25
    more = paired_difference(right * 10, right * 10, list(range(200)))
    assert 0 < more.high < found.high / 3
    assert mcnemar(right, right).p_value == 1.0
    assert not found.excludes_zero


def test_clusters_that_are_all_alike_are_a_trial_each():
    found = rate([1, 0, 1, 0], ["p", "p", "q", "q"])
    one_of_two = -math.log(0.95) / 2  # by Poisson: a single hit of two
    assert found.rate == 0.5
    assert (found.low, found.high) == pytest.approx((one_of_two, 1 - one_of_two))
    share = clustered_ratio([1, 0, 1, 0], [1] * 4, ["p", "p", "q", "q"])
    assert (share.low, share.high) == (found.low, found.high)


def test_a_share_never_leaves_0_to_1_and_is_wider_with_fewer_questions():
    rng = np.random.default_rng(3)
    widths = []
    for k in (3, 10, 30, 100):
        clusters = np.repeat(np.arange(k), 10)
        hits = rng.random(10 * k) < rng.beta(2, 1, k)[clusters]
        found = rate(hits, clusters)
        assert 0 <= found.low < found.rate < found.high <= 1
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)


def test_a_difference_of_shares_is_told_in_points():
    assert Interval(0.055, 0.04, 0.07, 9, 5).points == "+5.5 [+4.0, +7.0] points"
    assert Interval(-0.01, math.nan, math.nan, 9, 1).points == "-1.0 [interval unknown] points"


def test_an_interval_of_fewer_than_five_questions_says_that_it_is_rough():
    assert str(Interval(0.5, 0.1, 0.9, 40, 4)) == "50.0% [10.0%, 90.0%] (rough)"
    assert Interval(0.055, 0.04, 0.07, 9, 3).points == "+5.5 [+4.0, +7.0] points (rough)"
    assert not Interval(0.5, 0.1, 0.9, 40, 5).rough, "from five on it covers what it says"
    assert not Interval(0.5, math.nan, math.nan, 40, 1).rough, "it is unknown, and says so"
    hits = [1, 0, 1, 0]
    assert rate(hits, list("abcd")).clusters == 4 and rate(hits, list("aaab")).clusters == 2
    assert "fewer than 5 questions, here 4" in str(rough_note(4))
    assert rough_note(5) is None and rough_note(0) is None
    several = str(rough_note(2, 5, 3, of=["repaired", "all", "first, any"]))
    assert "here 2 (repaired) and 3 (first, any), a 95%" in several


def test_a_ratio_is_of_totals_and_one_cluster_has_no_interval():
    found = clustered_ratio([1, 0, 3], [2, 0, 4], ["a", "b", "b"])
    assert found.estimate == pytest.approx(4 / 6)
    assert math.isnan(clustered_ratio([1, 0], [1, 1], ["a", "a"]).low)


@pytest.mark.parametrize("hit", [True, False])
def test_values_that_are_all_equal_get_the_interval_of_a_trial_a_cluster(hit):
    found = rate([hit] * 10, ["a"] * 5 + ["b"] * 5)
    alone = rate([hit] * 2, ["a", "b"])
    assert (found.count, found.n) == (10 * hit, 10)
    assert (found.low, found.high) == (alone.low, alone.high)
    more = rate([hit] * 40, [str(i // 10) for i in range(40)])
    assert (more.low, more.high) == pytest.approx(wilson(4 * hit, 4))


def test_one_question_asked_again_and_again_is_one_trial():
    found = rate([True] * 10, ["a"] * 10)
    assert (found.low, found.high) == pytest.approx((-math.log(0.95), 1))
    assert found.low < rate([True, True], ["a", "b"]).low


@pytest.mark.parametrize("n", [5, 6, 10, 20, 50, 51, 200])
def test_an_interval_of_independent_trials_holds_every_rate_nine_times_in_ten(n):
    """Computed, not simulated; Wilson's own holds a rate near 0 only 83% of the time."""
    ends = [rate(np.arange(n) < count, range(n)) for count in range(n + 1)]
    for p in np.linspace(0.001, 0.5, 500):
        chances = binom.pmf(np.arange(n + 1), n, p)
        held = sum(c for c, e in zip(chances, ends, strict=True) if e.low <= p <= e.high)
        assert held > 0.9, p


def test_usual_numbers_of_hits_get_wilsons_interval():
    for count, n in [(3, 40), (4, 60), (30, 60), (56, 60)]:
        found = rate(np.arange(n) < count, range(n))
        assert (found.low, found.high) == pytest.approx(wilson(count, n))


def test_the_warning_names_how_many_pairs_would_do():
    # (1.960·√0.3 + 0.842·√(0.3 − 0.01))² / 0.01
    assert pairs_needed(0.1, 0.3) == pytest.approx(233.1, abs=0.1)
    rng = np.random.default_rng(2)
    first = rng.random(100) < 0.55
    second = np.where(rng.random(100) < 0.2, ~first, first)
    text = small_n_warning(first, second, ("linucb", "table"))
    assert text is not None and "100 pairs are too few" in text and "linucb" in text
    assert small_n_warning([True] * 400, [True] * 200 + [False] * 200, ("a", "b")) is None
    assert "do not differ" in str(small_n_warning([True] * 5, [True] * 5, ("a", "b")))


def test_a_band_needs_two_seeds_and_is_students():
    mean, low, high = seed_band([[1.0, 2.0], [3.0, 2.0]])
    assert mean.tolist() == [2.0, 2.0]
    assert (high - low)[0] == pytest.approx(2 * 12.7062 * math.sqrt(2) / math.sqrt(2), abs=1e-3)
    # Seeds that agree do not say that the next one will.
    assert math.isnan(low[1]) and math.isnan(high[1])
    nearly = seed_band([[0.1 + 0.2], [0.3]])
    assert math.isnan(nearly[1][0]), "but for the last digit they agree"
    with pytest.raises(ConfigError, match="two seeds"):
        seed_band([[1.0]])


def test_what_does_not_pair_is_refused():
    with pytest.raises(ConfigError, match="pairs"):
        paired_difference([1, 2], [1, 2, 3], ["a", "b"])
    with pytest.raises(ConfigError, match="pairs"):
        mcnemar([True], [True, False])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([(1, 0), (0, 0)], "unknown"),  # 1 to 0
        ([(0, 0), (0, 0)], "unknown"),  # 0 to 0
        ([(1, 2)], "50.0% [interval unknown]"),  # one cluster: nothing to resample
        ([(1, 2), (1, 2), (1, 0), (1, 0), (1, 0)], "125.0% [interval unknown]"),  # perhaps 1 to 0
    ],
)
def test_what_nobody_can_know_is_said_in_words(pairs, text):
    top, bottom = zip(*pairs, strict=True)
    assert str(clustered_ratio(top, bottom, range(len(pairs)))) == text


def test_a_ratio_ends_where_students_t_parts_its_two_sides():
    """Fieller's own definition: at an end the difference is t of its standard errors."""
    rng = np.random.default_rng(1)
    bottom = rng.gamma(4, 1, 12)
    top = 0.3 * bottom + rng.normal(0, 0.5, 12)
    found = clustered_ratio(top, bottom, range(12))
    assert found.low < found.estimate < found.high
    for end in (found.low, found.high):
        rest = top - end * bottom
        error = rest.std(ddof=1) / math.sqrt(12)
        assert abs(rest.mean()) / error == pytest.approx(t.ppf(0.975, 11), rel=1e-9)
    none = clustered_ratio(top, bottom - bottom.mean(), range(12))  # to what may be 0
    assert math.isnan(none.low) and math.isnan(none.high)


def test_the_share_of_a_gap_is_that_of_the_differences_where_all_have_the_same_cases():
    rng = np.random.default_rng(2)
    low, high = rng.random((2, 300)) < [[0.3], [0.7]]
    mine = np.where(rng.random(300) < 0.5, low, high)
    clusters, ones = [i // 5 for i in range(300)], np.ones(300)
    found = gap_closed(np.column_stack([mine, ones, low, ones, high, ones]), clusters)
    plain = clustered_ratio(mine.astype(float) - low, high.astype(float) - low, clusters)
    assert found.estimate == pytest.approx(plain.estimate)
    assert [found.low, found.high] == pytest.approx([plain.low, plain.high])
    itself = gap_closed(np.column_stack([high, ones, low, ones, high, ones]), clusters)
    assert itself.estimate == 1 and math.isnan(itself.low)
    nothing = gap_closed(np.column_stack([mine, ones, low, ones, low, ones]), clusters)
    assert math.isnan(nothing.estimate) and math.isnan(nothing.low)


def test_a_band_of_shares_stays_among_shares():
    mean, low, high = seed_band([[0.1], [0.02]], within=(0, 1))
    assert low[0] == 0 < mean[0] < high[0] < 1
    assert seed_band([[0.1], [0.02]])[1][0] < 0
    assert np.isnan(seed_band([[0.5], [0.5]], within=(0, 1))[1][0]), "unknown stays unknown"
