"""How long a statement is once SQLite has written out its common table expressions.

SQLite copies a common table expression wherever it is named. Thirty of them, each of which names
the one before twice, are 2³⁰ copies before the first row, all made while the statement is compiled,
where neither the count of steps nor an interrupt ends it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

# What is never closed goes on to the end; possessive, so that no text is looked at twice. A name
# may hold any letter beyond ASCII, as in SQLite.
_TOKEN = re.compile(
    r"""--[^\n]*+ | /\*(?>.*?(?:\*/|\Z)) | '(?:[^']|'')*+(?:'|\Z) | "(?:[^"]|"")*+(?:"|\Z)
    | `(?:[^`]|``)*+(?:`|\Z) | \[[^\]]*+(?:\]|\Z) | [A-Za-z0-9_$\x80-\U0010ffff]++ | [^\s]""",
    re.DOTALL | re.VERBOSE,
)
_BODY = re.compile(r"\b(?:as|materialized)\s*\(", re.IGNORECASE)
# What stands before a table's name.
_BEFORE = {"from", "join", ",", "(", "in"}


def is_longer(sql: str, most: int) -> bool:
    """Return whether a statement is longer than some words and signs with its CTEs written out.

    Parameters
    ----------
    sql : str
        Any text.
    most : int
        How many it may have.
    """
    sql = sql.replace("\ufeff", " ")  # which SQLite takes for a space wherever it stands
    return _bound(sql) > most and written_out(sql) > most


def _bound(sql: str) -> float:
    """Return what the length cannot exceed: for most statements, low enough to look no further."""
    text = sql.lower()
    bodies = len(_BODY.findall(text))
    if bodies == 0 or "--" in text or "/*" in text:
        return float("inf")
    # A name that may be an expression's follows one of these ("join" has an "in").
    names = text.count(",") + text.count("from") + text.count("in") + text.count("(")
    # All are copied most where the names are shared out among them evenly.
    return len(sql) * float(1 + names / bodies) ** min(bodies, 50)


def written_out(sql: str) -> int:
    """Return about how many words and signs a statement has with its CTEs written out."""
    own, named = _definitions([_name(t) for t in _TOKEN.findall(sql) if t[:2] not in ("--", "/*")])
    size: dict[str, int] = {}
    entered: set[str] = set()
    waiting = [""]
    while waiting:
        name = waiting[-1]
        if name not in entered:
            entered.add(name)
            waiting += [other for other in named[name] if other in own and other not in entered]
        else:
            # One that names itself, or is named by what it names, is not copied again.
            copies = sum(size.get(other, 0) * times for other, times in named[name].items())
            size.setdefault(name, min(own[name] + copies, 10**9))
            waiting.pop()
    return size[""]


def _name(token: str) -> str:
    quote = token[0]
    if quote in "'\"`[" and len(token) > 1:
        token = token[1:-1].replace(quote * 2, quote)
    return token.lower()


def _definitions(tokens: list[str]) -> tuple[Counter[str], defaultdict[str, Counter[str]]]:
    """Return the length of each expression, and what it names; the statement itself is ``""``."""
    own: Counter[str] = Counter({"": 0})
    named: defaultdict[str, Counter[str]] = defaultdict(Counter)
    inside = [""]  # for each open parenthesis, the expression that it is in
    opened: list[int] = []  # where each of them is
    last_closed = 0  # where the last closed one was opened
    for i, token in enumerate(tokens):
        own[inside[-1]] += 1
        if token == "(":
            name = _defined(tokens, i, last_closed)
            inside.append(inside[-1] if name is None else name)
            opened.append(i)
        elif token == ")" and opened:
            inside.pop()
            last_closed = opened.pop()
        elif i and tokens[i - 1] in _BEFORE and tokens[i + 1 : i + 2] != ["."]:
            named[inside[-1]][token] += 1
    return own, named


def _defined(tokens: list[str], place: int, last_closed: int) -> str | None:
    """Return the name of the expression whose body opens here: ``name (columns) AS (``."""
    i = place - 1
    while i >= 0 and tokens[i] in ("not", "materialized"):
        i -= 1
    if i < 1 or tokens[i] != "as":
        return None
    i = last_closed - 1 if tokens[i - 1] == ")" else i - 1
    return tokens[i] if i >= 0 else None
