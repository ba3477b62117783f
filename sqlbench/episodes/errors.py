"""Classes of failure: what a database's error means, and how far from an answer it leaves us.

SQLite has no codes for what is wrong with a statement, so its (English, never localised) messages
are matched. PostgreSQL's messages are localised: it is classified by SQLSTATE, and where one code
stands for several faults by what `sqlbench.databases.postgres_faults` makes of it. DuckDB's
messages begin with the type of its exception (`sqlbench.databases.duckdb_faults`). One fault has
one class on every engine: tests/data/faults.tsv is the table.
"""

from __future__ import annotations

import re
from enum import StrEnum

from sqlbench.databases.base import QueryError
from sqlbench.databases.duckdb_faults import fault_class as duckdb_fault_class
from sqlbench.databases.postgres_faults import fault_class
from sqlbench.episodes.tokens import extract_offending_token

__all__ = [
    "ErrorClass",
    "classify_error",
    "classify_message",
    "extract_offending_token",
    "severity",
]


class ErrorClass(StrEnum):
    """Eight classes of raised errors, three of queries that raise nothing and still fail.

    The order is the order of the one-hot block in `sqlbench.episodes.context.featurize`.
    """

    NO_SUCH_COLUMN = "no_such_column"
    NO_SUCH_TABLE = "no_such_table"
    SYNTAX_ERROR = "syntax_error"
    AMBIGUOUS_COLUMN = "ambiguous_column"
    DATATYPE_MISMATCH = "datatype_mismatch"
    NO_SUCH_FUNCTION = "no_such_function"
    AGGREGATION_ERROR = "aggregation_error"
    OTHER = "other"
    EMPTY_RESULT = "empty_result"
    WRONG_RESULT = "wrong_result"
    TIMEOUT = "timeout"


_SEVERITY = {
    ErrorClass.OTHER: 6,
    ErrorClass.SYNTAX_ERROR: 5,
    ErrorClass.TIMEOUT: 4,
    ErrorClass.NO_SUCH_FUNCTION: 4,
    ErrorClass.NO_SUCH_TABLE: 4,
    ErrorClass.DATATYPE_MISMATCH: 3,
    ErrorClass.AGGREGATION_ERROR: 3,
    ErrorClass.NO_SUCH_COLUMN: 2,
    ErrorClass.AMBIGUOUS_COLUMN: 2,
    ErrorClass.EMPTY_RESULT: 1,
    ErrorClass.WRONG_RESULT: 1,
}

# SQLite's messages, from where they begin; the first match counts. A name in a message comes
# after the words that classify it, so no identifier can imitate another class.
_MESSAGES = [
    (ErrorClass.TIMEOUT, r"timeout\b|out of memory: the query"),
    (ErrorClass.OTHER, r"not authorized|access to .* is prohibited"),
    (ErrorClass.SYNTAX_ERROR, r'near ".*": syntax error|syntax error|incomplete input'),
    (ErrorClass.SYNTAX_ERROR, r"unrecognized token|unterminated|hex literal too big"),
    (ErrorClass.SYNTAX_ERROR, r"You can only execute one statement|parser stack overflow"),
    (ErrorClass.SYNTAX_ERROR, r"(ORDER BY|LIMIT) clause should come after|no tables specified"),
    (ErrorClass.SYNTAX_ERROR, r"not a query|a NATURAL join may not|a JOIN clause is required"),
    (ErrorClass.SYNTAX_ERROR, r"unknown (or unsupported )?join type|RIGHT and FULL OUTER JOIN"),
    (ErrorClass.NO_SUCH_FUNCTION, r"no such (table-valued )?function|wrong number of arguments"),
    (ErrorClass.NO_SUCH_FUNCTION, r"'.*' is not a function|too many arguments on|unable to use"),
    # An ORDER BY or GROUP BY term names a column of the result that is not there.
    (ErrorClass.NO_SUCH_COLUMN, r"no such (table )?column|table .* has no column named"),
    (ErrorClass.NO_SUCH_COLUMN, r"cannot join using column|\d+\w\w (ORDER|GROUP) BY term"),
    (ErrorClass.NO_SUCH_TABLE, r"no such (table|view|module|database)\b|unknown database"),
    (ErrorClass.AMBIGUOUS_COLUMN, r"ambiguous (column name|reference)"),
    (ErrorClass.DATATYPE_MISMATCH, r"datatype mismatch|malformed JSON|JSON cannot hold"),
    (ErrorClass.AGGREGATION_ERROR, r"misuse of (aliased )?(aggregate|window)"),
    (ErrorClass.AGGREGATION_ERROR, r"HAVING clause on|a GROUP BY clause is required"),
    (ErrorClass.AGGREGATION_ERROR, r"aggregate functions are not|DISTINCT (aggregates|is not)"),
    (ErrorClass.AGGREGATION_ERROR, r"FILTER (clause )?may|recursive aggregate|RANGE with offset"),
    (ErrorClass.AGGREGATION_ERROR, r"cannot (use window functions|override)|unsupported frame"),
    (ErrorClass.AGGREGATION_ERROR, r"frame (st|en)"),
    (ErrorClass.AGGREGATION_ERROR, r"\S+ may not be used as a window function"),
]
_CLASSIFIERS = [(c, re.compile(pattern, re.DOTALL)) for c, pattern in _MESSAGES]

