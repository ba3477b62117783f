"""The metrics ``spider`` and ``bird``: the verdicts of the two benchmarks' own evaluators.

``spider`` follows ``eval_exec_match`` of taoyds/test-suite-sql-eval (Zhong et al. 2020) on the
database that is graded: a prediction's placeholder `` value `` is read as 1, comparison operators
that were torn apart are joined, the token DISTINCT
is stripped from both queries (not so in ``spider-keep-distinct``, the evaluator's
``--keep_distinct``), the order of rows counts if "order by" stands anywhere in the gold, two empty
results match, and otherwise the rows must agree as a multiset under one column permutation, cells
compared by Python's ``==``. ``bird`` follows ``calculate_ex`` of bird-bench/mini_dev (Li et al.
2023): the same set of rows, columns in order.

A second departure: where a text is not UTF-8, BIRD's evaluator fails on the pair, which counts as
wrong; ``bird`` reads such a text with U+FFFD in place of what cannot be read.

The first departure, on purpose: a statement that is no query (DROP, an empty line) is an error
here. The official evaluators run it and score it 1 where the gold is empty.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from sqlbench.databases.base import QueryResult, Row
from sqlbench.grading.columns import match_columns
from sqlbench.grading.gold import Gold

_CURRENT_YEAR = re.compile(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", re.IGNORECASE)


def prepare_spider(sql: str) -> str:
    """Return a query as the evaluator runs it: operators joined, DISTINCT stripped."""
    sql = join_operators(sql)
    # Where nothing is to be stripped the tokens give the text back: sqlparse can be spared.
    if "distinct" not in sql.lower() and ";" not in sql.rstrip().rstrip(";"):
        return sql
    return _strip_distinct(sql)


def plug_value(sql: str) -> str:
    """Return a prediction with 1 for the placeholder of models that give no values."""
    return sql.replace(" value ", " 1 ")


def join_operators(sql: str) -> str:
    """Join operators that were torn apart, and read YEAR(CURDATE()) as the evaluator does."""
    sql = sql.replace("> =", ">=").replace("< =", "<=").replace("! =", "!=")
    return _CURRENT_YEAR.sub("2020", sql)


@lru_cache(maxsize=1024)  # models often give the same query
def _strip_distinct(sql: str) -> str:
    """Drop every token DISTINCT of the first statement, as the evaluator cuts tokens."""
    from sqlparse.engine import FilterStack

    # Statements as sqlparse.parse() gives them, without the slow grouping of their tokens.
    statement = next(iter(FilterStack().run(sql)), None)  # type: ignore[no-untyped-call]
    if statement is None:
        return sql
    tokens = (token.value for token in statement.flatten())
    return "".join(t for t in tokens if t.lower() != "distinct")


def spider_reason(gold: Gold, pred: QueryResult) -> str:
    """Return ``match``, or the reason why the evaluator's verdict is 0."""
    want, got = gold.result.rows, pred.rows
    if not want and not got:
        return "match"
    if len(want) != len(got):
        return "duplicates" if set(want) == set(got) else "row_count"
    if len(want[0]) != len(got[0]):
        return "column_count"
    ordered = "order by" in gold.sql.lower()
    if want == got or _agree(want, got, ordered=ordered):
        return "match" if _quick_check(want, got, ordered=ordered) else "values"
    # The evaluator drops bytes that are not UTF-8, the sandbox shows U+FFFD for them.
    if _undecodable(want) or _undecodable(got):
        want, got = _dropped(want), _dropped(got)
        if _agree(want, got, ordered=ordered):
            return "match" if _quick_check(want, got, ordered=ordered) else "values"
    if ordered and _agree(want, got, ordered=False):
        return "order"
    return "duplicates" if set(want) == set(got) else "values"


def bird_reason(gold: Gold, pred: QueryResult) -> str:
    """Return ``match``, or the reason why BIRD's verdict is 0."""
    if gold.result.rows == pred.rows:
        return "match"
    want, got = set(gold.result.rows), set(pred.rows)
    if want == got:
        return "match"
    if len(gold.result.columns) != len(pred.columns):
        return "column_count"
    return "row_count" if len(want) != len(got) else "values"


def _agree(want: Sequence[Row], got: Sequence[Row], *, ordered: bool) -> bool:
    if ordered:
        # Then each column must have its equal, cell by cell.
        return Counter(zip(*want, strict=True)) == Counter(zip(*got, strict=True))
    return match_columns(want, got) is not None


def _quick_check(want: Sequence[Row], got: Sequence[Row], *, ordered: bool) -> bool:
    """Apply the evaluator's quick rejection to rows that agree.

    It sorts the cells of each row by their text, and so can part rows that are equal: 1 and 1.0
    sort differently beside some strings. Only floats are affected.
    """
    if len(want[0]) == 1 or not (_has_float(want) or _has_float(got)):
        return True
    mine, theirs = [_by_text(row) for row in want], [_by_text(row) for row in got]
    return mine == theirs if ordered else set(mine) == set(theirs)


def _by_text(row: Row) -> Row:
    return tuple(sorted(row, key=lambda cell: str(cell) + str(type(cell))))


def _has_float(rows: Sequence[Row]) -> bool:
    return any(type(cell) is float for row in rows for cell in row)


def _undecodable(rows: Sequence[Row]) -> bool:
    return any(isinstance(cell, str) and "\ufffd" in cell for row in rows for cell in row)


def _dropped(rows: Sequence[Row]) -> list[Row]:
    return [tuple(c.replace("\ufffd", "") if isinstance(c, str) else c for c in r) for r in rows]
