"""What an error complains of: the name, value or word that its message points to.

Messages are read in English (best effort); where PostgreSQL's name nothing but point into the
statement, what stands there is taken. SQLite numbers the terms of ORDER BY and GROUP BY: what the
term is, the statement says.
"""

from __future__ import annotations

import re

from sqlbench.databases.base import QueryError
from sqlbench.databases.duckdb_faults import is_duckdb, offending_token
from sqlbench.databases.postgres_faults import alias_here, named_here
from sqlbench.databases.trees import parse_one

# PostgreSQL's messages that name nothing, or less than what they point to.
_POINTS = re.compile(
    r"(aggregate function|window function)s? |(OVER|FILTER|DISTINCT) specified|WITHIN GROUP"
    r"|DISTINCT is not implemented|\S+\(\*\) must be used|(for )?SELECT DISTINCT"
    r"|argument of |.* types .* cannot be matched|(missing|invalid reference to) FROM-clause"
    r"|function |schema |invalid UNION"
)
# What a message names, in SQLite's words and then in PostgreSQL's.
_TOKENS = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r'^near "(.*)": syntax error',
        r'^unrecognized token: "(.*)"',
        r"^no such \w[\w -]*: (.+?)(?: - should this be .*)?$",
        r"^ambiguous column name: (.+)$",
        r"^ambiguous reference to (.+) in USING",
        r"^cannot join using column (.+) - column",
        r"^table .+ has no column named (.+)$",
        r"^misuse of .*?\b([^\s:]+)\(\)",
        r"^misuse of aliased (?:aggregate|window function) (.+)$",
        r"^wrong number of arguments to function ([^(]+)\(",
        r"^too many arguments on (?:function )?([^\s(]+)",
        r"^unable to use function (\S+) in",
        r"^FILTER may not be used with non-aggregate ([^(]+)\(",
        r"^(\S+?)\(\) may not be used as a window function",
        r"^'(.+)' is not a function",
        r"^unknown (?:or unsupported )?join type: (.+)$",
        r"^cannot override .+ clause of window: (.+)$",
        r"^table (.+) has \d+ values for \d+ columns",
        r"^duplicate WITH table name: (.+)$",
        r"^circular reference: (.+)$",
        r"^not authorized: .*\((.+) is not allowed\)",
        r"^not authorized: the (?:function|table) (\S+?)(?:\(\))? may not",
        r"\bat or near \"(.*?)\"(?:\n|$)",
        r"^column reference \"(.+?)\" is ambiguous",
        r"^common column name \"(.+?)\" appears more",
        r"^column \"(.+?)\" (?:must appear|does not exist|of relation|specified in USING)",
        r"^subquery uses ungrouped column \"(.+?)\"",
        r"^column (.+?) does not exist(?:\n|$)",
        r"^column notation \.(.+?) applied",
        r"^collation \"(.+?)\" (?:for encoding|does not exist)",
        r"^(?:relation|schema|type|database|window) \"(.+?)\" does not exist",
        r"^cannot open relation \"(.+?)\"",
        r"^cross-database references are not implemented: \"?(.+?)\"?(?:\n|$)",
        r"FROM-clause entry for table \"(.+?)\"",
        r"^table (?:name|reference) \"(.+?)\" (?:specified more|is ambiguous)",
        r"^WITH query (?:name )?\"(.+?)\" (?:specified|has)",
        r"^recursive query \"(.+?)\" does not",
        r"^cannot override .+ clause of window \"(.+?)\"",
        r"^window function (\S+) requires",
        r"^\w+ specified, but (\S+) is not",
        r"^(?:function|procedure|aggregate) (.+?)\(.*\) (?:does not exist|is not unique)",
        r"^operator does not exist: ([^\n]+)",
        r"^invalid input (?:syntax|value) for [^:]+: \"(.*?)\"(?:\n|$)",
        r"^invalid input syntax for type json.*\nDETAIL:  Token \"(.+?)\" is invalid",
        r"^date/time field value out of range: \"(.*?)\"(?:\n|$)",
        r"^interval field value out of range: \"(.*?)\"(?:\n|$)",
        r"^invalid value \"(.*?)\" for \"",
        r"^value \"(.*?)\" is out of range for type",
        r"^\"(.*?)\" is out of range for type",
        r"^malformed \w+ literal: \"(.*?)\"(?:\n|$)",
        r"^(?:unit|time zone) \"(.*?)\" (?:not recognized|not supported)",
        r"^ORDER BY position (\d+)",
        r"^GROUP BY position (\d+)",
    )
]
_TERM = re.compile(r"^(\d+)\w\w (ORDER|GROUP) BY term (?:(out of range) - .* and (\d+))?")


def extract_offending_token(error: QueryError | str, sql: str | None = None) -> str | None:
    """Return the column, table, function, value or piece of SQL that an error complains of.

    Parameters
    ----------
    error : QueryError or str
        An error or its message, an engine's (English; best effort).
    sql : str, optional
        The statement, by default the error's own. Without it nothing is known of a term that SQLite
        only numbers.

    Returns
    -------
    str or None
        The name without its quotes; None if the message names nothing.
    """
    message = error if isinstance(error, str) else error.message
    if sql is None and not isinstance(error, str):
        sql = error.sql
    if is_duckdb(message):
        return offending_token(message)
    if term := _TERM.match(message):
        return _term(term, sql) if sql else None
    if alias := alias_here(message) if message.startswith("type ") else None:
        return alias
    if _POINTS.match(message) and (name := named_here(message)):
        return name
    for pattern in _TOKENS:
        match = pattern.search(message)
        if match and match.group(1):
            return _unquote(match.group(1))
    return None


def _term(found: re.Match[str], sql: str) -> str | None:
    """Return the term of ORDER BY or GROUP BY that SQLite numbers: a number, or its first name."""
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    place, highest = int(found.group(1)) - 1, found.group(4)
    kind = exp.Order if found.group(2) == "ORDER" else exp.Group
    try:
        tree = parse_one(sql, "sqlite")
    except (SqlglotError, RecursionError):
        return None
    for clause in tree.find_all(kind):
        if place >= len(clause.expressions):
            continue
        term = clause.expressions[place]
        term = term.this if isinstance(term, exp.Ordered) else term
        if highest is None:
            if isinstance(clause.parent, exp.SetOperation):
                return _first_name(term.sql("sqlite"), sql)
        elif isinstance(term, exp.Literal) and not 1 <= int(term.name) <= int(highest):
            return term.name
    return None


def _first_name(term: str, sql: str) -> str | None:
    named = re.match(r"[^\w\"`\[]*([\w.]+|\"[^\"]+\"|`[^`]+`|\[[^]]+\])", term)
    if named is None:
        return None
    written = re.findall(re.escape(named.group(1)), sql, re.IGNORECASE)  # sqlglot shouts functions
    return _unquote(written[-1] if written else named.group(1))


def _unquote(name: str) -> str:
    pair = name[0] + name[-1]
    return name[1:-1] if len(name) > 2 and pair in {'""', "``", "[]"} else name
