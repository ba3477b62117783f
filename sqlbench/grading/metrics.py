"""The metrics: how a query is prepared before it runs, and how two results are compared."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from sqlbench.databases.base import QueryResult
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.grading.exact import exact_reason
from sqlbench.grading.gold import Gold
from sqlbench.grading.official import (
    bird_reason,
    join_operators,
    plug_value,
    prepare_spider,
    spider_reason,
)
from sqlbench.plugins import declared, entry_point, import_path, is_path


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
    """Return a metric by its name; one of your own by its import path or a declared name.

    ``MODULE:NAME`` is a `Metric`, or a function of the gold and a prediction's result that returns
    whether they agree, or the reason why not (``match`` if they do).

    Raises
    ------
    UnknownNameError
        If there is no such metric.
    ConfigError
        If it cannot be imported, or is neither; later, if it gives neither a truth nor a reason.
    """
    if name in METRICS:
        return METRICS[name]
    return _own_metric(name)


@cache
def _own_metric(name: str) -> Metric:
    found = entry_point("metric", name)
    if found is None:
        if not is_path(name):
            raise UnknownNameError("metric", name, [*METRICS, *declared("metric")])
        found = import_path(name, "metric")
    if isinstance(found, Metric):
        return found
    if not callable(found):
        raise ConfigError(f"The metric {name!r} is a Metric or a function, not {found!r}.")

    def reason(gold: Gold, pred: QueryResult) -> str:
        said = found(gold, pred)
        if isinstance(said, bool | np.bool_):
            return "match" if said else "values"
        if isinstance(said, str) and said:
            return said
        if inspect.iscoroutine(said):
            said.close()  # it was never to run
        raise ConfigError(
            f"The metric {name!r} gave {said!r:.200}: expected True or False, or the reason why "
            "not as a text ('match' if they agree)."
        )

    return Metric(reason, _unchanged, _unchanged)
