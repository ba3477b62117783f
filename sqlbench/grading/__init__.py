"""Do two result sets agree? Metrics, verdicts and the partial score."""

from sqlbench.grading.compare import METRICS, Metric, Verdict, compare, failed
from sqlbench.grading.gold import Gold, Golds, InvalidGoldError
from sqlbench.grading.score import task_score

__all__ = [
    "METRICS",
    "Gold",
    "Golds",
    "InvalidGoldError",
    "Metric",
    "Verdict",
    "compare",
    "failed",
    "task_score",
]
