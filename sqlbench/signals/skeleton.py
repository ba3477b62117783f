"""The skeleton of a statement, and the words of a question that ask for one.

A statement without its names and values is a set of elements (it counts, it groups, it returns two
columns …); a question without its names and values is a set of phrases. Which elements a phrase
asks for is learned (`sqlbench.signals.train`), as sketches are in SQLNet (Xu et al. 2017) and
skeletons in RESDSQL (Li et al. 2023), here by a linear model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlglot import exp

from sqlbench.signals.statement import AGGREGATES, Statement

ELEMENTS = (
    "returns_1", "returns_2", "returns_3", "returns_more", "star", "count", "count_distinct", "avg",
    "sum", "max", "min", "plain_column", "distinct", "group", "having", "order", "descending",
    "ascending", "limit", "limit_1", "order_by_count", "intersect", "union", "except", "nested",
    "not", "or", "like", "more", "less", "bound_itself", "between", "tables_1",
    "tables_2", "tables_3", "tables_more", "conditions_0", "conditions_1", "conditions_2",
    "conditions_more", "text_compared", "number_compared",
)  # fmt: skip
LONGEST = 3  # words of a phrase


def elements(s: Statement) -> list[bool]:
    """Return which of `ELEMENTS` a statement has."""
    outer = s.outer
    assert outer is not None
    shown: set[str] = set()
    plain = distinct_count = star = False
    for p in outer.projections:
        cls = type(p)
        if cls in AGGREGATES:
            shown.add(AGGREGATES[cls])
            distinct_count = distinct_count or (cls is exp.Count and type(p.this) is exp.Distinct)
        elif cls is exp.Column:
            plain = True
            star = star or type(p.this) is exp.Star
        elif cls is exp.Star:
            star = True
        else:
            found = {AGGREGATES[type(n)] for n in p.find_all(*AGGREGATES)}
            shown |= found
            plain = plain or not found
    returned = len(outer.projections)
    order = next((x for scope in s.scopes if (x := scope.clause("order")) is not None), None)
    first: Any = order.expressions[0] if order is not None and order.expressions else None
    down = first is not None and bool(first.args.get("desc"))
    limit = next((x for scope in s.scopes if (x := scope.clause("limit")) is not None), None)
    wheres = sum(
        scope.clause(k) is not None and _comparisons(scope.clause(k).this)
        for scope in s.scopes
        for k in ("where", "having")
    )
    tables = len(s.tables)
    count = s.count
    return [
        returned == 1, returned == 2, returned == 3, returned > 3, star, "count" in shown,
        distinct_count, "avg" in shown, "sum" in shown, "max" in shown, "min" in shown, plain,
        any(scope.clause("distinct") is not None for scope in s.outers), count(exp.Group) > 0,
        count(exp.Having) > 0, order is not None, down, order is not None and not down,
        limit is not None, limit is not None and limit.sql().endswith(" 1"),
        first is not None and first.find(exp.Count) is not None, count(exp.Intersect) > 0,
        count(exp.Union) > 0, count(exp.Except) > 0,
        any(scope.kind in ("sub", "derived") for scope in s.scopes),
        count(exp.Not, exp.NEQ, exp.Except) > 0, count(exp.Or, exp.In) > 0,
        count(exp.Like, exp.ILike, exp.Glob) > 0, count(exp.GT, exp.GTE) > 0,
        count(exp.LT, exp.LTE) > 0, count(exp.GTE, exp.LTE) > 0, count(exp.Between) > 0,
        tables <= 1, tables == 2, tables == 3,
        tables > 3, wheres == 0, wheres == 1, wheres == 2, wheres > 2,
        any(not x.number and x.clause in ("where", "having") for x in s.literals),
        any(x.number and x.clause in ("where", "having") for x in s.literals),
    ]  # fmt: skip


def phrases(words: Sequence[str]) -> Iterator[str]:
    """Yield the phrases of a question whose names and values are masked, each once."""
    ended = ["<start>", *words, "<end>"]
    seen = set()
    for size in range(1, LONGEST + 1):
        for i in range(len(ended) - size + 1):
            phrase = " ".join(ended[i : i + size])
            if phrase not in seen:
                seen.add(phrase)
                yield phrase


def _comparisons(node: Any) -> int:
    if isinstance(node, (exp.And, exp.Or)):
        return _comparisons(node.this) + _comparisons(node.expression)
    return 1
