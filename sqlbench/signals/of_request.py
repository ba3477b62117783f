"""Signals that read what the question asks for, against what the statement gives."""

from __future__ import annotations

import re

from sqlglot import exp

from sqlbench.databases.base import Row
from sqlbench.signals import cues
from sqlbench.signals.reading import Measure, Reading, Register
from sqlbench.signals.statement import AGGREGATES, Statement

signal = Register("request")


def _agg(s: Statement, name: str, outer: bool = True) -> bool:
    kind = next(k for k, v in AGGREGATES.items() if v == name)
    if not outer or s.outer is None:
        return kind in s.kinds
    return any(isinstance(p, kind) or p.find(kind) is not None for p in s.outer.projections)


def _order(s: Statement) -> bool:
    return exp.Order in s.kinds


def _limited(s: Statement) -> bool:
    return exp.Limit in s.kinds or exp.Fetch in s.kinds


def _distinct(s: Statement) -> bool:
    return exp.Distinct in s.kinds


@signal.of_statement
def count_asked_not_given(r: Reading, s: Statement) -> Measure:
    """How many is asked, and nothing is counted."""
    found = r.question.says(cues.MANY) and not s.count(exp.Count, exp.Sum)
    return (found, "It is asked how many, and nothing is counted.")


@signal.of_statement
def count_given_not_asked(r: Reading, s: Statement) -> Measure:
    """A count is returned that is not asked for."""
    found = _agg(s, "count") and not r.question.says(cues.MANY)
    return (found, "A count is returned, and none is asked for.")


@signal.of_statement
def count_asked_in_order_only(r: Reading, s: Statement) -> Measure:
    """How many is asked, and the count is not among what is returned."""
    return r.question.says(cues.MANY) and not _agg(s, "count") and exp.Count in s.kinds


@signal.of_statement
def group_asked_not_given(r: Reading, s: Statement) -> Measure:
    """The question says each or per, and nothing is grouped."""
    found = r.question.says(cues.EACH) and exp.Group not in s.kinds
    return (found, "It is asked for each, and nothing is grouped.")


@signal.of_statement
def group_given_not_asked(r: Reading, s: Statement) -> Measure:
    """There is a GROUP BY, and the question says neither each nor per."""
    return exp.Group in s.kinds and not r.question.says(cues.EACH)


@signal.of_statement
def group_counted_not_asked(r: Reading, s: Statement) -> Measure:
    """Groups are neither ordered, filtered nor asked for by any word."""
    said = r.question.says(cues.EACH) or r.question.says(cues.MOST) or r.question.says(cues.MORE)
    said = (
        said
        or r.question.says(cues.LESS)
        or r.question.says(cues.OR_EQUAL)
        or r.question.says(cues.MANY)
    )
    return (
        exp.Group in s.kinds and not said,
        "Rows are grouped, and the question says no word of it.",
    )


@signal.of_statement
def extreme_asked_not_given(r: Reading, s: Statement) -> Measure:
    """The question asks for the most or least, and nothing is ordered or aggregated."""
    found = r.question.says(cues.MOST) and not (_order(s) or s.count(exp.Max, exp.Min))
    return (
        found and not s.count(exp.Count),
        "The most or least is asked for, and nothing is ordered.",
    )


@signal.of_statement
def order_given_not_asked(r: Reading, s: Statement) -> Measure:
    """Rows are ordered, and the question says no word of it."""
    found = _order(s) and not (r.question.says(cues.MOST) or r.question.says(cues.SORT))
    return (found, "Rows are ordered, and the question says no word of it.")


@signal.of_statement
def sort_asked_not_given(r: Reading, s: Statement) -> Measure:
    """The question asks for an order, and nothing is ordered."""
    found = r.question.says(cues.SORT) and not _order(s)
    return (found, "An order is asked for, and nothing is ordered.")


@signal.of_statement
def sort_asked_but_limited(r: Reading, s: Statement) -> Measure:
    """The question asks for an order, and only some rows are returned."""
    return r.question.says(cues.DOWN) or r.question.says(cues.UP) if _limited(s) else 0


@signal.of_statement
def direction_wrong(r: Reading, s: Statement) -> Measure:
    """The order's direction is not the one that the question's words have."""
    order = s.first(exp.Order)
    if order is None or not order.expressions:
        return 0
    down = bool(order.expressions[0].args.get("desc"))
    high, low = r.question.says(cues.HIGH), r.question.says(cues.LOW)
    if _limited(s):
        found = (high and not low and not down) or (low and not high and down)
    else:
        wants_down, wants_up = r.question.says(cues.DOWN), r.question.says(cues.UP)
        found = (wants_down and not wants_up and not down) or (wants_up and not wants_down and down)
    return (found, "The rows are ordered in the other direction than the question's words have.")


