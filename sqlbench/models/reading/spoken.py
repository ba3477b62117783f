"""What a model says, while it streams: `split_thoughts`, piece by piece."""

from __future__ import annotations

import re

from sqlbench.models.reading.thoughts import (
    BARE_ANALYSIS,
    BARE_CHANNEL,
    CHANNEL,
    MARK,
    OPENERS,
    PAIRS,
    QUOTED,
    closes_literal,
    opens_literal,
    split_marked,
)

_PART_END = re.compile(r"<\|(?:end|return|call)\|>")
_BARE_HEADS = ("analysis", "assistantanalysis")
# Granite says it in words.
_THOUGHT_HEAD, _RESPONSE_HEAD = "here is my thought process:", "here is my response:"
_HEADER = re.compile(r"<\|(?:start|channel)\|>")
_LONGEST_HEADER = 200  # of a channel, in characters
_LONGEST_BARE = 60
_STARTS = frozenset(
    mark[:size]
    for mark in (
        *(mark.lower() for pair in PAIRS for mark in pair),
        *("<|start|>", "<|channel|>", "<|end|>", "<|return|>", "<|call|>"),
        *("assistantfinal", "assistantcommentary", _RESPONSE_HEAD),
    )
    for size in range(1, len(mark))
)
_LONGEST_START = max(map(len, _STARTS))


class SpokenPieces:
    """Lets the pieces of a stream through, but for what a model thinks, in any of its marks.

    A mark may be cut by the border of two pieces: what might be its beginning is held back. What
    was shown before a mark that only closes (a chat template opened it in the prompt) stays shown.
    """

    def __init__(self) -> None:
        self._text = ""  # what is not settled, behind the little that its meaning may depend on
        self._at = 0  # where the unsettled begins
        self._marks = [MARK, CHANNEL]  # what may come next
        self._sink = "show"  # or "drop", or "wait": for the end, if nothing final comes
        self._waiting = ""
        self._resumes = self._marks  # behind a thought
        self._begun = self._strip = self._shown = self._final = False

    def feed(self, piece: str) -> str:
        """Return what can be shown now."""
        self._text += piece
        return self._settle(last=False)

    def end(self) -> str:
        """Return what was held back, and is no mark after all."""
        shown = self._settle(last=True)
        if not self._final:
            waited = split_marked(self._waiting, [])
            shown += waited.lstrip() if self._strip and not self._shown else waited
        return shown

    def _settle(self, *, last: bool) -> str:
        self._begun = self._begun or self._begin(last=last)
        if not self._begun:
            return ""
        shown: list[str] = []
        counts: bool | None = True
        while counts is not None and (mark := self._next_mark()) is not None:
            counts = self._counts(mark, last=last)
            # One that does not count is text like any other.
            shown.append(self._take(mark.end() if counts is False else mark.start()))
            if counts:
                self._at = mark.end()
                self._follow(mark)
        if counts is not None:
            shown.append(self._take(len(self._text) if last else self._held_from()))
        settled = max(0, self._at - QUOTED)
        self._text, self._at = self._text[settled:], self._at - settled
        return "".join(shown)

    def _begin(self, *, last: bool) -> bool:
        """Read how the answer begins; False: more of it must come first."""
        begins = self._text.lstrip()
        if not last and (
            any(head.startswith(begins) for head in (*_BARE_HEADS, _THOUGHT_HEAD))
            or _THOUGHT_HEAD.startswith(begins.lower())
            or begins.rstrip() in _BARE_HEADS
        ):
            return False
        if head := BARE_ANALYSIS.match(self._text):
            # One word is a column's or a heading's; glued to a sentence it is the channel's name.
            glued = self._text[head.end() : head.end() + 1].isupper()
            self._sink, self._marks = "drop" if glued else "wait", [BARE_CHANNEL]
            self._strip = True
            self._at = head.end() if glued else 0
        elif begins.lower().startswith(_THOUGHT_HEAD):
            self._think(_RESPONSE_HEAD)
            self._at = self._text.lower().index(_THOUGHT_HEAD) + len(_THOUGHT_HEAD)
        return True

    def _think(self, closer: str) -> None:
        """Drop what comes, up to a mark."""
        behind = "" if closer == _RESPONSE_HEAD else "(?<![\"'`%])"
        self._marks = [re.compile(behind + re.escape(closer), re.IGNORECASE)]
        self._sink, self._strip = "drop", True

    def _next_mark(self) -> re.Match[str] | None:
        found = (pattern.search(self._text, self._at) for pattern in self._marks)
        return min((m for m in found if m), key=lambda m: m.start(), default=None)

    def _counts(self, mark: re.Match[str], *, last: bool) -> bool | None:
        """Whether a mark is one; None: that lies in what is to come."""
        rest = len(self._text) - mark.end()
        if mark.re is BARE_CHANNEL:
            return True if last or rest > _LONGEST_BARE or "final" in mark[0] else None
        plain = mark.re in (CHANNEL, _PART_END) or mark[0].lower() == _RESPONSE_HEAD
        if plain or not opens_literal(self._text, mark.start()):
            return True
        if closes_literal(self._text, mark.end()):
            return False
        return True if last or rest > QUOTED or "\n" in self._text[mark.end() :] else None

    def _follow(self, mark: re.Match[str]) -> None:
        """Go on behind a mark."""
        name = mark[0].lower()
        if mark.re in (CHANNEL, BARE_CHANNEL) or name == _RESPONSE_HEAD:
            self._text, self._at = self._text[self._at :], 0  # a text of its own begins
        if mark.re is MARK and name in OPENERS:
            self._resumes = self._marks
            self._think(OPENERS[name])
        elif mark.re in (CHANNEL, BARE_CHANNEL):
            channel = mark[1] if mark.re is CHANNEL else name.removeprefix("assistant")
            if channel != "analysis":
                self._waiting = ""
            self._final = self._final or channel == "final"
            self._sink = {"final": "show", "analysis": "drop"}.get(channel, "wait")
            if mark.re is CHANNEL:
                spoken = [MARK] if self._sink == "show" else []
                self._marks = [*spoken, CHANNEL, _PART_END]
            elif self._sink == "show":
                self._marks = [MARK]
            self._strip = True
        elif mark.re is _PART_END:
            self._sink, self._marks = "drop", [CHANNEL]
        elif mark.re is not MARK:  # a thought is at its end
            self._sink, self._marks = "show", self._resumes

    def _take(self, end: int) -> str:
        """Settle the text up to a place, and return what of it is said."""
        text, self._at = self._text[self._at : end], max(self._at, end)
        if self._sink == "drop":
            return ""
        if self._sink == "wait":
            self._waiting += text
            return ""
        if self._strip and not self._shown:
            text = text.lstrip()
        self._shown = self._shown or bool(text)
        return text

    def _held_from(self) -> int:
        """Return from where on the text may be a mark that has not come to its end."""
        size = len(self._text)
        header = _HEADER.search(self._text, max(self._at, size - _LONGEST_HEADER))
        until = size if header is None else header.start()
        ends = self._text[max(self._at, until - _LONGEST_START) : until].lower()
        for start in range(len(ends)):
            if ends[start:] in _STARTS:
                return until - len(ends) + start
        return until
