"""The gold results of a suite: each query runs once, and is kept."""

from __future__ import annotations

from sqlbench.databases.base import QueryError
from sqlbench.grading.gold import Gold, InvalidGoldError, run_gold
from sqlbench.grading.metrics import find_metric
from sqlbench.suites.base import Question, Suite


class Golds:
    """The gold results of a suite, each run once and kept.

    Parameters
    ----------
    suite : Suite
        Whose questions are asked.
    metric : str
        Golds run as this metric prepares queries.

    Raises
    ------
    UnknownNameError
        If there is no such metric.
    """

    def __init__(self, suite: Suite, metric: str = "exact") -> None:
        self._suite = suite
        self._metric = find_metric(metric)
        self._kept: dict[str, Gold | InvalidGoldError] = {}

    def get(self, question: Question) -> Gold | None:
        """Return a question's gold, or None for a question that has none.

        Raises
        ------
        InvalidGoldError
            If the gold query fails.
        """
        if question.gold is None:
            return None
        kept = self._kept.get(question.id)
        if kept is None:
            sql = self._metric.prepare_gold(question.gold)
            try:
                kept = run_gold(sql, self._suite.database(question))
            except QueryError as error:
                kept = InvalidGoldError(question.id, error.message)
            self._kept[question.id] = kept
        if isinstance(kept, InvalidGoldError):
            raise kept
        return kept
