"""BIRD's Soft-F1: how much of the gold's cells a result has, row by row.

The rule of ``calculate_f1_score`` in bird-bench/mini_dev (Li et al. 2023): duplicate rows are
dropped, the i-th row of the one is set beside the i-th of the other, and cells are counted that
both have, that only the prediction has and that only the gold has, each as a share of the gold's
columns. The evaluator takes rows in the order of a Python set, which for texts differs from
process to process; here they keep the order in which the database gave them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlbench.databases.base import QueryResult, Row


def soft_f1(gold: QueryResult, pred: QueryResult) -> float:
    """Return the score in [0, 1]; 1 for two empty results.

    Parameters
    ----------
    gold, pred : QueryResult
        The gold's rows, and a prediction's.
    """
    want, got = list(dict.fromkeys(gold.rows)), list(dict.fromkeys(pred.rows))
    if not want and not got:
        return 1.0
    both = only_pred = only_gold = 0.0
    for mine, theirs in zip(got, want, strict=False):
        shares = _cells(mine, theirs)
        both, only_pred, only_gold = (
            total + part for total, part in zip((both, only_pred, only_gold), shares, strict=True)
        )
    only_pred += max(0, len(got) - len(want))
    only_gold += max(0, len(want) - len(got))
    precision = both / (both + only_pred) if both + only_pred else 0.0
    recall = both / (both + only_gold) if both + only_gold else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _cells(pred: Row, gold: Row) -> Sequence[float]:
    columns = len(gold)
    matches = sum(cell in gold for cell in pred)
    missing = sum(cell not in pred for cell in gold)
    return matches / columns, (len(pred) - matches) / columns, missing / columns
