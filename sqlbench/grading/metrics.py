"""The metrics: how a query is prepared before it runs, and how two results are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlbench.databases.base import QueryResult
from sqlbench.exceptions import UnknownNameError
from sqlbench.grading.exact import exact_reason
from sqlbench.grading.gold import Gold
from sqlbench.grading.official import (
    bird_reason,
    join_operators,
    plug_value,
    prepare_spider,
    spider_reason,
)


@dataclass(frozen=True, slots=True)
class Metric:
    """One rule for when two results agree.

    Attributes
    ----------
    reason : callable
        Takes the gold and a prediction's result; returns ``match``, or why they differ.
    prepare, prepare_gold : callable
        Turn a predicted query, and a gold, into what is run.
    """

    reason: Callable[[Gold, QueryResult], str]
    prepare: Callable[[str], str]
    prepare_gold: Callable[[str], str]


def _unchanged(sql: str) -> str:
    return sql


def _plugged(prepare: Callable[[str], str]) -> Callable[[str], str]:
    return lambda sql: prepare(plug_value(sql))


METRICS: dict[str, Metric] = {
    "exact": Metric(exact_reason, _unchanged, _unchanged),
    "spider": Metric(spider_reason, _plugged(prepare_spider), prepare_spider),
    "spider-keep-distinct": Metric(spider_reason, _plugged(join_operators), join_operators),
    "bird": Metric(bird_reason, _unchanged, _unchanged),
}


def find_metric(name: str) -> Metric:
    """Return a metric by its name.

    Raises
    ------
    UnknownNameError
        If there is no such metric.
    """
    if name not in METRICS:
        raise UnknownNameError("metric", name, METRICS)
    return METRICS[name]
