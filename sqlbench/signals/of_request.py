"""Signals that read what the question asks for, against what the statement gives."""

from __future__ import annotations

import re

from sqlglot import exp

from sqlbench.databases.base import Row
from sqlbench.signals.question import Question
from sqlbench.signals.reading import Measure, Reading, Register
from sqlbench.signals.statement import AGGREGATES, Statement

signal = Register("request")


def _words(text: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{text})\b")


_MANY = _words("how many|number of|numbers of|count|amount of")
_EACH = _words("each|every|per|for all|by each|respective|corresponding|in terms of")
_MOST = _words(
    "most|least|highest|lowest|largest|smallest|oldest|youngest|maximum|minimum|earliest|latest|"
    "best|worst|greatest|fewest|top|first|last|longest|shortest|biggest|heaviest|tallest|"
    "slowest|fastest|cheapest|newest|lightest|min|max|recent"
)
_HIGH = _words(
    "most|highest|largest|oldest|maximum|latest|best|greatest|longest|biggest|heaviest|tallest|"
    "fastest|newest|max|top|recent|descending|decreasing|richest|strongest"
)
_LOW = _words(
    "least|lowest|smallest|youngest|minimum|earliest|worst|fewest|shortest|slowest|cheapest|"
    "lightest|min|ascending|increasing|alphabetical|alphabetically|lexicographical"
)
_DISTINCT = _words("distinct|different|unique|differing|various")
_NO = _words(
    "not|never|without|no|except|don't|doesn't|neither|nor|none|didn't|isn't|aren't|hasn't|"
    "haven't|lack|other than|excluding|missing|cannot|can't"
)
_AVERAGE = _words("average|mean|averaged|avg")
_SUM = _words("total|sum|combined|altogether|overall|together")
_MAX = _words("maximum|max|highest|largest|greatest|biggest|oldest|longest|most|latest")
_MIN = _words("minimum|min|lowest|smallest|least|youngest|shortest|earliest|fewest")
_SORT = _words("order|ordered|sort|sorted|descending|ascending|alphabetical|alphabetically|rank")
_DOWN = _words("descending|decreasing|reverse|high to low|highest to lowest|desc")
_UP = _words("ascending|increasing|alphabetical|alphabetically|lexicographical|low to high|asc")
_BOTH = _words("both")
_OR = _words("or|either")
_MORE = _words(
    "more than|greater than|larger than|higher than|above|over|after|older than|at least|"
    "bigger than|longer than|heavier than|taller than|exceeds?|exceeding|later than|or more|"
    "no less than|or above|minimum of|not less than|or older"
)
_LESS = _words(
    "less than|smaller than|lower than|below|under|before|younger than|at most|fewer than|"
    "shorter than|earlier than|lighter than|or less|no more than|cheaper than|or below|or fewer"
)
_OR_EQUAL = _words(
    "at least|at most|or more|or less|no less than|no more than|or above|or below|minimum of|"
    "not less than|or fewer|or older|from"
)
_BETWEEN = _words("between")
_LIKE = _words(
    "contain|contains|containing|start|starts|starting|begin|begins|beginning|end with|ends with|"
    "ending|include|includes|including|substring|letter|word|prefix|have the word|like"
)
_PART = _words("percentage|percent|ratio|proportion|fraction|share of|rate")
_DIFFERENCE = _words("difference|how many more")
_YESNO = re.compile(r"^\s*(?:is|are|does|do|did|was|were|has|have|can)\b")
_WHO = re.compile(r"^\s*(?:who|whose)\b")
_WHICH = re.compile(r"^\s*(?:which|what)\b")
_WHEN = re.compile(r"\b(?:when|what year|which year|what date)\b")
_ALONE = re.compile(r"\b(?:show|list|give|return|find) (?:all|me all)\b|\ball (?:the )?info")
_AVG_THAN = _words(
    "than (?:the )?(?:average|mean|any|all|every|that of|some)|above average|below average"
)
_COMMON = _words(
    "(?:most|fewest|least|greatest|largest|highest) (?:number|common|popular|often|frequent)"
)
_SHARED = _words("shared by|in common|in both|as well as")


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


def _negation(s: Statement) -> bool:
    return s.count(exp.Not, exp.NEQ, exp.Except) > 0 or any(
        j.side == "LEFT" for scope in s.scopes for j in scope.joins
    )


@signal.of_statement
def count_asked_not_given(r: Reading, s: Statement) -> Measure:
    """How many is asked, and nothing is counted."""
    found = r.question.says(_MANY) and not s.count(exp.Count, exp.Sum)
    return (found, "It is asked how many, and nothing is counted.")


