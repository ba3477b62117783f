"""Signals that read what the question says of conditions, against those of the statement."""

from __future__ import annotations

from sqlglot import exp

from sqlbench.signals import cues
from sqlbench.signals.reading import Measure, Reading, Register
from sqlbench.signals.statement import Statement

signal = Register("conditions")


@signal.of_statement
def negation_asked_not_given(r: Reading, s: Statement) -> Measure:
    """The question says not or without, and the statement negates nothing."""
    found = r.question.says(cues.NO) and not _negation(s)
    return (found, "The question says not or without, and the statement negates nothing.")


@signal.of_statement
def negation_given_not_asked(r: Reading, s: Statement) -> Measure:
    """The statement negates something, and the question does not."""
    return s.count(exp.Not, exp.NEQ, exp.Except) > 0 and not r.question.says(cues.NO)


@signal.of_statement
def average_not_nested(r: Reading, s: Statement) -> Measure:
    """The question compares with an average or all, and there is no inner SELECT."""
    found = r.question.says(cues.AVG_THAN) and len(s.scopes) == 1
    return (found, "The question compares with an average or with all, without an inner SELECT.")


@signal.of_statement
def bound_direction(r: Reading, s: Statement) -> Measure:
    """A comparison is in the other direction than the question's words."""
    more, less = r.question.says(cues.MORE), r.question.says(cues.LESS)
    up, down = s.count(exp.GT, exp.GTE) > 0, s.count(exp.LT, exp.LTE) > 0
    found = (more and not less and down and not up) or (less and not more and up and not down)
    return (found, "A comparison is in the other direction than the question's words.")


@signal.of_statement
def bound_missing(r: Reading, s: Statement) -> Measure:
    """The question says more or less than, and nothing is compared."""
    said = r.question.says(cues.MORE) or r.question.says(cues.LESS)
    found = said and not s.count(exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between)
    return (found and bool(r.question.numbers), "The question gives a bound, and none is compared.")


@signal.of_statement
def bound_given_not_asked(r: Reading, s: Statement) -> Measure:
    """Something is compared by more or less, and the question says no word of it."""
    said = r.question.says(cues.MORE) or r.question.says(cues.LESS) or r.question.says(cues.BETWEEN)
    return s.count(exp.GT, exp.GTE, exp.LT, exp.LTE) > 0 and not said


@signal.of_statement
def bound_equal(r: Reading, s: Statement) -> Measure:
    """The question says at least or more than, and the statement the other of the two."""
    strict, loose = s.count(exp.GT, exp.LT), s.count(exp.GTE, exp.LTE)
    said = r.question.says(cues.OR_EQUAL)
    beyond = (r.question.says(cues.MORE) or r.question.says(cues.LESS)) and not said
    if said and strict and not loose:
        return (1, "The question says at least or at most, and the bound itself is left out.")
    return -1 if beyond and loose and not strict else 0


@signal.of_statement
def between_mismatch(r: Reading, s: Statement) -> Measure:
    """Between is said, and not given."""
    return r.question.says(cues.BETWEEN) and not s.count(exp.Between, exp.GTE, exp.GT)


@signal.of_statement
def like_mismatch(r: Reading, s: Statement) -> Measure:
    """A part of a text is asked for and LIKE is missing (1), or the other way round (-1)."""
    said, given = r.question.says(cues.LIKE), s.count(exp.Like, exp.ILike, exp.Glob) > 0
    if said and not given:
        return 1
    return -1 if given and not said else 0


@signal.of_statement
def both_without_set(r: Reading, s: Statement) -> Measure:
    """Both is asked for, and one SELECT compares one column with two values."""
    if not r.question.says(cues.BOTH):
        return 0
    return not s.count(exp.Intersect, exp.In, exp.Exists) and len(s.scopes) == 1


@signal.of_statement
def set_not_asked(r: Reading, s: Statement) -> Measure:
    """A set operation is used, and the question says no word of it."""
    if not s.count(exp.Intersect, exp.Union, exp.Except):
        return 0
    q = r.question
    return not (q.says(cues.BOTH) or q.says(cues.OR) or q.says(cues.NO) or q.says(cues.SHARED))


@signal.of_statement
def or_mismatch(r: Reading, s: Statement) -> Measure:
    """Or is said and the statement has none (1), or the other way round (-1)."""
    said = r.question.says(cues.OR)
    given = s.count(exp.Or, exp.In, exp.Union) > 0
    return said - (exp.Or in s.kinds and not r.question.says(cues.OR)) if said != given else 0


@signal.of_statement
def part_mismatch(r: Reading, s: Statement) -> Measure:
    """A percentage or ratio is asked for, and nothing is divided."""
    found = r.question.says(cues.PART) and exp.Div not in s.kinds
    return (found, "A percentage or ratio is asked for, and nothing is divided.")


@signal.of_statement
def division_not_asked(r: Reading, s: Statement) -> Measure:
    """Something is divided, and neither a ratio nor an average is asked for."""
    return exp.Div in s.kinds and not (r.question.says(cues.PART) or r.question.says(cues.AVERAGE))


def _negation(s: Statement) -> bool:
    return s.count(exp.Not, exp.NEQ, exp.Except) > 0 or any(
        j.side == "LEFT" for scope in s.scopes for j in scope.joins
    )
