"""The words by which a question asks for something: counts, extremes, bounds and negation."""

from __future__ import annotations

import re

from sqlbench.signals.question import Question


def _words(text: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{text})\b")


MANY = _words("how many|number of|numbers of|count|amount of")
EACH = _words("each|every|per|for all|by each|respective|corresponding|in terms of")
MOST = _words(
    "most|least|highest|lowest|largest|smallest|oldest|youngest|maximum|minimum|earliest|latest|"
    "best|worst|greatest|fewest|top|first|last|longest|shortest|biggest|heaviest|tallest|"
    "slowest|fastest|cheapest|newest|lightest|min|max|recent"
)
HIGH = _words(
    "most|highest|largest|oldest|maximum|latest|best|greatest|longest|biggest|heaviest|tallest|"
    "fastest|newest|max|top|recent|descending|decreasing|richest|strongest"
)
LOW = _words(
    "least|lowest|smallest|youngest|minimum|earliest|worst|fewest|shortest|slowest|cheapest|"
    "lightest|min|ascending|increasing|alphabetical|alphabetically|lexicographical"
)
DISTINCT = _words("distinct|different|unique|differing|various")
NO = _words(
    "not|never|without|no|except|don't|doesn't|neither|nor|none|didn't|isn't|aren't|hasn't|"
    "haven't|lack|other than|excluding|missing|cannot|can't"
)
AVERAGE = _words("average|mean|averaged|avg")
SUM = _words("total|sum|combined|altogether|overall|together")
MAX = _words("maximum|max|highest|largest|greatest|biggest|oldest|longest|most|latest")
MIN = _words("minimum|min|lowest|smallest|least|youngest|shortest|earliest|fewest")
SORT = _words("order|ordered|sort|sorted|descending|ascending|alphabetical|alphabetically|rank")
DOWN = _words("descending|decreasing|reverse|high to low|highest to lowest|desc")
UP = _words("ascending|increasing|alphabetical|alphabetically|lexicographical|low to high|asc")
BOTH = _words("both")
OR = _words("or|either")
MORE = _words(
    "more than|greater than|larger than|higher than|above|over|after|older than|at least|"
    "bigger than|longer than|heavier than|taller than|exceeds?|exceeding|later than|or more|"
    "no less than|or above|minimum of|not less than|or older"
)
LESS = _words(
    "less than|smaller than|lower than|below|under|before|younger than|at most|fewer than|"
    "shorter than|earlier than|lighter than|or less|no more than|cheaper than|or below|or fewer"
)
OR_EQUAL = _words(
    "at least|at most|or more|or less|no less than|no more than|or above|or below|minimum of|"
    "not less than|or fewer|or older|from"
)
BETWEEN = _words("between")
LIKE = _words(
    "contain|contains|containing|start|starts|starting|begin|begins|beginning|end with|ends with|"
    "ending|include|includes|including|substring|letter|word|prefix|have the word|like"
)
PART = _words("percentage|percent|ratio|proportion|fraction|share of|rate")
DIFFERENCE = _words("difference|how many more")
YESNO = re.compile(r"^\s*(?:is|are|does|do|did|was|were|has|have|can)\b")
WHO = re.compile(r"^\s*(?:who|whose)\b")
WHEN = re.compile(r"\b(?:when|what year|which year|what date)\b")
AVG_THAN = _words(
    "than (?:the )?(?:average|mean|any|all|every|that of|some)|above average|below average"
)
COMMON = _words(
    "(?:most|fewest|least|greatest|largest|highest) (?:number|common|popular|often|frequent)"
)
SHARED = _words("shared by|in common|in both|as well as")


HEAD_END = re.compile(
    r"\b(?:of (?:all|the|each|every|those|any)|for (?:all|the|each|every|those)|who|whose|that|"
    r"which have|where|with|in|from|by|ordered|sorted|when|having|among|belonging|owned|on|at)\b"
)
START = re.compile(
    r"^\W*(?:what|which|who|show|list|give|find|return|tell|how|for|please|state|provide|count)\b"
)


def calculation_asked(question: Question) -> bool:
    """Return whether a question, or its hint, asks for a share, a ratio or a difference."""
    hint = question.hint.lower()
    said = question.says(PART) or question.says(DIFFERENCE)
    return said or any(w in hint for w in ("divide", "subtract", "multiply", "percentage"))