@signal.of_statement
def ordered_down(r: Reading, s: Statement) -> Measure:
    """Rows are ordered downwards (1), upwards (-1), or not at all (0)."""
    order = s.first(exp.Order)
    if order is None or not order.expressions:
        return 0
    return 1 if order.expressions[0].args.get("desc") else -1


@signal.of_statement
def limit_asked_not_given(r: Reading, s: Statement) -> Measure:
    """The question asks for the one that is most, and all rows are returned."""
    said = r.question.says(cues.MOST) and not r.question.says(cues.SORT)
    return said and not _limited(s) and not s.count(exp.Max, exp.Min)


@signal.of_statement
def limit_given_not_asked(r: Reading, s: Statement) -> Measure:
    """Rows are cut off, and the question says no word of it."""
    said = r.question.says(cues.MOST) or bool(r.question.numbers) or bool(r.question.spelled)
    return (
        _limited(s) and not said,
        "Rows are cut off by LIMIT, and the question says no word of it.",
    )


@signal.of_statement
def limit_without_order(r: Reading, s: Statement) -> Measure:
    """LIMIT without ORDER BY: which rows are kept is chance."""
    for scope in s.scopes:
        if scope.clause("limit") and not scope.clause("order") and not r.question.numbers:
            return (1, "LIMIT without ORDER BY: which rows are kept is chance.")
    return 0


@signal.of_statement
def distinct_asked_not_given(r: Reading, s: Statement) -> Measure:
    """Different ones are asked for, and DISTINCT is not said."""
    found = r.question.says(cues.DISTINCT) and not _distinct(s) and exp.Group not in s.kinds
    return (found, "Different ones are asked for, and there is no DISTINCT.")


@signal.of_statement
def distinct_given_not_asked(r: Reading, s: Statement) -> Measure:
    """DISTINCT is said, and the question says no word of it."""
    return _distinct(s) and not r.question.says(cues.DISTINCT)


@signal.of_statement
def average_mismatch(r: Reading, s: Statement) -> Measure:
    """An average is asked for and not given, or the other way round."""
    return _mismatch(r, s, cues.AVERAGE, "avg", "an average")


@signal.of_statement
def sum_mismatch(r: Reading, s: Statement) -> Measure:
    """A sum is asked for and not given (1), or given and not asked for (-1)."""
    said, given = r.question.says(cues.SUM), exp.Sum in s.kinds
    if said and not given:
        return 0 if r.question.says(cues.MANY) else 1
    return -1 if given and not said else 0


@signal.of_statement
def max_mismatch(r: Reading, s: Statement) -> Measure:
    """MAX without a word for it."""
    return exp.Max in s.kinds and not r.question.says(cues.MAX) and not r.question.says(cues.MOST)


@signal.of_statement
def min_mismatch(r: Reading, s: Statement) -> Measure:
    """MIN without a word for it."""
    return exp.Min in s.kinds and not r.question.says(cues.MIN) and not r.question.says(cues.MOST)


@signal.of_statement
def columns_over_asked(r: Reading, s: Statement) -> Measure:
    """How many columns more are returned than the question lists."""
    return _columns(s) - _asked(r) if s.outer is not None else None


@signal.of_statement
def columns_over_named(r: Reading, s: Statement) -> Measure:
    """How many columns more are returned than the question's first part names."""
    return _columns(s) - _named(r) if s.outer is not None else None


@signal.of_statement
def star_selected(r: Reading, s: Statement) -> Measure:
    """All columns are returned by a star."""
    if s.outer is None or not any(
        e.is_star and not isinstance(e, exp.Count) for e in s.outer.projections
    ):
        return 0
    return (1, "All columns are returned, by a star.")


@signal.of_statement
def who_without_name(r: Reading, s: Statement) -> Measure:
    """Who is asked, and no column of names is returned."""
    if not r.question.says(cues.WHO):
        return 0
    return not any("name" in c.name for c in s.selected)


@signal.of_statement
def when_without_date(r: Reading, s: Statement) -> Measure:
    """When is asked, and no date or year is returned."""
    if not r.question.says(cues.WHEN):
        return 0
    return not any(re.search("date|year|time|day", c.name) for c in s.columns)