@signal.of_statement
def count_given_not_asked(r: Reading, s: Statement) -> Measure:
    """A count is returned that is not asked for."""
    found = _agg(s, "count") and not r.question.says(_MANY)
    return (found, "A count is returned, and none is asked for.")


@signal.of_statement
def count_asked_in_order_only(r: Reading, s: Statement) -> Measure:
    """How many is asked, and the count is not among what is returned."""
    return r.question.says(_MANY) and not _agg(s, "count") and exp.Count in s.kinds


@signal.of_statement
def group_asked_not_given(r: Reading, s: Statement) -> Measure:
    """The question says each or per, and nothing is grouped."""
    found = r.question.says(_EACH) and exp.Group not in s.kinds
    return (found, "It is asked for each, and nothing is grouped.")


@signal.of_statement
def group_given_not_asked(r: Reading, s: Statement) -> Measure:
    """There is a GROUP BY, and the question says neither each nor per."""
    return exp.Group in s.kinds and not r.question.says(_EACH)


@signal.of_statement
def group_counted_not_asked(r: Reading, s: Statement) -> Measure:
    """Groups are neither ordered, filtered nor asked for by any word."""
    said = r.question.says(_EACH) or r.question.says(_MOST) or r.question.says(_MORE)
    said = said or r.question.says(_LESS) or r.question.says(_OR_EQUAL) or r.question.says(_MANY)
    return (
        exp.Group in s.kinds and not said,
        "Rows are grouped, and the question says no word of it.",
    )


@signal.of_statement
def extreme_asked_not_given(r: Reading, s: Statement) -> Measure:
    """The question asks for the most or least, and nothing is ordered or aggregated."""
    found = r.question.says(_MOST) and not (_order(s) or s.count(exp.Max, exp.Min))
    return (
        found and not s.count(exp.Count),
        "The most or least is asked for, and nothing is ordered.",
    )


@signal.of_statement
def order_given_not_asked(r: Reading, s: Statement) -> Measure:
    """Rows are ordered, and the question says no word of it."""
    found = _order(s) and not (r.question.says(_MOST) or r.question.says(_SORT))
    return (found, "Rows are ordered, and the question says no word of it.")


@signal.of_statement
def sort_asked_not_given(r: Reading, s: Statement) -> Measure:
    """The question asks for an order, and nothing is ordered."""
    found = r.question.says(_SORT) and not _order(s)
    return (found, "An order is asked for, and nothing is ordered.")


@signal.of_statement
def sort_asked_but_limited(r: Reading, s: Statement) -> Measure:
    """The question asks for an order, and only some rows are returned."""
    return r.question.says(_DOWN) or r.question.says(_UP) if _limited(s) else 0


@signal.of_statement
def direction_wrong(r: Reading, s: Statement) -> Measure:
    """The order's direction is not the one that the question's words have."""
    order = s.tree.find(exp.Order)
    if order is None or not order.expressions:
        return 0
    down = bool(order.expressions[0].args.get("desc"))
    high, low = r.question.says(_HIGH), r.question.says(_LOW)
    if _limited(s):
        found = (high and not low and not down) or (low and not high and down)
    else:
        wants_down, wants_up = r.question.says(_DOWN), r.question.says(_UP)
        found = (wants_down and not wants_up and not down) or (wants_up and not wants_down and down)
    return (found, "The rows are ordered in the other direction than the question's words have.")


@signal.of_statement
def ordered_down(r: Reading, s: Statement) -> Measure:
    """Rows are ordered downwards (1), upwards (-1), or not at all (0)."""
    order = s.tree.find(exp.Order)
    if order is None or not order.expressions:
        return 0
    return 1 if order.expressions[0].args.get("desc") else -1


@signal.of_statement
def limit_asked_not_given(r: Reading, s: Statement) -> Measure:
    """The question asks for the one that is most, and all rows are returned."""
    said = r.question.says(_MOST) and not r.question.says(_SORT)
    return said and not _limited(s) and not s.count(exp.Max, exp.Min)


@signal.of_statement
def limit_given_not_asked(r: Reading, s: Statement) -> Measure:
    """Rows are cut off, and the question says no word of it."""
    said = r.question.says(_MOST) or bool(r.question.numbers) or bool(r.question.spelled)
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
    found = r.question.says(_DISTINCT) and not _distinct(s) and exp.Group not in s.kinds
    return (found, "Different ones are asked for, and there is no DISTINCT.")


@signal.of_statement
def distinct_given_not_asked(r: Reading, s: Statement) -> Measure:
    """DISTINCT is said, and the question says no word of it."""
    return _distinct(s) and not r.question.says(_DISTINCT)


