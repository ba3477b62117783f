r"""What SQL from a model may say on PostgreSQL: one SELECT, and no function that has effects.

The first of several walls. Behind it stand a read-only transaction that is always rolled back, a
role without superuser rights, and PostgreSQL's own parser, which takes the statement only as a
sub-select (see `postgres_session`). So what this check has to get right by itself is which names
occur. It finds them with PostgreSQL's lexical rules, and not with sqlglot's, which differ in
places that an attacker could use: a carriage return ends a comment, ``U&"\0070g_sleep"`` is a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from functools import lru_cache

from sqlglot import exp

from sqlbench.databases.base import QueryError
from sqlbench.databases.trees import parse_all

NOT_ALLOWED = "42501"  # insufficient_privilege
SYNTAX_ERROR = "42601"

# Names that no statement may use, as a function, table or column: they read files or settings, see
# or stop other sessions (whose SQL may be a gold query), run SQL from a string, wait or lock.
_DENIED = re.compile(
    r"""
    pg_(read|ls|write|file|sleep|terminate|cancel|reload|rotate|log|logical|promote|backup|switch
       |create|drop|copy|export|import|advisory|try_advisory|notify|listening|stat|replication
       |prepared|cursor|settings|show|hba|ident|shadow|authid|config|conf_load|control|wal|last
       |current_(logfile|wal|xact)|largeobject|user_mapping|shmem|backend|locks|lock_status|aios
       |get_(aios|backend|loaded|shmem|wal|function|viewdef|ruledef|triggerdef)|postmaster
       |buffercache|tablespace|relation_file|stop|nextoid|clear|restore)\w*
    | lo_(close|creat|create|export|from_bytea|get|import|lseek|open|put|tell|truncate|unlink)(64)?
    | loread | lowrite | dblink\w* | postgres_fdw\w* | file_fdw\w* | adminpack\w*
    | set_config | current_setting | setseed | nextval | setval | currval | lastval
    | \w*_to_xml(schema|_and_xmlschema)? | ts_stat | ts_rewrite | txid_\w+ | current_query
    | inet_(client|server)_(addr|port) | binary_upgrade\w* | plpgsql\w* | crosstab\w* | connectby
    """,
    re.VERBOSE,
)
# Volatile, and still only a value.
_harmless_words = (
    "array_sample array_shuffle clock_timestamp gen_random_uuid random random_normal timeofday "
    "uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 uuidv4 uuidv7"
)
HARMLESS = frozenset(_harmless_words.split())
# What is refused without asking PostgreSQL. Any other first word is a misspelt one: it may say so.
_commands_words = (
    "abort alter analyse analyze begin call checkpoint close cluster comment commit copy create "
    "deallocate declare delete discard do drop end execute explain fetch grant import insert "
    "listen load lock merge move notify prepare reassign refresh reindex release reset revoke "
    "rollback savepoint security set show start truncate unlisten update vacuum wait"
)
_COMMANDS = frozenset(_commands_words.split())
_FORBIDDEN = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Lock, exp.Drop, exp.Set)
_WORDS: dict[type, str] = {exp.Lock: "FOR UPDATE", exp.Into: "SELECT INTO"}

# PostgreSQL's lexical rules (its manual, "Lexical Structure"), the longest first.
_TOKEN = re.compile(
    r"""
      (?P<space>   [\ \t\n\r\f\v]+ | --[^\n\r]* )
    | (?P<comment> /\*)
    | (?P<unicode> [uU]&['"])
    | (?P<string>  '(?:[^']|'')*+')
    | (?P<dollar>  \$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?)\$
                   .*?\$(?P=tag)\$)
    | (?P<quoted>  "(?:[^"]|"")*+")
    | (?P<name>    [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)
    | (?P<number>  \d+(?:\.\d*)?(?:[eE][+-]?\d+)?)
    | (?P<parameter> \$\d+)
    | (?P<end>     ;)
    | (?P<other>   [^'"$] )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE_STRING = re.compile("[eE]'")
_SHOWN = 100  # letters of a text that is never closed
_COMMENT_EDGE = re.compile(r"/\*|\*/")


def check_names(sql: str, max_bytes: int, volatile: Set[str]) -> str:
    """Check a statement's words, before any of it is sent; return it without its final semicolon.

    Parameters
    ----------
    sql : str
        The statement, from any source.
    max_bytes : int
        The longest that is let through.
    volatile : set of str
        The functions that the database itself says may have effects.

    Raises
    ------
    QueryError
        If it may not run, whatever PostgreSQL would say of it.
    """
    try:
        size = len(sql.encode())
    except UnicodeEncodeError:
        raise broken("the statement is not valid Unicode") from None
    if size > max_bytes:
        raise denied(f"the statement is longer than {max_bytes} bytes")
    if "\0" in sql:
        raise broken("the statement contains a NUL character")
    if "\\'" in sql and _ESCAPE_STRING.search(sql):
        # Such a string may go on after a line break and keep its kind: its end is in doubt.
        raise denied("write a quote in a string as '' and not as \\'")
    text, word = _checked_names(sql, volatile)
    if word in _COMMANDS:
        raise denied(_only(word))
    return text


@lru_cache(maxsize=1024)
def check_tree(sql: str) -> tuple[bool, str | None]:
    """Check a statement's tree: it must be a SELECT or a set operation, through and through.

    Parameters
    ----------
    sql : str
        A statement that passed `check_names`.

    Returns
    -------
    readable : bool
        Whether sqlglot can parse it. What it cannot parse may not run; but where PostgreSQL finds
        fault with it too, its message is the better one.
    refusal : str or None
        Why it may not run.
    """
    try:
        statements = parse_all(sql, "postgres")
    except Exception:  # whatever hostile text makes sqlglot trip over
        return False, "the statement cannot be checked; write it as a plain SELECT"
    tree = statements[0] if len(statements) == 1 else None
    node = tree
    while isinstance(node, (exp.Subquery, exp.Paren)):
        node = node.this
    if tree is None or not isinstance(node, (exp.Select, exp.SetOperation, exp.Values)):
        return False, _only("")
    bad = next((n for n in tree.walk() if isinstance(n, _FORBIDDEN)), None)
    return True, None if bad is None else _only(_WORDS.get(type(bad), bad.key))


def denied(reason: str) -> QueryError:
    """Return the error of a statement that may not run."""
    return QueryError(f"not authorized: {reason}", sqlstate=NOT_ALLOWED)


def broken(reason: str) -> QueryError:
    """Return the error of a text that is no statement."""
    return QueryError(f"syntax error: {reason}", sqlstate=SYNTAX_ERROR)


def _only(word: str) -> str:
    said = f" ({word.upper()} is not allowed)" if word else ""
    return f"only SELECT statements may be run{said}"


def _checked_names(sql: str, volatile: Set[str]) -> tuple[str, str]:
    """Check every name; return the one statement without its end, and its first word."""
    name, first, end = None, None, None
    for kind, text, start in _tokens(sql):
        if kind == "space":
            continue
        if kind == "end":
            end = start if end is None else end
            continue
        if end is not None:
            raise broken("only one statement may be run at a time")
        if kind == "unicode":
            raise denied("names and strings may not be written with U&")
        if kind == "parameter":
            raise broken(f"parameters ({text}) have no values here")
        if first is None or first == "(":
            first = text.lower()
        if text == "(" and name in volatile and name not in HARMLESS:
            raise denied(f"the function {name}() may not be used")
        name = _name(kind, text)
        if name is not None and _DENIED.fullmatch(name):
            raise denied(f"{name} may not be used")
    if first is None:
        raise broken("the statement is empty")
    return (sql if end is None else sql[:end]), first


def _name(kind: str, text: str) -> str | None:
    if kind == "name":
        return text.lower()
    return text[1:-1].replace('""', '"').lower() if kind == "quoted" else None


def _tokens(sql: str) -> Iterator[tuple[str, str, int]]:
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None:
            raise broken(f'unterminated or stray quote at or near "{sql[position:][:_SHOWN]}"')
        kind, end = str(match.lastgroup), match.end()
        if kind == "comment":
            kind, end = "space", _comment_end(sql, end)
        yield kind, sql[position:end], position
        position = end


def _comment_end(sql: str, position: int) -> int:
    """Return where a comment ends; PostgreSQL's nest."""
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(sql, position)
        if edge is None:
            raise broken("unterminated /* comment")
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
    return position
