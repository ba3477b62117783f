"""One function behind every verdict: it compares a prediction's result with the gold's."""

from __future__ import annotations

from dataclasses import dataclass

from sqlbench.databases.base import QueryError, QueryResult
from sqlbench.grading.gold import Gold
from sqlbench.grading.metrics import find_metric


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a prediction's result agrees with the gold's, and why not.

    Attributes
    ----------
    match : bool
        Execution accuracy of this one prediction.
    reason : str
        ``match``, ``row_count``, ``column_count``, ``order``, ``values``, ``duplicates``, ``type``
        (the same but for numbers that are spelt as text), ``truncated`` (longer
        than the sandbox's cap, so it cannot be known), ``pred_error`` or
        ``timeout``.
    vacuous : bool
        True for a match of two empty results, which proves little.
    tie : bool
        True if the gold's LIMIT cuts through a tie, so that other rows would be as right.
    loose : bool
        True for ``duplicates`` where the gold's own rows repeat in full: whether they should is
        what the question leaves open.
    gold_rows, pred_rows : int or None
        Row counts; None for a prediction that did not run.
    """

    match: bool
    reason: str
    vacuous: bool = False
    tie: bool = False
    loose: bool = False
    gold_rows: int | None = None
    pred_rows: int | None = None


def compare(gold: Gold, pred: QueryResult, metric: str = "exact") -> Verdict:
    """Compare a prediction's result with the gold's.

    Parameters
    ----------
    gold : Gold
        The gold query, run.
    pred : QueryResult
        What the prediction, prepared as the metric wants it, returned.
    metric : str
        One of `sqlbench.grading.METRICS`.

    Raises
    ------
    UnknownNameError
        If there is no such metric.
    """
    found = find_metric(metric)
    reason = "truncated" if pred.truncated else found.reason(gold, pred)
    match = reason == "match"
    return Verdict(
        match=match,
        reason=reason,
        vacuous=match and not gold.result.rows,
        tie=bool(gold.tie),
        loose=reason == "duplicates" and len(set(gold.result.rows)) < len(gold.result.rows),
        gold_rows=len(gold.result.rows),
        pred_rows=len(pred.rows),
    )


def failed(gold: Gold, error: QueryError) -> Verdict:
    """Return the verdict on a prediction that did not run."""
    reason = "timeout" if error.timeout else "pred_error"
    return Verdict(False, reason, tie=bool(gold.tie), gold_rows=len(gold.result.rows))