_SQLSTATES = {
    "22007": ErrorClass.DATATYPE_MISMATCH,  # invalid_datetime_format
    "22008": ErrorClass.DATATYPE_MISMATCH,  # datetime_field_overflow
    "22018": ErrorClass.DATATYPE_MISMATCH,  # invalid_character_value_for_cast
    "22032": ErrorClass.DATATYPE_MISMATCH,  # invalid_json_text
    "22P02": ErrorClass.DATATYPE_MISMATCH,  # invalid_text_representation
    "3F000": ErrorClass.NO_SUCH_TABLE,  # invalid_schema_name
    "42601": ErrorClass.SYNTAX_ERROR,
    "42602": ErrorClass.SYNTAX_ERROR,  # invalid_name
    "42702": ErrorClass.AMBIGUOUS_COLUMN,
    "42703": ErrorClass.NO_SUCH_COLUMN,
    "42704": ErrorClass.DATATYPE_MISMATCH,  # undefined_object: a CAST to a type that is not there
    "42712": ErrorClass.AMBIGUOUS_COLUMN,  # duplicate_alias
    "42725": ErrorClass.NO_SUCH_FUNCTION,  # ambiguous_function
    "42803": ErrorClass.AGGREGATION_ERROR,
    "42804": ErrorClass.DATATYPE_MISMATCH,
    "42846": ErrorClass.DATATYPE_MISMATCH,  # cannot_coerce
    "42883": ErrorClass.NO_SUCH_FUNCTION,
    "42P01": ErrorClass.NO_SUCH_TABLE,
    "42P02": ErrorClass.SYNTAX_ERROR,  # undefined_parameter
    "42P09": ErrorClass.AMBIGUOUS_COLUMN,  # ambiguous_alias
    "42P10": ErrorClass.NO_SUCH_COLUMN,  # invalid_column_reference: ORDER BY 9
    "42P18": ErrorClass.DATATYPE_MISMATCH,  # indeterminate_datatype
    "42P20": ErrorClass.AGGREGATION_ERROR,  # windowing_error
    "55P03": ErrorClass.TIMEOUT,  # lock_not_available
    "57014": ErrorClass.TIMEOUT,  # query_canceled
}


def classify_error(error: QueryError) -> ErrorClass:
    """Return the class of an error that a database raised.

    Parameters
    ----------
    error : QueryError
        With ``timeout`` set, a time-out; with ``fault``, what that says; with ``sqlstate``,
        classified by that.
    """
    if error.timeout:
        return ErrorClass.TIMEOUT
    if error.fault is not None:
        return ErrorClass(error.fault)
    if error.sqlstate is not None:
        if (fault := fault_class(error.sqlstate, "", error.message)) is not None:
            return ErrorClass(fault)  # of no session of ours: nobody asked for its routine
        return _SQLSTATES.get(error.sqlstate, ErrorClass.OTHER)
    return classify_message(error.message)


def classify_message(message: str) -> ErrorClass:
    """Return the class of a message of SQLite's or DuckDB's, or of their sandboxes'.

    Parameters
    ----------
    message : str
        The message alone, for example from a log in which nothing else was kept.
    """
    for error_class, pattern in _CLASSIFIERS:
        if pattern.match(message):
            return error_class
    if (fault := duckdb_fault_class(message)) is not None:
        return ErrorClass(fault)
    return ErrorClass.OTHER


def severity(error_class: ErrorClass) -> int:
    """Return how far from an answer a failure is: 6 is farthest, 1 ran and was not right."""
    return _SEVERITY[error_class]
