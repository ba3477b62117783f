"""Classes of failure: what a database's error means, and how far from an answer it leaves us."""

from __future__ import annotations

import re
from enum import StrEnum

from sqlbench.databases.base import QueryError


class ErrorClass(StrEnum):
    """Eight classes of raised errors, three of queries that raise nothing and still fail.

    The order is the order of the one-hot block in `sqlbench.context.featurize`.
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
