"""The statements that an answer may mean, each with how likely it is the one."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from sqlbench.models.reading.blocks import Block, blocks_of, without_prompts, without_quote_marks
from sqlbench.models.reading.fields import (
    OPENS,
    TRIES,
    Field,
    Says,
    fields_at,
    json_text_at,
    unescaped,
)
from sqlbench.models.reading.statement import (
    OTHER,
    START,
    Statement,
    Where,
    read_statement,
    starts_at,
)
from sqlbench.models.reading.tokens import after_blanks

# An answer in an answer in an answer (SQL in a fence in a JSON text in a JSON text).
NESTED = 4

_LEAD = re.compile(
    r"(?:^|[:：>*=#»→$-]|(?P<foreign>[^\x00-\x7f]))[ \t]*"
    r"(?:\d+[.)][ \t]+|[-*•+][ \t]+)?"
    r"(?P<quote>\"\"\"|'''|``|[\"'“”„‘«「『`])?(?P<brackets>\(*)[ \t]*\Z"
)
_CLOSING = {"“": "”", "„": "“", "‘": "’", "«": "»", "「": "」", "『": "』"}
_SIGNS = re.compile(r"[\d(*'\"=;]")
_FINAL = re.compile(r"\b(?:final|correct(?:ed)?|revised|fixed)\b[^\n]{0,40}\Z", re.IGNORECASE)
_WORD = re.compile(r"[(\s]*([A-Za-z]+)")
_ENTITY = re.compile(r"&(?:gt|lt|amp|quot|apos|#39|#x27|#34);")


class Rank(IntEnum):
    """How likely a statement is the answer; the lowest wins."""

    BLOCK = 0
    BLOCK_OTHER = 1  # CREATE TABLE and its kin
    FIELD = 2
    FINAL = 3  # behind "Final answer:"
    LINE = 4
    SPAN = 5
    SHORT = 6  # a line without FROM
    SENTENCE = 7
    BROKEN = 8
    GUESS = 9


class Candidate(NamedTuple):
    """A statement that an answer may mean."""

    rank: Rank
    sql: str


# Of these, the last counts: models correct themselves downwards.
_LAST_COUNTS = (Rank.BLOCK, Rank.BLOCK_OTHER, Rank.FINAL, Rank.SPAN)


def best_of(text: str, nested: int = 0) -> Candidate | None:
    """Return the statement that an answer most likely means, if it holds one.

    Parameters
    ----------
    text : str
        The answer, without what its model thought.
    nested : int
        In how many other texts it stands.
    """
    best: Candidate | None = None
    for found in _candidates(text.lstrip("\ufeff"), nested):
        if (
            best is None
            or found.rank < best.rank
            or (found.rank == best.rank and found.rank in _LAST_COUNTS)
        ):
            best = found
    return best


def _candidates(text: str, nested: int) -> Iterator[Candidate]:
    if nested > NESTED:
        return
    text = without_prompts(without_quote_marks(text))
    if _ENTITY.search(text) and _is_escaped(text):
        text = html.unescape(text)
    blocks = blocks_of(text)
    for block in blocks:
        yield from _in_block(block, nested)
    yield from _in_prose(_without(text, blocks), nested)


def _is_escaped(text: str) -> bool:
    """Whether an entity stands where SQL does, outside quotes."""
    bare = re.sub(r"'(?:[^']|'')*+'", "", text)
    return any(bare[m.end() : m.end() + 1] not in ("\n", "") for m in _ENTITY.finditer(bare))


def _without(text: str, blocks: list[Block]) -> str:
    parts, i = [], 0
    for block in blocks:
        parts.append(text[i : block.start])
        i = block.end
    return "\n\n".join([*parts, text[i:]])


def _in_block(block: Block, nested: int) -> Iterator[Candidate]:
    start = after_blanks(block.body, 0)
    if starts_at(block.body, start):
        found = read_statement(block.body, start, Where.BLOCK)
        if block.is_sql or not _is_remark(found):
            yield Candidate(_kind(found.sql), found.sql)
            return
    if start < len(block.body):
        inner = best_of(block.body, nested + 1)
        if inner is not None and inner.rank < Rank.GUESS:
            yield Candidate(_kind(inner.sql), inner.sql)
        elif block.is_sql and re.match(r"[A-Za-z(]", block.body[start:]):
            # A word amiss (SELEC …): the database says so.
            whole = read_statement(block.body, start, Where.BLOCK)
            yield Candidate(Rank.GUESS, whole.sql)


def _kind(sql: str) -> Rank:
    return Rank.BLOCK_OTHER if OTHER.match(sql) else Rank.BLOCK


def _is_remark(found: Statement) -> bool:
    return found.prose and not found.reached


def _in_prose(text: str, nested: int) -> Iterator[Candidate]:
    """Yield what stands in running text: JSON, code spans, lines, sentences; from left to right."""
    marks = re.compile(
        rf"(?P<json>{OPENS.pattern})|(?P<span>(?<!`)`{{1,2}}(?!`))|{START.pattern}", re.I
    )
    i, tries = 0, 0
    while mark := marks.search(text, i):
        i = mark.end()
        if mark["json"]:
            tries += 1
            if tries <= TRIES:
                fields, end = fields_at(text, mark.start())
                yield from _in_fields(fields, nested)
                i = max(mark.start() + 1, end)
            else:
                i = mark.start() + 1
        elif mark["span"]:
            found, i = _in_span(text, mark)
            if found is not None:
                yield found
        else:
            found, i = _at(text, mark.start(), nested)
            if found is not None:
                yield found


def _in_fields(fields: list[Field], nested: int) -> Iterator[Candidate]:
    """Yield the statement of a JSON answer: that of the most telling key."""
    for field in fields:
        start = after_blanks(field.text, 0)
        if starts_at(field.text, start):
            found = _read_field(field.text, start)
            if field.says is Says.QUERY or (field.says is Says.NOTHING and found.fits):
                yield Candidate(Rank.FIELD, found.sql)
            elif found.fits and found.reached:
                yield Candidate(Rank.GUESS, found.sql)
        elif field.says is not Says.EXPLANATION:
            inner = best_of(field.text, nested + 1)
            if inner is not None and (field.says is Says.QUERY or inner.rank < Rank.SENTENCE):
                yield Candidate(max(Rank.FIELD, inner.rank), inner.sql)


def _read_field(text: str, start: int) -> Statement:
    """Return the statement of a field, whose line breaks may have been escaped twice."""
    found = read_statement(text, start, Where.BLOCK)
    if not found.fits and "\\" in found.sql:
        again = read_statement(unescaped(text[start:]), 0, Where.BLOCK)
        return again if again.fits else found
    return found


def _in_span(text: str, mark: re.Match[str]) -> tuple[Candidate | None, int]:
    start = after_blanks(text, mark.end())
    if not starts_at(text, start):
        return None, mark.end()
    found = read_statement(text, start, Where.LINE, mark[0])
    if not text.startswith(mark[0], found.end):
        return None, mark.end()
    return Candidate(Rank.SPAN, found.sql) if found.fits else None, found.end + len(mark[0])


def _at(text: str, start: int, nested: int) -> tuple[Candidate | None, int]:
    """Return what begins with a statement's first word, and where to go on."""
    line = max(text.rfind("\n", 0, start) + 1, start - 80)
    lead = _LEAD.search(text[line:start]) if line == 0 or text[line - 1] == "\n" else None
    lead = lead or re.search(_LEAD.pattern.replace("^|", "", 1), text[line:start])
    quote = (lead["quote"] or "") if lead else ""
    begin = start - (len(text[line:start]) - lead.start("brackets")) if lead else start
    if quote == '"' and (decoded := json_text_at(text, begin - 1)) is not None:
        inner = best_of(decoded[0], NESTED)
        if inner is not None and inner.rank <= Rank.SHORT:
            return Candidate(Rank.LINE, inner.sql), decoded[1]
    where = Where.LINE if lead else Where.SENTENCE
    found = read_statement(text, begin, where, _CLOSING.get(quote, quote))
    after = max(found.end, start + 1)
    if "\\" in found.sql and not found.fits and nested < NESTED:
        inner = best_of(unescaped(text[line:]), NESTED)
        if inner is not None and inner.rank <= Rank.SHORT:
            return inner, after
    if where is Where.SENTENCE:
        spoken = text[start : start + 6].isupper() and found.reached
        return (
            (Candidate(Rank.SENTENCE, found.sql), after) if spoken else (None, _behind(text, start))
        )
    if OTHER.match(found.sql):
        return Candidate(Rank.LINE, found.sql), after
    if found.fits:
        if found.reached:
            final = _FINAL.search(text[max(0, line - 60) : begin])
            return Candidate(Rank.FINAL if final else Rank.LINE, found.sql), after
        telling = found.sql[:6].isupper() or _SIGNS.search(found.sql) or start == line == 0
        return (
            (Candidate(Rank.SHORT, found.sql), after) if telling else (None, _behind(text, start))
        )
    if found.prose and (not found.reached or _ends_as_sentence(found.sql)):
        return None, _behind(text, start)
    if not found.reached and not _has_from(found.sql):
        return None, _behind(text, start)
    return Candidate(Rank.BROKEN, found.sql), after


def _has_from(sql: str) -> bool:
    """Whether a statement that fails early looks like one: its keywords are written alike."""
    first = _WORD.match(sql)
    keyword = "FROM" if first is not None and first[1].isupper() else "from"
    return (
        first is not None
        and re.search(rf"\b{keyword}\b", sql) is not None
        and (first[1].isupper() or first[1].islower())
    )


def _ends_as_sentence(sql: str) -> bool:
    return sql.endswith((".", "!", ":"))


def _behind(text: str, start: int) -> int:
    word = _WORD.match(text, start)
    return word.end() if word else start + 1
