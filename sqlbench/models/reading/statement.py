"""Where a statement begins in an answer, and where it ends."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from sqlbench.models.reading.grammar import Flow
from sqlbench.models.reading.prose import AHEAD, goes_on_behind_dot, is_prose
from sqlbench.models.reading.tokens import STOPS, TAG, Token, after_blanks, token_at

_NOT_WORD = r"(?<![A-Za-z0-9_$@#.])"
_OTHER = (
    r"(?:INSERT\s+(?:OR\s+\w+\s+)?INTO\b|REPLACE\s+INTO\b|UPDATE\s+\S+\s+SET\b|DELETE\s+FROM\b"
    r"|(?:CREATE|DROP|ALTER)\s+(?:OR\s+REPLACE\s+)?(?:TEMP(?:ORARY)?\s+|UNIQUE\s+)?"
    r"(?:TABLE|VIEW|INDEX|TRIGGER)\b|PRAGMA\s+\w|(?:ATTACH|DETACH)\s+(?:DATABASE\b|')"
    r"|EXPLAIN\s+(?:QUERY\s+PLAN\s+|ANALYZE\s+)?(?=SELECT|WITH))"
)
OTHER = re.compile(_OTHER, re.IGNORECASE)
START = re.compile(
    rf"{_NOT_WORD}(?:SELECT|WITH|VALUES)(?![\w$.])|{_NOT_WORD}{_OTHER}", re.IGNORECASE
)
_BRACKETS = re.compile(r"[(\s]*")
_FENCE = re.compile(r"```|~~~")


class Where(Enum):
    """What surrounds a statement: it decides how readily the statement ends."""

    BLOCK = "block"  # nothing but SQL: ends only where prose is beyond doubt
    LINE = "line"  # begins a line, or follows a label
    SENTENCE = "sentence"  # stands in the middle of prose


class Statement(NamedTuple):
    """A statement in a text.

    Attributes
    ----------
    sql : str
        The statement without empty lines around or within it, and without its semicolon.
    end : int
        Where the text goes on.
    fits : bool
        Whether all of it can be SQL, and is complete.
    reached : bool
        Whether it names where its rows come from.
    prose : bool
        Whether it failed to be SQL in the manner of a sentence.
    """

    sql: str
    end: int
    fits: bool
    reached: bool
    prose: bool


def starts_at(text: str, i: int) -> bool:
    """Whether a statement's first words stand at a place, behind any opening brackets."""
    brackets = _BRACKETS.match(text, i)
    return START.match(text, brackets.end() if brackets else i) is not None


def read_statement(text: str, start: int, where: Where, quote: str = "") -> Statement:
    """Return the statement that begins at a place.

    Parameters
    ----------
    text : str
        The text, from which nothing in front of `start` is read.
    start : int
        Where the statement's first word or bracket stands.
    where : Where
        What surrounds it.
    quote : str
        The mark of quotation in front of it, which ends it where it stands once more.
    """
    return _Reader(text, start, where, quote).read()


