"""Take the SQL statement out of a model's answer."""

from __future__ import annotations

import re

_THINK = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_OPEN_THINK = re.compile(r"<think(?:ing)?>.*\Z", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```[ \t]*(?P<lang>[\w+-]*)[ \t]*\r?\n?(?P<body>.*?)(?:```|\Z)", re.DOTALL)
_START = re.compile(r"^[ \t(]*(?:SELECT|WITH|VALUES)\b", re.IGNORECASE | re.MULTILINE)
_SQL_LANGUAGES = {"sql", "sqlite", "sqlite3", "postgres", "postgresql", "psql", "pgsql"}


def extract_sql(text: str) -> str:
    """Return the statement of an answer, or an empty string if it holds none.

    What a model thinks aloud is dropped. Of several code blocks the last one that is SQL counts:
    models correct themselves downwards. Without a block, the answer is read from its first line
    that begins with SELECT, WITH or VALUES up to a blank line or the end of the statement. A
    trailing semicolon is dropped.

    Parameters
    ----------
    text : str
        The answer as the model gave it.
    """
    text = _OPEN_THINK.sub("", _THINK.sub("", text))
    blocks = [
        (m["lang"].lower(), m["body"].strip()) for m in _FENCE.finditer(text) if m["body"].strip()
    ]
    named = [body for lang, body in blocks if lang in _SQL_LANGUAGES]
    plain = [body for lang, body in blocks if not lang and _START.search(body)]
    if named or plain:
        return _tidy((named or plain)[-1])
    start = _START.search(text)
    if start is None:
        return ""
    statement = re.split(r";|\n[ \t]*\r?\n|```", text[start.start() :], maxsplit=1)[0]
    return _tidy(statement)


def _tidy(sql: str) -> str:
    return sql.replace("```", "").strip().rstrip(";").strip()