@signal.of_statement
def negation_asked_not_given(r: Reading, s: Statement) -> Measure:
    """The question says not or without, and the statement negates nothing."""
    found = r.question.says(_NO) and not _negation(s)
    return (found, "The question says not or without, and the statement negates nothing.")


@signal.of_statement
def negation_given_not_asked(r: Reading, s: Statement) -> Measure:
    """The statement negates something, and the question does not."""
    return s.count(exp.Not, exp.NEQ, exp.Except) > 0 and not r.question.says(_NO)


@signal.of_statement
def average_mismatch(r: Reading, s: Statement) -> Measure:
    """An average is asked for and not given, or the other way round."""
    return _mismatch(r, s, _AVERAGE, "avg", "an average")


@signal.of_statement
def sum_mismatch(r: Reading, s: Statement) -> Measure:
    """A sum is asked for and not given (1), or given and not asked for (-1)."""
    said, given = r.question.says(_SUM), exp.Sum in s.kinds
    if said and not given:
        return 0 if r.question.says(_MANY) else 1
    return -1 if given and not said else 0


@signal.of_statement
def max_mismatch(r: Reading, s: Statement) -> Measure:
    """MAX without a word for it."""
    return exp.Max in s.kinds and not r.question.says(_MAX) and not r.question.says(_MOST)


@signal.of_statement
def min_mismatch(r: Reading, s: Statement) -> Measure:
    """MIN without a word for it."""
    return exp.Min in s.kinds and not r.question.says(_MIN) and not r.question.says(_MOST)


@signal.of_statement
def average_not_nested(r: Reading, s: Statement) -> Measure:
    """The question compares with an average or all, and there is no inner SELECT."""
    found = r.question.says(_AVG_THAN) and len(s.scopes) == 1
    return (found, "The question compares with an average or with all, without an inner SELECT.")


@signal.of_statement
def bound_direction(r: Reading, s: Statement) -> Measure:
    """A comparison is in the other direction than the question's words."""
    more, less = r.question.says(_MORE), r.question.says(_LESS)
    up, down = s.count(exp.GT, exp.GTE) > 0, s.count(exp.LT, exp.LTE) > 0
    found = (more and not less and down and not up) or (less and not more and up and not down)
    return (found, "A comparison is in the other direction than the question's words.")


@signal.of_statement
def bound_missing(r: Reading, s: Statement) -> Measure:
    """The question says more or less than, and nothing is compared."""
    said = r.question.says(_MORE) or r.question.says(_LESS)
    found = said and not s.count(exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between)
    return (found and bool(r.question.numbers), "The question gives a bound, and none is compared.")


@signal.of_statement
def bound_given_not_asked(r: Reading, s: Statement) -> Measure:
    """Something is compared by more or less, and the question says no word of it."""
    said = r.question.says(_MORE) or r.question.says(_LESS) or r.question.says(_BETWEEN)
    return s.count(exp.GT, exp.GTE, exp.LT, exp.LTE) > 0 and not said


@signal.of_statement
def bound_equal(r: Reading, s: Statement) -> Measure:
    """The question says at least or more than, and the statement the other of the two."""
    strict, loose = s.count(exp.GT, exp.LT), s.count(exp.GTE, exp.LTE)
    said = r.question.says(_OR_EQUAL)
    beyond = (r.question.says(_MORE) or r.question.says(_LESS)) and not said
    if said and strict and not loose:
        return (1, "The question says at least or at most, and the bound itself is left out.")
    return -1 if beyond and loose and not strict else 0


@signal.of_statement
def between_mismatch(r: Reading, s: Statement) -> Measure:
    """Between is said, and not given."""
    return r.question.says(_BETWEEN) and not s.count(exp.Between, exp.GTE, exp.GT)


@signal.of_statement
def like_mismatch(r: Reading, s: Statement) -> Measure:
    """A part of a text is asked for and LIKE is missing (1), or the other way round (-1)."""
    said, given = r.question.says(_LIKE), s.count(exp.Like, exp.ILike, exp.Glob) > 0
    if said and not given:
        return 1
    return -1 if given and not said else 0


@signal.of_statement
def both_without_set(r: Reading, s: Statement) -> Measure:
    """Both is asked for, and one SELECT compares one column with two values."""
    if not r.question.says(_BOTH):
        return 0
    return not s.count(exp.Intersect, exp.In, exp.Exists) and len(s.scopes) == 1


@signal.of_statement
def set_not_asked(r: Reading, s: Statement) -> Measure:
    """A set operation is used, and the question says no word of it."""
    if not s.count(exp.Intersect, exp.Union, exp.Except):
        return 0
    q = r.question
    return not (q.says(_BOTH) or q.says(_OR) or q.says(_NO) or q.says(_SHARED))