@signal
def asks_many(r: Reading) -> Measure:
    """The question asks how many."""
    return r.question.says(cues.MANY)


@signal
def asks_each(r: Reading) -> Measure:
    """The question says each or per."""
    return r.question.says(cues.EACH)


@signal
def asks_most(r: Reading) -> Measure:
    """The question asks for the most, least, first or last."""
    return r.question.says(cues.MOST)


@signal
def asks_common(r: Reading) -> Measure:
    """The question asks for what is most common."""
    return r.question.says(cues.COMMON)


@signal
def asks_not(r: Reading) -> Measure:
    """The question says not or without."""
    return r.question.says(cues.NO)


@signal
def asks_both(r: Reading) -> Measure:
    """The question says both, either or or."""
    return r.question.says(cues.BOTH) + 2 * r.question.says(cues.OR)


@signal
def asks_part(r: Reading) -> Measure:
    """The question asks for a percentage, ratio or difference."""
    return r.question.says(cues.PART) or "difference" in r.question.lower


@signal
def asks_average(r: Reading) -> Measure:
    """The question says average or total."""
    return r.question.says(cues.AVERAGE) or r.question.says(cues.SUM)


@signal
def asks_yes_or_no(r: Reading) -> Measure:
    """The question is to be answered by yes or no."""
    return r.question.says(cues.YESNO)


@signal
def asks_columns(r: Reading) -> Measure:
    """How many things the question lists in its first part."""
    return _asked(r)


@signal
def question_length(r: Reading) -> Measure:
    """How many words the question has."""
    return len(r.question.words)


@signal
def question_values(r: Reading) -> Measure:
    """How many values of the database the question names."""
    return len(r.links.values)


@signal
def question_columns(r: Reading) -> Measure:
    """How many columns the question names in full, by different words."""
    names = {c for (_, c), v in r.links.columns.items() if v >= 0.95}
    return len(names)


@signal.of_rows
def rows_for_one(r: Reading, rows: list[Row]) -> Measure:
    """The question asks for one thing, and several rows are returned."""
    one = (
        r.question.says(cues.MOST)
        and not r.question.says(cues.SORT)
        and not r.question.says(cues.EACH)
    )
    return one and r.size > 1


@signal.of_rows
def one_row_for_each(r: Reading, rows: list[Row]) -> Measure:
    """The question says each, and one row is returned."""
    found = r.question.says(cues.EACH) and r.size == 1 and not r.question.says(cues.MOST)
    return (found, "It is asked for each, and there is one row.")


@signal.of_rows
def many_without_number(r: Reading, rows: list[Row]) -> Measure:
    """The question begins with how many, and no single number is returned."""
    begins = r.question.lower.startswith(
        ("how many", "count", "what is the number", "what is the total number")
    )
    if not begins or r.question.says(cues.EACH):
        return 0
    return (r.size != 1 or r.width != 1, "It is asked how many, and no single number is returned.")


def _mismatch(r: Reading, s: Statement, pattern: re.Pattern[str], name: str, said: str) -> Measure:
    given = _agg(s, name, outer=False)
    if r.question.says(pattern) and not given:
        return (1, f"The question asks for {said}, and none is computed.")
    return -1 if given and not r.question.says(pattern) else 0


def _head(r: Reading) -> str:
    text = r.question.lower
    start = cues.START.match(text)
    begin = start.end() if start else 0
    end = cues.HEAD_END.search(text, begin + 8)
    return text[begin : end.start()] if end else text[begin:]


def _asked(r: Reading) -> int:
    head = _head(r)
    return 1 + len(re.findall(r",(?! and\b)|\band\b|\bas well as\b|\balong with\b", head))


def _named(r: Reading) -> int:
    words = len(
        re.findall(
            r"[a-z]+|\d+(?:\.\d+)?",
            r.question.lower[: r.question.lower.find(_head(r)) + len(_head(r))],
        )
    )
    spans = [frozenset(p for p in r.links.places[k] if p < words)
             for k, v in r.links.columns.items() if v >= 0.8]  # fmt: skip
    found: list[frozenset[int]] = []
    for span in sorted({s for s in spans if s}, key=len, reverse=True):
        if not any(span & other for other in found):
            found.append(span)
    return len(found)


def _columns(s: Statement) -> int:
    assert s.outer is not None
    return len(s.outer.projections)
