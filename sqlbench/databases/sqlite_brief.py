"""Which statements are brief: they run where they are asked for, and no thread is handed to.

A hand-over to a thread and back costs more than most statements do. What may be brief is bounded:
the file is small, the statement short, it calls nothing but functions that read a value once, no
value is long, and it may take so many steps. What turns out to be longer begins again in a thread.
"""

from __future__ import annotations

MAX_STEPS = 5_000  # a quarter of a millisecond, and where the steps are long ones:
MAX_SECONDS = 0.05
MAX_NAMES = 200  # columns, tables and functions that a statement refers to, views expanded
MAX_WORDS = 2_000  # with its WITH clauses written out
MAX_VALUE_BYTES = 16 * 2**10  # a single step, which nothing ends, takes 20 ms with the worst LIKE
_MAX_LETTERS = 2_000  # time grows with them where the statement is compiled
_MAX_FILE = 4 * 2**20
# fmt: off
FUNCTIONS = frozenset((
    "abs", "avg", "coalesce", "count", "cume_dist", "current_date", "current_time",
    "current_timestamp", "date", "datetime", "dense_rank",
    "first_value", "group_concat", "ifnull", "iif", "instr", "julianday", "lag", "last_value",
    "lead", "length", "like", "likelihood", "likely", "lower", "ltrim", "max", "min",
    "nth_value", "ntile", "nullif", "percent_rank", "rank", "replace", "round", "row_number",
    "rtrim", "sign", "strftime", "substr", "substring", "sum", "time", "total", "trim",
    "typeof", "unicode", "unixepoch", "unlikely", "upper",
))
# fmt: on


class NotBrief(Exception):
    """Raised when a statement that was tried as a brief one is none."""


def may_be_brief(sql: str, file_size: int) -> bool:
    """Whether a statement is worth a try in its caller's own thread.

    Parameters
    ----------
    sql : str
        The statement.
    file_size : int
        Bytes of the database's file.
    """
    return len(sql) <= _MAX_LETTERS and file_size <= _MAX_FILE