class _Reader:
    def __init__(self, text: str, start: int, where: Where, quote: str) -> None:
        self.text, self.start, self.where, self.quote = text, start, where, quote
        self.kept: list[str] = []
        self.broken = self.prose = self.reached = False
        # In a sentence, the end of what was SQL without an alias: prose may have begun behind it.
        self.safe = 0
        self.flow = self._flow(start)

    def _flow(self, i: int) -> Flow:
        brackets = _BRACKETS.match(self.text, i)
        return Flow(other=OTHER.match(self.text, brackets.end() if brackets else i) is not None)

    def read(self) -> Statement:
        i = self.start
        while i < len(self.text):
            token = token_at(self.text, i)
            step = self._step(token)
            if step is None:
                break
            i = step
        self.reached = self.reached or self.flow.reached
        fits = not self.broken and self.flow.complete
        sql = "".join(self.kept).strip().rstrip(";").strip()
        return Statement(sql, i, fits, self.reached, self.prose)

    def _step(self, token: Token) -> int | None:
        """Keep a token and return where the next begins, or None where the statement is over."""
        if token.kind in ("space", "comment"):
            return self._keep(token)
        if token.kind == "word":
            return self._feed(token)
        text, i, loose = self.text, token.start, self.where is not Where.BLOCK
        if self.quote and text.startswith(self.quote, i):
            if self._closes(i):
                return None
            if len(self.quote) == 1:
                token = self._within(token)
        if token.text == ";" and token.kind == "mark":
            following = after_blanks(text, i + 1)
            if not starts_at(text, following) or (loose and _is_sentence(text, following)):
                return None
            self.reached = self.reached or self.flow.reached
            self.broken = self.broken or not self.flow.complete
            self.flow = self._flow(following)
            return self._keep(token)
        if token.kind in ("operator", "mark", "junk") and TAG.match(text, i):
            return None
        if token.kind == "line":
            return self._line(token)
        if loose:
            if token.kind == "junk" and (token.text in STOPS or _FENCE.match(text, i)):
                return None
            if self._full_stop(token):
                if token.kind == "number":
                    self.kept.append(token.text[:-1])
                return None
        return self._feed(token)

    def _feed(self, token: Token) -> int | None:
        aliased = self.flow.frames[-1].run > 0
        if token.text == "`" and _FENCE.match(self.text, token.start):
            return None if self.where is not Where.BLOCK else self._keep(token)
        if self.broken or self.flow.feed(token):
            kept = self._keep(token)
            if token.kind not in ("space", "comment") and not (aliased and token.kind == "word"):
                self.safe = len(self.kept)
            return kept
        if self.where is Where.SENTENCE:
            del self.kept[self.safe :]
            return None
        self.broken = True
        self.prose = token.kind in ("word", "junk") or token.text in (",", ":")
        return self._keep(token)

    def _keep(self, token: Token) -> int:
        self.kept.append(token.text)
        return token.end

    def _line(self, token: Token) -> int | None:
        """Go on to the next line with anything on it, if that is SQL."""
        text, i = self.text, token.start
        end = i
        while end < len(text) and text[end].isspace():
            end += 1
        if end == len(text):
            return None
        if self.flow.frames[-1].clause != "other" or "\n" in text[i + 1 : end]:
            gap = text.count("\n", i, end)
            if is_prose(text, end, self.flow, self.start, gap, self.where is Where.BLOCK):
                return None
        self.kept.append("\n" + text[i:end].rpartition("\n")[2])
        return end

    def _closes(self, i: int) -> bool:
        """Whether the mark of quotation at a place is the closing one."""
        if len(self.quote) > 1 or self.quote not in "'\"`":
            return True
        before = self.text[i - 1]
        if before.isspace() or not (self.flow.complete or self.broken):
            return False
        return not self.text[i + 1 : i + 2].isalnum()

    def _within(self, token: Token) -> Token:
        """Return a string or name in the same marks as those around the statement.

        Its last mark may stand beside the closing one, where two are not a doubled one.
        """
        text, end = self.text, self.text.find(self.quote, token.start + 1)
        while (
            end >= 0 and text.startswith(self.quote, end + 1) and text[end + 2 : end + 3].isalnum()
        ):
            end = text.find(self.quote, end + 2)
        if end < 0:
            return token
        kind = "string" if self.quote == "'" else "name"
        return Token(kind, token.start, text[token.start : end + 1])

    def _full_stop(self, token: Token) -> bool:
        """Whether a dot ends a sentence, and is neither a number's nor between two names."""
        if not token.text.endswith(".") or token.kind not in ("mark", "number"):
            return False
        text, end = self.text, token.end
        following = end
        while following < len(text) and text[following] in " \t\r\n":
            following += 1
        if following == end < len(text):
            closes = self.quote != "" and text.startswith(self.quote, end)
            if not closes and token_at(text, end).kind in ("word", "name", "string", "number"):
                return False
            if text[end] in ";*" or token.kind == "number":
                return False
        if following == len(text):
            number = token.kind == "number" and self.where is Where.LINE
            return not (number and self.start == 0 and self.flow.last.word != "LIMIT")
        return not goes_on_behind_dot(text, token, self.flow, self.start)


def _is_sentence(text: str, i: int) -> bool:
    """Whether what follows a semicolon only begins like a statement ("Select the …")."""
    flow = Flow(other=OTHER.match(text, i) is not None)
    for _ in range(AHEAD):
        if i >= len(text):
            return False
        token = token_at(text, i)
        if not flow.feed(token):
            return not flow.reached and token.kind in ("word", "junk")
        if token.text == ";":
            return False
        i = token.end
    return False
