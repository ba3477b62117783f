"""What PostgreSQL's codes leave open: one SQLSTATE for several faults, told apart.

42883 is a function that is not there as well as an operator that does not take these types; 42704
a type, a window or a collation. The routine of PostgreSQL's source that raised the error (field R
of the protocol's error message) tells which: it has one name in every language. Beyond that the
text at the error's place is read, and the statement's tree. A server that names no routine (some
that only speak the protocol) is read by its English words.
"""

from __future__ import annotations

import re

from sqlbench.databases.trees import parse_one

_ROUTINES = {
    ("0A000", "ParseFuncOrColumn"): "aggregation_error",  # DISTINCT in a window function
    ("0A000", "RangeVarGetRelidExtended"): "no_such_table",  # a table of another database
    ("0A000", "transformColumnRef"): "no_such_column",
    ("0A000", "transformSetOperationStmt"): "no_such_column",  # ORDER BY an expression of a union
    ("42601", "make_row_comparison_op"): "other",  # from here: unequal widths
    ("42601", "make_row_distinct_op"): "other",
    ("42601", "transformSetOperationTree"): "other",
    ("42601", "transformSubLink"): "other",
    ("42601", "transformValuesClause"): "other",
    ("42704", "get_collation_oid"): "other",
    ("42704", "transformWindowFuncCall"): "other",
    ("42712", "transformWithClause"): "other",
    ("42809", "ParseFuncOrColumn"): "aggregation_error",  # OVER, FILTER or DISTINCT out of place
    ("42809", "make_scalar_array_op"): "datatype_mismatch",
    ("42809", "unknown_attribute"): "no_such_column",
    ("42809", "validate_relation_kind"): "no_such_table",  # an index, say
    ("42883", "get_sort_group_operators"): "datatype_mismatch",  # ORDER BY a json
    ("42P10", "analyzeCTETargetList"): "other",
    ("42P10", "transformDistinctClause"): "aggregation_error",  # as of a column that is not grouped
    ("42P10", "transformDistinctOnClause"): "aggregation_error",
}
_WORDS = [
    ("42601", "other", r"^(each .* query must have|subquery (has too|must return)|unequal number)"),
    ("42704", "other", r"^(window|collation) "),
    ("42809", "aggregation_error", r"specified, but|requires an OVER|WITHIN GROUP|\(\*\) must be"),
    ("42P01", "no_such_column", r"FROM-clause entry for table"),
    ("42P10", "aggregation_error", r"\bDISTINCT\b"),
]
_OPERATOR = re.compile(r"^operator does not exist: (.+)")
_MISSING_ENTRY = "errorMissingRTE"
_PART = r'(?:"(?:[^"]|"")*"|[^\W\d][\w$]*)'
_NAME = re.compile(rf"{_PART}(?:\s*\.\s*{_PART})*")
_VALUE = re.compile(r"'(?:[^']|'')*'|\d+(?:\.\d+)?")
_STAR = re.compile(rf"{_PART}\s*\.\s*\*")
_CALL = re.compile(rf"{_PART}(?:\s*\.\s*{_PART})+\s*\(")
# ``age 'years'`` is read as a value of the type age: an alias in the wrong quotes.
_ALIAS = re.compile(rf"{_PART}(?:\s*\.\s*{_PART})*\s+('(?:[^']|'')*')")
_POINTER = re.compile(r"\nLINE \d+: (?P<line>[^\n]*)\n(?P<gap> *)\^")
_LABEL = re.compile(r"\nLINE \d+: ")


def fault_class(sqlstate: str, routine: str, message: str, sql: str = "") -> str | None:
    """Return the class of an error whose code alone does not say it.

    Parameters
    ----------
    sqlstate : str
        The code.
    routine : str
        The routine of PostgreSQL's source; empty where it is not known.
    message : str
        With the line that it points to, as `sqlbench.databases.postgres_values.pointer` shows it.
    sql : str
        The statement, where it is known.

    Returns
    -------
    str or None
        A value of `sqlbench.episodes.errors.ErrorClass`; None where the code says it all.
    """
    here = at_place(message)
    if sqlstate == "42P01" and routine == _MISSING_ENTRY:
        # With a column of such a table SQLite has no such column, with its star no such table.
        return "no_such_table" if _STAR.match(here) else "no_such_column"
    if sqlstate == "42883" and (operator := _operator(routine, message)) is not None:
        return "other" if "record" in operator.split() else "datatype_mismatch"
    if sqlstate == "42704" and _ALIAS.match(here):
        return "syntax_error"
    if sqlstate == "42703" and _is_aggregate(sql, named_here(message)):
        return "aggregation_error"
    if sqlstate == "3F000" and _CALL.match(here):
        return "no_such_function"
    if sqlstate == "22003" and routine.startswith(("pg_strto", "float4in", "float8in")):
        return "datatype_mismatch"
    if routine:
        return _ROUTINES.get((sqlstate, routine))
    words = (c for state, c, text in _WORDS if state == sqlstate and re.search(text, message))
    return next(words, None)


def argument_count(message: str) -> tuple[str, int] | None:
    """Return name and number of arguments of the function that a message says is not there.

    Parameters
    ----------
    message : str
        ``function pg_catalog.extract(unknown, text) does not exist``, in any language.
    """
    line = message.partition("\n")[0]
    found = re.search(r"([^\s(]+)\((.*)\)", line)
    if found is None:
        return None
    name = found.group(1).rpartition(".")[2]
    return name, len(found.group(2).split(", ")) if found.group(2) else 0


def at_place(message: str) -> str:
    """Return the rest of the line that a message points into, from its place on; empty if none."""
    found = _POINTER.search(message)
    if found is None:
        return ""
    label = _LABEL.match(message, found.start())
    assert label is not None
    return found["line"][len(found["gap"]) - (label.end() - label.start() - 1) :]


def named_here(message: str) -> str | None:
    """Return the name, with its table, or the value that stands where a message points to."""
    here = at_place(message)
    if name := _NAME.match(here):
        return ".".join(plain_name(part) for part in re.findall(_PART, name.group()))
    value = _VALUE.match(here)
    return value.group() if value else None


def alias_here(message: str) -> str | None:
    """Return the alias in single quotes that PostgreSQL took for a value of a type."""
    found = _ALIAS.match(at_place(message))
    return found.group(1) if found else None


def plain_name(name: str) -> str:
    """Return a name without its double quotes."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _operator(routine: str, message: str) -> str | None:
    """Return the operator and types that do not fit, if an operator is what is not there."""
    found = _OPERATOR.match(message)
    if found is not None:
        return found.group(1)
    return message if routine == "op_error" else None


def _is_aggregate(sql: str, name: str | None) -> bool:
    """Whether a name that WHERE uses is the alias of an aggregate beside it."""
    if not sql or not name or "." in name:
        return False
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree = parse_one(sql, "postgres")
    except (SqlglotError, RecursionError):
        return False
    for select in tree.find_all(exp.Select):
        where = select.args.get("where")
        used = where is not None and any(
            c.name == name and not c.table for c in where.find_all(exp.Column)
        )
        if used and any(s.alias == name and s.find(exp.AggFunc) for s in select.selects):
            return True
    return False
