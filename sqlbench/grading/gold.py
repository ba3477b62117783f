"""Gold queries, run once: their rows, whether their order counts, whether a LIMIT cuts a tie."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sqlbench.databases.base import Database, QueryError, QueryResult
from sqlbench.exceptions import SQLBenchError
from sqlbench.grading.metrics import find_metric
from sqlbench.suites.base import Question, Suite

# Parsing takes longer than most queries: what has none of these words has no LIMIT.
_LIMITS = re.compile(r"\b(?:limit|fetch|top)\b", re.IGNORECASE)


class InvalidGoldError(SQLBenchError):
    """Raised when a gold query fails: its question is excluded, counted and named, never scored."""

    def __init__(self, question_id: str, message: str) -> None:
        super().__init__(f"The gold query of question {question_id!r} fails: {message}")
        self.question_id, self.message = question_id, message


@dataclass(frozen=True)
class Gold:
    """A gold query and its result.

    Attributes
    ----------
    sql : str
        The query as it ran.
    result : QueryResult
        Its rows.
    database : Database
        Where it ran.
    """

    sql: str
    result: QueryResult
    database: Database

    @cached_property
    def ordered(self) -> bool:
        """Whether the outermost statement has ORDER BY, so that the order of rows counts."""
        return is_ordered(self.sql, self.database.dialect)

    @cached_property
    def tie(self) -> bool:
        """Whether a LIMIT cuts through a tie, so that other rows would be as right."""
        return cuts_tie(self.sql, self.database)


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
            sql = self._metric.prepare(question.gold)
            try:
                kept = run_gold(sql, self._suite.database(question))
            except QueryError as error:
                kept = InvalidGoldError(question.id, error.message)
            self._kept[question.id] = kept
        if isinstance(kept, InvalidGoldError):
            raise kept
        return kept


def run_gold(sql: str, database: Database) -> Gold:
    """Run a gold query.

    Raises
    ------
    QueryError
        If it fails, or its result is cut off by the sandbox's cap, so that nothing can be
        compared with it.
    """
    result = database.execute(sql)
    if result.truncated:
        raise QueryError(f"its result is longer than the sandbox's cap ({len(result.rows)} rows)")
    return Gold(sql, result, database)


def is_ordered(sql: str, dialect: str) -> bool:
    """Whether the outermost statement of a query has ORDER BY."""
    try:
        tree: exp.Expr | None = sqlglot.parse_one(sql, read=dialect)
    except (SqlglotError, RecursionError):
        return _ordered_by_tokens(sql, dialect)
    while isinstance(tree, (exp.Subquery, exp.Paren)) and not tree.args.get("order"):
        tree = tree.this
    return tree is not None and tree.args.get("order") is not None


def _ordered_by_tokens(sql: str, dialect: str) -> bool:
    """Look for ORDER BY outside all parentheses, where a query does not parse."""
    depth = 0
    try:
        tokens = sqlglot.tokenize(sql, read=dialect)
    except SqlglotError:
        return False
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.text.upper() in ("ORDER BY", "ORDER"):
            return True
    return False


def cuts_tie(sql: str, database: Database) -> bool:
    """Whether a LIMIT of the query cuts through a tie.

    Every ORDER BY that has a LIMIT is refined in two opposite ways, by all output columns
    ascending and by all of them descending. Where the two results differ as multisets, the query
    leaves open which rows belong to its answer.
    """
    if not _LIMITS.search(sql):
        return False
    try:
        tree = sqlglot.parse_one(sql, read=database.dialect)
        limited = [n for n in tree.find_all(exp.Query) if n.args.get("limit")]
        if not limited:
            return False
        ascending = _refined(tree, database.dialect, desc=False)
        descending = _refined(tree, database.dialect, desc=True)
    except (SqlglotError, RecursionError):
        return False
    if ascending is None or descending is None:
        return False
    try:
        first, second = database.execute(ascending), database.execute(descending)
    except QueryError:
        return False  # the refinement is not valid here (an ordinal that the dialect refuses)
    return Counter(first.rows) != Counter(second.rows)


def _refined(tree: exp.Expr, dialect: str, *, desc: bool) -> str | None:
    copy = tree.copy()
    for query in list(copy.find_all(exp.Query)):
        if not query.args.get("limit") or isinstance(query, exp.Subquery):
            continue
        selected = query.selects
        if not selected or any(e.is_star for e in selected):
            continue
        order = query.args.get("order")
        keys = list(order.expressions) if order else []
        keys += [
            exp.Ordered(this=exp.Literal.number(i), desc=desc) for i in range(1, len(selected) + 1)
        ]
        query.set("order", exp.Order(expressions=keys))
    return copy.sql(dialect=dialect)
