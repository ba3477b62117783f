"""What DuckDB's errors mean: a class by the exception's type and its first words, and a token.

DuckDB's messages are English in every locale. They begin with the exception's type ("Binder Error:
"), so that a message from a log is classified as well as an exception. Many end with the line that
they point into, as PostgreSQL's do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from sqlbench.databases.base import QueryError
from sqlbench.databases.postgres_faults import at_place, named_here

_MAX_MESSAGE = 500
_SIGNATURES = 5  # of the candidates for a function; an operator has fifty
_PREFIX = re.compile(r"^(?P<type>[A-Z][\w-]*(?: [\w-]+){0,4}) Error: ")

# By type and first words; the first that matches counts. A name in a message comes after the words
# that classify it.
_CLASSES = [
    ("Parser", r"Frame |RANGE |.*frame |Cannot override|window functions?", "aggregation_error"),
    ("Parser", r'window "|VALUES lists|Duplicate CTE', "other"),
    ("Parser", r"", "syntax_error"),
    ("Catalog", r"Table with name|View with name|Schema with name", "no_such_table"),
    ("Catalog", r"\S+ is not an aggregate", "aggregation_error"),
    ("Catalog", r"\w+ Function with name (percentile_cont|percentile_disc)\b", "aggregation_error"),
    ("Catalog", r"(\w+ )?(Function|Macro) with name", "no_such_function"),
    ("Catalog", r"Type with name", "datatype_mismatch"),
    ("Catalog", r'Table ".*" does not have a column', "no_such_column"),
    ("Binder", r"Referenced column|Table .* does not have a column|Column .* does not exist on",
     "no_such_column"),
    ("Binder", r"Could not ORDER BY column|(ORDER|GROUP BY) term out of|Cannot extract field",
     "no_such_column"),
    ("Binder", r'Column ".*" in (EXCLUDE|REPLACE|RENAME)|No matching columns|Referenced table|'
     r'Could not find key|Column ".*" referenced that exists|'
     r"Cannot reference column|Alias .* cannot|column .* not found|Values list .* does not have",
     "no_such_column"),
    ("Binder", r"Ambiguous reference|Duplicate alias", "ambiguous_column"),
    ("Binder", r"column .* must appear in the GROUP BY|.* cannot contain (aggregate|window)",
     "aggregation_error"),
    ("Binder", r"aggregate function calls|Window functions|window function|RANGE frames|"
     r"UNGROUPED|DISTINCT is not|.*GROUPING|.*requires an ORDER BY|QUALIFY|"
     r".*aggregate.* not|.*cannot be used in an aggregate|HAVING", "aggregation_error"),
    ("Binder", r"STAR expression", "syntax_error"),
    ("Binder", r"Set operations can|Subquery returns|Circular reference|table .* has \d+ columns|"
     r"Duplicate CTE|Recursive", "other"),
    ("Binder", r"Could not choose a best|Cannot (compare|mix|concatenate|combine|cast)|UNNEST|"
     r".*explicit cast|.*(must be|should be|expected|requires|needs) .*|.*cannot be cast",
     "datatype_mismatch"),
    ("Conversion", r".*\bTUPLE\(|extract specifier", "other"),
    ("Conversion", r"", "datatype_mismatch"),
    ("Mismatch Type", r".*(TUPLE|STRUCT)", "other"),
    ("Mismatch Type", r"", "datatype_mismatch"),
    ("Invalid Input", r"Malformed JSON|Could not parse|Failed to (parse|cast)|.*JSON",
     "datatype_mismatch"),
    ("Invalid Input", r"Values were not provided", "syntax_error"),
    ("Invalid Input", r'Function ".*" is a Scalar', "aggregation_error"),
    ("Invalid Type", r"", "datatype_mismatch"),
]  # fmt: skip
_COMPILED = [(kind, re.compile(words, re.DOTALL), fault) for kind, words, fault in _CLASSES]
_NO_MATCH = re.compile(
    r"(?:No function matches the given name and argument types|Could not choose a best candidate "
    r"function for the function call) ['\"](?P<name>.*?)\((?P<arguments>.*?)\)['\"]"
)
_SIGNATURE = re.compile(r"^\t.*?\((?P<parameters>.*)\) -> ", re.MULTILINE)
_UNGROUPED = re.compile(r'column "(.+?)" must appear in the GROUP BY clause or be used')
_OUTSIDE = re.compile(r'^Permission Error: Cannot access \w+ "(?P<path>[^"]*)"')
_STRANGER = re.compile(r'\nDid you mean "(?P<name>[^\n]+)"\?')

_TOKENS = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r'^syntax error at or near "(.*?)"(?:\n|$)',
        r'^Referenced column "(.+?)" not found',
        r'^Table "(?P<table>.+?)" does not have a column named "(?P<column>.+?)"',
        r'^Column "(.+?)" (?:does not exist on|referenced|in \w+ list)',
        r'^No matching columns found that match regex "(.+?)"',
        r"^Could not ORDER BY column \"(?:.*\.)?([^.\"]+)\"",
        r"^Cannot extract field '(.+?)' from",
        r'^Ambiguous reference to \w+(?: name)? "(.+?)" \(',
        r'^column "(.+?)" must appear',
        r"^Collation with name (.+?) does not exist",
        r"^(\S+) is not an aggregate",
        r'^Function "(.+?)" is a',
        r'^(?:window|Cannot override .* of window|Duplicate CTE name) "(.+?)"',
        r'^Circular reference to CTE "(.+?)"',
        r'^table "(.+?)" has \d+ columns',
        r"^(?:Could not convert|Failed to cast|Could not parse) string ['\"](.*?)['\"] ",
        r'field (?:format|value out of range): "(.*?)"',
        r"with value '(.*?)' can't be cast",
        r'^extract specifier "(.+?)"',
        r"^Unknown TimeZone '(.+?)'",
        r'^Malformed JSON at byte .* Input: "(.*?)"(?: when|\n|$)',
    )
]
_STAR = re.compile(r"^STAR expression")
_UNCLOSED = re.compile(r"^unterminated ")
_MISSING = re.compile(
    r'^(?:\w+ )*(?:Table|View|Type|Function|Macro) with name "?(.+?)"? (?:does not exist|is not)'
)
_NO_TABLE = re.compile(r'^Referenced table "(.+?)" not found')
_POINTS = re.compile(
    r".* cannot contain (?:aggregate|window)|aggregate function calls|Window functions"
    r"|(?:ORDER|GROUP BY) term out of range"
)


def query_error(kind: str, message: str, sql: str) -> QueryError:
    """Return what the caller is to see of an error in a worker process.

    Parameters
    ----------
    kind : str
        The type of DuckDB's exception; ``Refused`` where the sandbox refuses the statement.
    message : str
        Its message.
    sql : str
        The statement.
    """
    if kind in ("OutOfMemoryException", "MemoryError") or "bad allocation" in message:
        text = "out of memory: the query needs more memory than it is allowed"
        return QueryError(text, timeout=True, reproducible=False)
    if kind == "Refused":
        if message == "the statement is empty":
            return QueryError(f"incomplete input: {message}", fault="syntax_error")
        if message.startswith("only one statement"):
            return QueryError(f"syntax error: {message}", fault="syntax_error")
        return QueryError(f"not authorized: {message}", fault="other")
    if outside := _OUTSIDE.search(message):
        text = f"not authorized: the file {outside['path']} may not be read (a view names it)"
        return QueryError(text, fault="other")
    text = _shortened(message)
    return QueryError(text, fault=fault_class(message, sql) or "other")


def is_duckdb(message: str) -> bool:
    """Whether a message is one of DuckDB's."""
    return _PREFIX.match(message) is not None


