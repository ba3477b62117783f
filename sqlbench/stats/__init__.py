"""Rates, differences and ratios with their intervals, clustered by question.

`estimates` holds what is estimated; `intervals` the one rule for the ends, also where there are few
clusters or all of them are alike. Uses the ground alone. Begin with `estimates`.
"""

from sqlbench.stats.estimates import (
    Interval,
    McNemar,
    Rate,
    clustered_ratio,
    difference_of_shares,
    gap_closed,
    interval_text,
    mcnemar,
    paired_difference,
    pairs_needed,
    points_text,
    rate,
    seed_band,
    share,
    share_text,
    small_n_warning,
    wilson,
    wilson_arrays,
)
from sqlbench.stats.intervals import ROUGH, rough_note

__all__ = [
    "ROUGH",
    "Interval",
    "McNemar",
    "Rate",
    "clustered_ratio",
    "difference_of_shares",
    "gap_closed",
    "interval_text",
    "mcnemar",
    "paired_difference",
    "pairs_needed",
    "points_text",
    "rate",
    "rough_note",
    "seed_band",
    "share",
    "share_text",
    "small_n_warning",
    "wilson",
    "wilson_arrays",
]
