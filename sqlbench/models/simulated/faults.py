"""Real faults for gold queries: each is run once, and is kept only if it fails as it claims to.

The edits (`fault_raised`, `fault_silent`) only propose. Whether a proposal raises what its class
says, returns no rows, or returns rows that are wrong under *every* metric, is for the database and
the grading to say. So no variant gives the gold's result, whatever metric an experiment uses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import islice

from sqlbench.databases.base import QueryError
from sqlbench.episodes.errors import ErrorClass, classify_error
from sqlbench.exceptions import ModelSetupError
from sqlbench.grading import METRICS, Gold, Golds, compare
from sqlbench.grading.edits import Query
from sqlbench.models.simulated import fault_duckdb, fault_postgres, fault_raised, fault_silent
from sqlbench.models.simulated.verified import KeptFaults, VerifiedFaults
from sqlbench.suites.base import Question, Suite

MAX_VARIANTS = 4
MAX_PROPOSALS = 40
MAX_ROWS = 2_000

# `timeout` has none: a query that exhausts the sandbox takes as long as the sandbox allows.
EDITS: dict[ErrorClass, Callable[[Query], Iterator[str]]] = {
    ErrorClass.NO_SUCH_COLUMN: fault_raised.no_such_column,
    ErrorClass.NO_SUCH_TABLE: fault_raised.no_such_table,
    ErrorClass.SYNTAX_ERROR: fault_raised.syntax_error,
    ErrorClass.AMBIGUOUS_COLUMN: fault_raised.ambiguous_column,
    ErrorClass.DATATYPE_MISMATCH: fault_raised.datatype_mismatch,
    ErrorClass.NO_SUCH_FUNCTION: fault_raised.no_such_function,
    ErrorClass.AGGREGATION_ERROR: fault_raised.aggregation_error,
    ErrorClass.OTHER: fault_raised.other,
    ErrorClass.EMPTY_RESULT: fault_silent.empty_result,
    ErrorClass.WRONG_RESULT: fault_silent.wrong_result,
}
_DIALECT_EDITS = {
    "duckdb": {
        ErrorClass.DATATYPE_MISMATCH: fault_duckdb.datatype_mismatch,
        ErrorClass.NO_SUCH_FUNCTION: fault_duckdb.no_such_function,
        ErrorClass.AGGREGATION_ERROR: fault_duckdb.aggregation_error,
        ErrorClass.OTHER: fault_duckdb.other,
    },
    "postgres": {
        ErrorClass.DATATYPE_MISMATCH: fault_postgres.datatype_mismatch,
        ErrorClass.NO_SUCH_FUNCTION: fault_postgres.no_such_function,
        ErrorClass.AGGREGATION_ERROR: fault_postgres.aggregation_error,
        ErrorClass.OTHER: fault_postgres.other,
    },
}
_SILENT = (ErrorClass.EMPTY_RESULT, ErrorClass.WRONG_RESULT)


class Faults:
    """The verified faults of a suite's questions, made when they are first needed, then kept.

    Safe to use from several threads. What it gives is a function of the question, the database and
    the version of sqlglot, never of the order of calls.

    Parameters
    ----------
    suite : Suite
        Whose questions are asked.
    """

    def __init__(self, suite: Suite) -> None:
        self._golds = Golds(suite)
        self._verified = VerifiedFaults(suite)
        self._kept: dict[str, QuestionFaults] = {}
        self._lock = threading.Lock()

    def get(self, question: Question) -> QuestionFaults:
        """Return a question's faults.

        Raises
        ------
        ModelSetupError
            If the question has no gold query.
        InvalidGoldError
            If its gold query fails.
        """
        with self._lock:
            if question.id not in self._kept:
                gold = self._golds.get(question)
                if gold is None:
                    raise ModelSetupError(
                        f"The simulated model answers from gold queries, and question "
                        f"{question.id!r} has none; use a real model for it."
                    )
                kept = self._verified.get(question)
                self._kept[question.id] = QuestionFaults(gold, kept)
            return self._kept[question.id]


class NotVerified(Exception):
    """Raised where an answer would have to be run first, and the caller cannot wait for it."""


class QuestionFaults:
    """One gold query's right answer, and its faults by class.

    Parameters
    ----------
    gold : Gold
        The gold query, run.
    kept : KeptFaults or None
        What was verified before.

    Attributes
    ----------
    answer : str
        The gold query, laid out as the variants are where that keeps its result.
    """

    def __init__(self, gold: Gold, kept: KeptFaults | None = None) -> None:
        self.gold = gold
        self._disk = kept
        self._lock = threading.Lock()
        self._variants: dict[ErrorClass, tuple[str, ...]] = {ErrorClass.TIMEOUT: ()}
        self._right: dict[str, bool] = {}
        known = kept.answer() if kept else None
        self.answer = known if known is not None else self._laid_out()
        if kept and known is None:
            kept.keep("answer", (self.answer,))

    @property
    def plantable(self) -> tuple[ErrorClass, ...]:
        """The classes with at least one variant, in the order of `ErrorClass`."""
        return tuple(c for c in ErrorClass if self.variants(c))

    def variants(self, error_class: ErrorClass, *, wait: bool = True) -> tuple[str, ...]:
        """Return up to four queries that fail in this class; none if it cannot be planted.

        Raises
        ------
        NotVerified
            If they have to be run first and ``wait`` is False.
        """
        if error_class not in self._variants:
            if not (wait or (self._disk and self._disk.variants(error_class) is not None)):
                raise NotVerified
            with self._lock:
                if error_class not in self._variants:
                    found = self._found(error_class)
                    self._right.update(dict.fromkeys(found, False))
                    self._variants[error_class] = found
        return self._variants[error_class]

    def is_right(self, sql: str, *, wait: bool = True) -> bool:
        """Whether a query gives the gold's result, by the default metric.

        Raises
        ------
        NotVerified
            If it has to be run first and ``wait`` is False.
        """
        if sql not in self._right:
            if not wait:
                raise NotVerified
            try:
                result = self.gold.database.execute(sql)
                self._right[sql] = compare(self.gold, result).match
            except QueryError:
                self._right[sql] = False
        return self._right[sql]

    @cached_property
    def _query(self) -> Query:
        return Query(self.gold.sql, self.gold.database.schema())

    def _laid_out(self) -> str:
        plain = self.gold.sql.strip().rstrip(";").rstrip()
        return self._query.sql if self.is_right(self._query.sql) else plain

    def _found(self, error_class: ErrorClass) -> tuple[str, ...]:
        known = self._disk.variants(error_class) if self._disk else None
        if known is None:
            known = tuple(islice(self._verified(error_class), MAX_VARIANTS))
            if self._disk:
                self._disk.keep(error_class, known)
        return known

    def _verified(self, error_class: ErrorClass) -> Iterator[str]:
        seen = {self._query.sql}
        edits = EDITS | _DIALECT_EDITS.get(self.gold.database.dialect, {})
        try:
            for sql in islice(edits[error_class](self._query), MAX_PROPOSALS):
                if sql not in seen and self._fails_as(error_class, sql):
                    yield sql
                seen.add(sql)
        except RecursionError:  # sqlglot, on deep nesting: what was found before stays
            return

    def _fails_as(self, error_class: ErrorClass, sql: str) -> bool:
        try:
            result = self.gold.database.execute(sql)
        except QueryError as error:
            return classify_error(error) == error_class
        if error_class not in _SILENT or result.truncated:
            return False
        if (error_class == ErrorClass.EMPTY_RESULT) == bool(result.rows):
            return False
        if len(result.rows) > max(MAX_ROWS, len(self.gold.result.rows)):
            return False
        return not any(compare(self.gold, result, metric).match for metric in METRICS)
