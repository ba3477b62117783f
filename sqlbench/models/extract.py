"""Take the SQL statement out of a model's answer."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

from sqlbench.models.base import Completion

# A longer one takes more than a moment to read.
LONG_ANSWER = 20_000

# An answer may break off inside the block, or its template may have opened it in the prompt.
_THINK = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_CLOSED_ONLY = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)

_FENCES = re.compile(r"`{3,}|~{3,}")
_BLOCK = re.compile(r"(?P<fence>`{3,}|~{3,})(?P<body>.*?)(?:(?P=fence)|\Z)", re.DOTALL)
_SQL_LANGUAGE = r"(?:sql|sqlite3?|postgres(?:ql)?|psql|pgsql|mysql|tsql)"
_LANGUAGE = re.compile(rf"[ \t]*(?:{_SQL_LANGUAGE}\b|[\w.+#-]*[ \t]*(?=\r?\n))", re.IGNORECASE)
_CODE_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")

# "Select the …" and "With this …" are English; a query goes on otherwise.
_QUERY = (
    r"(?:SELECT\b(?!\s+(?:the|an?|all\s+the|and|or|your)\s)(?=\s*\S)"
    r"|WITH\s+(?:RECURSIVE\s+)?[\w\"`\[\]]+\s*(?:\([^)]*\)\s*)?AS\b[^(]{0,20}\("
    r"|VALUES\s*\()"
)
_OTHER = (
    r"(?:INSERT\s+(?:OR\s+\w+\s+)?INTO\b|REPLACE\s+INTO\b|UPDATE\s+\S+\s+SET\b|DELETE\s+FROM\b"
    r"|(?:CREATE|DROP|ALTER)\s+(?:TEMP(?:ORARY)?\s+|UNIQUE\s+)?(?:TABLE|VIEW|INDEX|TRIGGER)\b"
    r"|PRAGMA\s+\w|(?:ATTACH|DETACH)\s+(?:DATABASE\b|')|EXPLAIN\s+(?:QUERY\s+PLAN\s+)?(?=SELECT|WITH))"
)
_COMMENTS = r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))*"
_BLANK = re.compile(_COMMENTS, re.DOTALL)
_STATEMENT = re.compile(rf"\(*\s*(?:{_QUERY}|{_OTHER})", re.IGNORECASE)
# At the start of a line, or behind a label ("SQL:"), a prompt ("sqlite>") or a tag ("<sql>").
_LEAD = r"(?:^|[:>*])[ \t]*(?:\d+[.)][ \t]+|[-*][ \t]+)?"
_AT_LEAD = re.compile(rf"{_LEAD}(?P<sql>\(*[ \t]*(?:{_QUERY}|{_OTHER}))", re.IGNORECASE | re.M)
_IN_SENTENCE = re.compile(r"\b(?P<sql>SELECT\s(?=[^.;]*?\sFROM\s+[\w\"`\[(]))")

_KEYWORDS = (
    r"(?:SELECT|DISTINCT|FROM|WHERE|GROUP|ORDER|HAVING|LIMIT|OFFSET|WINDOW|UNION|INTERSECT|EXCEPT|"
    r"ALL|JOIN|LEFT|RIGHT|FULL|INNER|OUTER|CROSS|NATURAL|ON|USING|AND|OR|NOT|IN|IS|LIKE|BETWEEN|"
    r"EXISTS|BY|AS|SET|VALUES|CASE|WHEN|THEN|ELSE|END|OVER|WITH|RETURNING)"
)
# What cannot end a statement, in one stride: no comment, bracket, line break or sign of the end.
_PLAIN = re.compile(
    r"(?:[^'\"`~()\n;.<\-/]++|'[^']*+'|\"[^\"]*+\"|\.(?=[^ \n])|-(?!-)|/(?!\*)|<(?![|/]))++"
)
_LINE_BREAK = re.compile(r"\n\s*")
_GOES_ON = re.compile(rf"(?:{_KEYWORDS}\b|[(),|+*/=<>-])", re.IGNORECASE)
_UNFINISHED = re.compile(rf"(?:\b{_KEYWORDS}|[(,|+*/=<>-])\Z", re.IGNORECASE)
_COUNTS = re.compile(r"\bSELECT\s+\*\Z|\(\*\Z", re.IGNORECASE)  # here a final * is no product
_PROSE = re.compile(
    r"(?:This|These|The|Here(?:'s)?|It|Note|Explanation|Output|Results?|Answer|We|You|I|In this)"
    r"(?:\s+(?!AS\b|FROM\b)\w|:)"
)
_TAIL = re.compile(r"<\|\w+\|>|</(?=[A-Za-z])")  # of a chat template, or a closing tag
_SQL_KEYS = ("sql", "query", "sql_query", "sqlquery", "final_sql", "statement", "code", "answer")


def extract_sql(text: str) -> str:
    """Return the statement of an answer, or an empty string if it holds none.

    What a model thinks aloud is dropped. Of several code blocks the last that holds a query
    counts, for models correct themselves downwards; one that holds another statement (CREATE
    TABLE, say) counts only where none holds a query. After blocks come the fields of a JSON
    answer, code spans, and last the text itself, where a statement begins a line or follows a
    label, or stands in a sentence as ``SELECT … FROM …`` in capitals. It ends with its semicolon,
    or where prose begins. Several statements in a row stay together: the database refuses them,
    and says so. The trailing semicolon, and empty lines, are dropped.

    The function never raises, is idempotent, and never returns a fence.

    Parameters
    ----------
    text : str
        The answer as the model gave it.

    Examples
    --------
    >>> extract_sql("Sure! Here it is: SELECT count(*) FROM singer; This counts the singers.")
    'SELECT count(*) FROM singer'
    """
    # Each pass only takes characters away, so this ends; mostly after the second pass.
    while (found := _once(text)) != text:
        text = found
    return text


async def statement_of(completion: Completion) -> str:
    """Return the statement of a completion; a long one is read in a thread, beside the loop."""
    if completion.sql is not None:
        return completion.sql
    if len(completion.text) <= LONG_ANSWER:
        return extract_sql(completion.text)
    return await asyncio.to_thread(extract_sql, completion.text)


def _once(text: str) -> str:
    text = _CLOSED_ONLY.sub("", _THINK.sub("", text))
    found = [sql for candidate in _blocks(text) if (sql := _statement(candidate))]
    if found:
        queries = [sql for sql in found if not re.match(_OTHER, sql, re.IGNORECASE)]
        return (queries or found)[-1]
    prose = _BLOCK.sub("\n\n", text)
    for candidate in _fields(prose):
        if sql := _statement(candidate):
            return sql
    spans = [sql for m in _CODE_SPAN.finditer(prose) if (sql := _statement(m[1]))]
    if spans:
        return spans[-1]
    start = _AT_LEAD.search(prose) or _IN_SENTENCE.search(prose)
    return _cut(prose[start.start("sql") :]) if start else ""


def _blocks(text: str) -> Iterator[str]:
    """Yield the text of each code block; of a JSON block, its field that holds the SQL."""
    for block in _BLOCK.finditer(text):
        body = block["body"]
        language = _LANGUAGE.match(body)
        if language is not None and not _STATEMENT.match(language[0].strip() + " 1"):
            body = body[language.end() :]
        yield from _fields(body) or [body]


def _fields(text: str) -> list[str]:
    """Return the texts of the first JSON object or array, those under a telling key first."""
    start = re.search(r"[{\[]\s*[\"{\[]", text)
    if start is None:
        return []
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text, start.start())
        found = list(_strings(value))
    except (ValueError, RecursionError):
        return []
    return [t for _, t in sorted(found, key=lambda item: item[0].lower() not in _SQL_KEYS)]


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a JSON value with the key that it stands under."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)


def _statement(text: str) -> str:
    """Return the statement that a block or field holds: it may follow comments, or a label."""
    lead = _BLANK.match(text)
    rest = text[lead.end() :] if lead else text
    if _STATEMENT.match(rest):
        return _cut(rest)
    start = _AT_LEAD.search(rest)
    return _cut(rest[start.start("sql") :]) if start else ""


def _cut(text: str) -> str:
    """Return what belongs to the statement that a text begins with, without empty lines."""
    kept: list[str] = []
    i = depth = 0
    while i < len(text):
        if plain := _PLAIN.match(text, i):
            kept.append(plain[0])
            i = plain.end()
            continue
        piece = _quoted(text, i)
        if piece is None:
            if _ends(text, i, depth, kept):
                break
            piece = text[i]
            depth += (piece == "(") - (piece == ")")
        if piece == "\n" and (gap := _LINE_BREAK.match(text, i)):
            kept.append("\n" + gap[0].rpartition("\n")[2])
            i = gap.end()
        else:
            kept.append(piece)
            i += len(piece)
    return _FENCES.sub("", "".join(kept)).strip().rstrip(";").strip()


def _quoted(text: str, i: int) -> str | None:
    """Return the string, quoted name or comment that begins at a place, if one does."""
    if text[i] in "'\"`":
        end = text.find(text[i], i + 1)
        return text[i : end + 1] if end > 0 and not text.startswith("```", i) else None
    if text.startswith("--", i):
        end = text.find("\n", i)
        return text[i:end] if end > 0 else text[i:]
    if text.startswith("/*", i):
        end = text.find("*/", i + 2)
        return text[i : end + 2] if end > 0 else text[i:]
    return None


def _ends(text: str, i: int, depth: int, kept: list[str]) -> bool:
    """Whether the statement is over at a place outside quotes and comments."""
    c = text[i]
    if c == ";":
        following = _BLANK.match(text, i + 1)
        return following is None or _STATEMENT.match(text, following.end()) is None
    if c in "`~":
        return _FENCES.match(text, i) is not None
    if c == "<":
        return _TAIL.match(text, i) is not None
    if c == ".":
        return text[i + 1 : i + 2] in ("", " ", "\n")
    if c != "\n" or depth > 0:
        return False
    gap = _LINE_BREAK.match(text, i)
    assert gap is not None
    # What follows says more than what went before, and takes less time to read.
    if gap[0].count("\n") > 1:
        over = _GOES_ON.match(text, gap.end()) is None
    else:
        over = _PROSE.match(text, gap.end()) is not None
    if not over:
        return False
    before = "".join(kept[-20:])[-20:].rstrip()
    return _UNFINISHED.search(before) is None or _COUNTS.search(before) is not None