@signal.of_statement
def or_mismatch(r: Reading, s: Statement) -> Measure:
    """Or is said and the statement has none (1), or the other way round (-1)."""
    said = r.question.says(_OR)
    given = s.count(exp.Or, exp.In, exp.Union) > 0
    return said - (exp.Or in s.kinds and not r.question.says(_OR)) if said != given else 0


@signal.of_statement
def part_mismatch(r: Reading, s: Statement) -> Measure:
    """A percentage or ratio is asked for, and nothing is divided."""
    found = r.question.says(_PART) and exp.Div not in s.kinds
    return (found, "A percentage or ratio is asked for, and nothing is divided.")


@signal.of_statement
def division_not_asked(r: Reading, s: Statement) -> Measure:
    """Something is divided, and neither a ratio nor an average is asked for."""
    return exp.Div in s.kinds and not (r.question.says(_PART) or r.question.says(_AVERAGE))


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
    if not r.question.says(_WHO):
        return 0
    return not any("name" in c.name for c in s.selected)


@signal.of_statement
def when_without_date(r: Reading, s: Statement) -> Measure:
    """When is asked, and no date or year is returned."""
    if not r.question.says(_WHEN):
        return 0
    return not any(re.search("date|year|time|day", c.name) for c in s.columns)


@signal
def asks_many(r: Reading) -> Measure:
    """The question asks how many."""
    return r.question.says(_MANY)


@signal
def asks_each(r: Reading) -> Measure:
    """The question says each or per."""
    return r.question.says(_EACH)


@signal
def asks_most(r: Reading) -> Measure:
    """The question asks for the most, least, first or last."""
    return r.question.says(_MOST)


@signal
def asks_common(r: Reading) -> Measure:
    """The question asks for what is most common."""
    return r.question.says(_COMMON)


@signal
def asks_not(r: Reading) -> Measure:
    """The question says not or without."""
    return r.question.says(_NO)


@signal
def asks_both(r: Reading) -> Measure:
    """The question says both, either or or."""
    return r.question.says(_BOTH) + 2 * r.question.says(_OR)


@signal
def asks_part(r: Reading) -> Measure:
    """The question asks for a percentage, ratio or difference."""
    return r.question.says(_PART) or "difference" in r.question.lower


@signal
def asks_average(r: Reading) -> Measure:
    """The question says average or total."""
    return r.question.says(_AVERAGE) or r.question.says(_SUM)


@signal
def asks_yes_or_no(r: Reading) -> Measure:
    """The question is to be answered by yes or no."""
    return r.question.says(_YESNO)


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
    one = r.question.says(_MOST) and not r.question.says(_SORT) and not r.question.says(_EACH)
    return one and r.size > 1


@signal.of_rows
def one_row_for_each(r: Reading, rows: list[Row]) -> Measure:
    """The question says each, and one row is returned."""
    found = r.question.says(_EACH) and r.size == 1 and not r.question.says(_MOST)
    return (found, "It is asked for each, and there is one row.")


@signal.of_rows
def many_without_number(r: Reading, rows: list[Row]) -> Measure:
    """The question begins with how many, and no single number is returned."""
    begins = r.question.lower.startswith(
        ("how many", "count", "what is the number", "what is the total number")
    )
    if not begins or r.question.says(_EACH):
        return 0
    return (r.size != 1 or r.width != 1, "It is asked how many, and no single number is returned.")


def calculation_asked(question: Question) -> bool:
    """Return whether a question, or its hint, asks for a share, a ratio or a difference."""
    hint = question.hint.lower()
    said = question.says(_PART) or question.says(_DIFFERENCE)
    return said or any(w in hint for w in ("divide", "subtract", "multiply", "percentage"))


def _mismatch(r: Reading, s: Statement, pattern: re.Pattern[str], name: str, said: str) -> Measure:
    given = _agg(s, name, outer=False)
    if r.question.says(pattern) and not given:
        return (1, f"The question asks for {said}, and none is computed.")
    return -1 if given and not r.question.says(pattern) else 0


_HEAD_END = re.compile(
    r"\b(?:of (?:all|the|each|every|those|any)|for (?:all|the|each|every|those)|who|whose|that|"
    r"which have|where|with|in|from|by|ordered|sorted|when|having|among|belonging|owned|on|at)\b"
)
_START = re.compile(
    r"^\W*(?:what|which|who|show|list|give|find|return|tell|how|for|please|state|provide|count)\b"
)


def _head(r: Reading) -> str:
    text = r.question.lower
    start = _START.match(text)
    begin = start.end() if start else 0
    end = _HEAD_END.search(text, begin + 8)
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
