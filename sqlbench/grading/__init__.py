"""Do two result sets agree? Metrics, verdicts and the partial score."""

from sqlbench.grading.compare import Verdict, compare, failed
from sqlbench.grading.gold import Gold, InvalidGoldError, run_gold
from sqlbench.grading.golds import Golds
from sqlbench.grading.metrics import METRICS, Metric, find_metric
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
    "find_metric",
    "run_gold",
    "task_score",
]
