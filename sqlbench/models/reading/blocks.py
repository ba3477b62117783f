"""Code blocks in an answer, and the marks that stand before a statement's lines."""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlbench.models.reading.statement import START

_OPEN = re.compile(r"(?<![\"'`~%\w])(?P<fence>`{3,}|~{3,})")
_SQL = r"(?:sql|sqlite3?|postgres(?:ql)?|psql|pgsql|plpgsql|mysql|tsql|duckdb|bigquery|snowflake)"
_LANGUAGE = re.compile(rf"[ \t]*{_SQL}(?![\w.])", re.IGNORECASE)
# What may follow the mark on its line: a language, and attributes.
_INFO = re.compile(r"[ \t]*(?P<word>[\w.+#{}-]*)[\w.+#{}=\"'/ \t:-]*\r?(?:\n|\Z)")
_QUOTED_LINES = re.compile(
    r"^[ \t]*>[ \t]?(?:```|~~~|SELECT\b|WITH\b)", re.MULTILINE | re.IGNORECASE
)
_QUOTE_MARK = re.compile(r"^[ \t]*>[ \t]?", re.MULTILINE)
# A statement of several lines as a shell shows it, with its own mark before each further line.
_MORE = (
    r"[ \t]*+(?:[('\"`]?[ \t]{0,8}(?:x\d)?\.\.\.>|['\"`]?[ \t]{0,8}->|['\"`]>"
    r"|\w{1,63}[-('\"$*][#>]|[·‣])[ \t]?"
)
_SHELL = re.compile(
    r"^[ \t]*+(?:(?:sqlite|mysql|MariaDB \[[^\]\n]*\])>|\w+=[#>]|D(?=[ \t]+(?i:select|with)\b))"
    rf"[ \t]++(?P<first>\w[^\n]*)(?P<more>(?:\n{_MORE}[^\n]*)+)",
    re.MULTILINE,
)
_FURTHER = re.compile(rf"\n{_MORE}")


class Block(NamedTuple):
    """A code block: its text, whether it says to be SQL, and where it stands."""

    body: str
    is_sql: bool
    start: int
    end: int


def without_quote_marks(text: str) -> str:
    """Return a text without Markdown's marks of quotation, where SQL stands in such lines."""
    return _QUOTE_MARK.sub("", text) if _QUOTED_LINES.search(text) else text


def without_prompts(text: str) -> str:
    """Return a text without a database shell's prompts before the lines of a statement."""
    return _SHELL.sub(lambda m: m["first"] + _FURTHER.sub("\n", m["more"]), text)


def blocks_of(text: str) -> list[Block]:
    """Return the code blocks of a text; one that is never closed reaches to the end."""
    found: list[Block] = []
    i = 0
    while opening := _OPEN.search(text, i):
        end, i = _close(text, opening)
        body, is_sql = _without_language(text[opening.end() : end])
        found.append(Block(body, is_sql, opening.start(), i))
    return found


def _close(text: str, opening: re.Match[str]) -> tuple[int, int]:
    """Return where a block's body ends, and where the text behind the block begins."""
    mark = opening["fence"]
    for closing in re.compile(re.escape(mark[0]) + f"{{{len(mark)},}}").finditer(
        text, opening.end()
    ):
        line = text.rfind("\n", opening.end(), closing.start()) + 1 or opening.end()
        before = text[line : closing.start()]
        if before.strip() and before.count("'") % 2 and "'" in _rest_of_line(text, closing.end()):
            continue  # within a string
        following = _rest_of_line(text, closing.end()).strip()
        if not before.strip() and re.fullmatch(_SQL, following, re.IGNORECASE):
            return (
                closing.start(),
                closing.start(),
            )  # the next block begins; this one's end is missing
        return closing.start(), closing.end()
    return len(text), len(text)


def _rest_of_line(text: str, i: int) -> str:
    end = text.find("\n", i)
    return text[i : end if end >= 0 else len(text)]


def _without_language(body: str) -> tuple[str, bool]:
    info = _INFO.match(body)
    language = _LANGUAGE.match(body)
    if info is not None and not START.search(info[0]) and (info[0].endswith("\n") or not language):
        return body[info.end() :], language is not None or ".sql" in info["word"].lower()
    if language is not None:
        return body[language.end() :], True
    return body, False