def fault_class(message: str, sql: str = "") -> str | None:
    """Return the class of one of DuckDB's messages.

    Parameters
    ----------
    message : str
        From its beginning.
    sql : str
        The statement, where it is known.

    Returns
    -------
    str or None
        A value of `sqlbench.episodes.errors.ErrorClass`; None where there is no class for it.
    """
    found = _PREFIX.match(message)
    if found is None:
        return None
    kind, words = found["type"], message[found.end() :]
    if call := _NO_MATCH.match(words):
        return _ill_called(call["arguments"], words)
    if _NO_TABLE.match(words) and not at_place(message):
        return "no_such_table"  # of a star: with a column of it DuckDB points to that
    if kind == "Catalog" and words.startswith("Type with name") and _is_alias(message):
        return "syntax_error"
    return next((c for k, pattern, c in _COMPILED if k == kind and pattern.match(words)), None)


def settle(error: QueryError, names: Callable[[], Collection[str]]) -> None:
    """Mend what DuckDB says without looking at the schema: in place.

    A table that it proposes may be one of its own catalogue's; a column that HAVING names and that
    is nowhere it takes for one that is not grouped.

    Parameters
    ----------
    error : QueryError
        As `query_error` made it.
    names : callable
        Returns the names of tables and columns, in small letters.
    """
    proposed = _STRANGER.search(error.message)
    if proposed is not None and error.fault == "no_such_table":
        name = proposed["name"].rpartition(".")[2].strip('"').lower()
        if name not in names():
            start, end = proposed.span()
            error.message = error.message[:start] + error.message[end:]
            error.args = (error.message,)
    ungrouped = _UNGROUPED.search(error.message)
    if ungrouped is not None and ungrouped.group(1).lower() not in names():
        error.fault = "no_such_column"


def offending_token(message: str) -> str | None:
    """Return the name, value or piece of SQL that one of DuckDB's messages complains of.

    Parameters
    ----------
    message : str
        From its beginning.
    """
    found = _PREFIX.match(message)
    if found is None:
        return None
    words = message[found.end() :]
    here = named_here(message)
    if _UNCLOSED.match(words):
        return at_place(message) or None
    if _STAR.match(words):
        return "*"
    if call := _NO_MATCH.match(words):
        return _called(call["name"], call["arguments"], here)
    if missing := _MISSING.match(words):
        if words.startswith("Type") and _is_alias(message):
            return _after(at_place(message))
        name = missing.group(1)
        return here if here and here.lower().endswith(name.lower()) else name
    if table := _NO_TABLE.match(words):
        return here or table.group(1)
    if _POINTS.match(words):
        return here
    for pattern in _TOKENS:
        if match := pattern.search(words):
            return ".".join(match.groups())
    return None


def _ill_called(arguments: str, words: str) -> str:
    """Return the class of a call to a function that is there, and is called in another way."""
    count = len(_split(arguments))
    for signature in _SIGNATURE.finditer(words):
        parameters = [p for p in _split(signature["parameters"]) if p != "/"]
        if len(parameters) == count or any(p.startswith("*") for p in parameters):
            return "datatype_mismatch"
    return "no_such_function" if _SIGNATURE.search(words) else "datatype_mismatch"


def _called(name: str, arguments: str, here: str | None) -> str:
    if name.isidentifier() or not name:
        # As it is written: EXTRACT is a date_part, and YEAR in capitals is no other function.
        return here or name
    types = _split(arguments)
    return f"{types[0]} {name} {types[1]}" if len(types) == 2 else name


def _split(parameters: str) -> list[str]:
    """Split at the commas that stand in no parenthesis."""
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(parameters):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(parameters[start:i].strip())
            start = i + 1
    last = parameters[start:].strip()
    return [*parts, last] if last else parts


def _is_alias(message: str) -> bool:
    """Whether ``age 'years'`` was read as a value of the type age."""
    return _after(at_place(message)) is not None


def _after(here: str) -> str | None:
    found = re.match(r"[\w.\"]+\s+('(?:[^']|'')*')", here)
    return found.group(1) if found else None


def _shortened(message: str) -> str:
    """Return a message without the signatures that nobody reads, and no longer than one may be."""
    lines, kept, signatures = message.split("\n"), [], 0
    for line in lines:
        if line.startswith("\t") and "->" in line:
            signatures += 1
            if signatures > _SIGNATURES:
                continue
        if line:
            kept.append(line.rstrip().replace("bindings: : ", "bindings: "))
    head, mark, place = "\n".join(kept).partition("\nLINE ")
    if len(head) > _MAX_MESSAGE:
        head = f"{head[: _MAX_MESSAGE - 50]} … {head[-47:]}"
    return head + (f"\nLINE {place}" if mark else "")
