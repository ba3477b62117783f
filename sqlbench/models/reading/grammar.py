"""Whether tokens can still be SQL: a coarse grammar that every dialect's valid SQL satisfies.

Prose beside a statement has no mark of its own. But in SQL operands and operators take turns: two
names in a row are a name and its alias, in a list of columns or tables; three are none. So prose
betrays itself within a few words, in any language, while a valid statement never does, however it
is laid out. `Flow` is fed with tokens, one at a time, and says of each whether it can stand there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlbench.models.reading.tokens import BLANKS, Token
from sqlbench.models.reading.words import (
    BEFORE,
    BETWEEN,
    CLAUSES,
    MUST,
    NAMES,
    NEUTRAL,
    TYPES,
    UNITS,
)

# A copy for looking ahead leaves out what lies deeper: no line closes more brackets than this.
DEPTH = 12
_SPECIAL = frozenset(("AS", "WITH", "WHEN", "THEN", "ELSE", "END"))
_ALIASED = {"list": 2, "from": 2, "args": 3, "any": 9, "other": 4}


@dataclass(slots=True)
class Frame:
    """What is known within one pair of brackets."""

    clause: str
    wants: bool = True  # an operand has to come
    run: int = 0  # operands in a row
    cases: int = 0  # open CASEs


@dataclass(slots=True)
class _Last:
    """What the last token was, and what it asks of the next."""

    kind: str = ""
    word: str = ""
    must: frozenset[str] = frozenset()
    alias: bool = False  # AS was said
    dotted: bool = False  # a dot waits for its name


class Flow:
    """How far a text is SQL; fed with tokens from a statement's first on.

    Attributes
    ----------
    frames : list of Frame
        The open brackets, the outermost first.
    reached : bool
        Whether a FROM with its table (or VALUES with its row) was seen.
    """

    def __init__(self, other: bool = False) -> None:
        self.frames = [Frame("other" if other else "start")]
        self.last = _Last()
        self.reached = other

    def copy(self) -> Flow:
        """Return a flow that can be fed with what may come next."""
        flow = Flow.__new__(Flow)
        flow.frames = [replace(frame) for frame in self.frames[-DEPTH:]]
        flow.last = replace(self.last)
        flow.reached = self.reached
        return flow

    @property
    def complete(self) -> bool:
        """Whether the statement could end here."""
        frame, last = self.frames[-1], self.last
        pending = last.must or last.alias or last.dotted or frame.cases
        return len(self.frames) == 1 and not frame.wants and not pending

    @property
    def waits(self) -> bool:
        """Whether the statement cannot end here, whatever brackets are open."""
        last = self.last
        return self.frames[-1].wants or bool(last.must) or last.alias or last.dotted

    def feed(self, token: Token) -> bool:
        """Return whether a token can stand here, and take it."""
        if token.kind in BLANKS:
            return True
        last = self.last
        word = token.text.upper() if token.kind == "word" else ""
        if last.must:
            asked = word or ("name" if token.kind == "name" else token.text)
            if asked not in last.must and not (word and "name" in last.must):
                return False
            last.must = frozenset()
        fits = self._take(token, word)
        self.last.kind, self.last.word = token.kind, word
        return fits

    def recover(self) -> None:
        """Go on behind a token that did not fit, as behind an operand."""
        frame = self.frames[-1]
        frame.wants, frame.run = False, 1
        self.last = _Last()

    def _take(self, token: Token, word: str) -> bool:
        if self.last.dotted and token.kind in ("word", "name", "string", "operator"):
            self.last.dotted = False
            return token.kind != "operator" or token.text == "*"
        match token.kind:
            case "word":
                return self._word(word)
            case "string" | "name" | "number" | "param":
                return self._operand(token.kind)
            case "cast":
                self.last.dotted = True  # a type's name follows
                return not self.frames[-1].wants
            case "operator":
                return self._operator(token.text)
            case "mark":
                return self._mark(token.text)
        return self.frames[-1].clause == "any"

    def _operand(self, kind: str) -> bool:
        frame, last = self.frames[-1], self.last
        if frame.clause in ("start", "set", "values"):
            return False
        if last.alias:
            last.alias = False
            frame.run, frame.wants = 2, False
            return kind in ("word", "name", "string")
        if frame.wants:
            frame.run, frame.wants = 1, False
            self.reached = self.reached or frame.clause == "from"
            if frame.clause == "with":
                last.must = frozenset(("AS", "("))
            return True
        if kind in ("number", "string") and (last.word in TYPES or last.kind == "string" == kind):
            return True
        if frame.clause == "any":
            return True
        if kind in ("number", "param") or frame.run >= _ALIASED.get(frame.clause, 1):
            return False
        frame.run += 1
        return True

    def _operator(self, text: str) -> bool:
        frame = self.frames[-1]
        if frame.wants:
            if text == "*":
                frame.run, frame.wants = 1, False
                return frame.clause in ("list", "args", "any", "other")
            return text in "+-~" or frame.clause == "any"
        frame.wants, frame.run = True, 0
        return frame.clause not in ("from", "set", "values")

    def _mark(self, text: str) -> bool:
        frame, last = self.frames[-1], self.last
        if text in "([{":
            bracket = "args" if text == "(" else "any"
            fits = frame.wants or last.kind not in ("number", "string", "param")
            if frame.clause == "values" and frame.wants:
                self.reached = True
            if last.alias:  # WITH a AS (
                last.alias = False
            inner = "start" if frame.clause == "start" else bracket
            self.frames.append(Frame(inner))
            return fits
        if text in ")]}":
            if len(self.frames) == 1:
                return False
            closed = self.frames.pop()
            outer = self.frames[-1]
            if outer.wants:
                outer.wants, outer.run = False, 1
                self.reached = self.reached or outer.clause == "from"
            self.last = _Last()
            return not closed.wants or closed.run == 0
        if text == ",":
            if frame.clause == "on":
                frame.clause = "from"
            fits = not frame.wants and frame.clause != "where" and not frame.cases
            frame.wants, frame.run = True, 0
            return fits or frame.clause == "any"
        if text == ".":
            last.dotted = True
            return last.kind in ("word", "name") and not frame.wants
        return False  # a semicolon is the reader's affair

    def _word(self, word: str) -> bool:
        frame, last = self.frames[-1], self.last
        if frame.clause == "other" and word not in ("SELECT", "WITH"):
            return True
        if last.alias and word not in ("NOT", "MATERIALIZED"):
            return self._operand("word")
        if frame.wants and word in NAMES:
            return self._operand("word")
        if word in CLAUSES:
            return self._clause(word)
        if word in MUST and not (frame.wants and word != "OVER"):
            if word == "OVER":
                frame.wants = True
            last.must = MUST[word]
            return True
        if word in BETWEEN:
            fits = not frame.wants and frame.clause not in ("from", "set", "values", "start")
            frame.wants, frame.run = True, 0
            return fits
        if word in BEFORE:
            if word == "CASE":
                frame.cases += 1
            elif frame.clause == "set":
                return last.word in ("UNION", "INTERSECT", "EXCEPT")
            elif word == "ALL" and last.word in ("BY", "LIMIT"):
                frame.wants, frame.run = False, 1
                return True
            return frame.wants
        if word in _SPECIAL:
            return self._special(word)
        if last.word == "NOT" and word == "NULL":
            frame.wants, frame.run = False, max(frame.run, 1)
            return True
        if word in UNITS and last.kind in ("string", "number"):
            return True
        if last.word in ("WITH", "AT") and not frame.wants:
            return True
        if word in NEUTRAL:
            return self._neutral(word)
        return self._operand("word")

    def _neutral(self, word: str) -> bool:
        frame, last = self.frames[-1], self.last
        if frame.clause == "start":
            return word == "RECURSIVE"
        if frame.wants and word not in ("NOT", "RECURSIVE") and last.word != "FETCH":
            return self._operand("word")
        return True

    def _clause(self, word: str) -> bool:
        frame, last = self.frames[-1], self.last
        clause, wants = frame.clause, frame.wants
        if word in ("ON", "FROM") and last.word == "DISTINCT":
            return True
        if word == "FROM" and clause in ("args", "any"):  # EXTRACT(YEAR FROM …)
            frame.wants, frame.run = True, 0
            return True
        frame.clause, frame.wants, frame.run = CLAUSES[word], True, 0
        if word == "SELECT":
            # Behind a WITH's last bracket, or where the statement or a bracket begins.
            return clause in ("start", "set", "other", "any") or (
                (wants and clause == "args")
                or (not wants and clause == "with" and last.kind == "mark")
            )
        if word == "VALUES":
            return clause in ("start", "set", "args", "other", "with")
        if word == "FROM":
            if clause == "list":
                return not wants or last.kind == "mark"  # DuckDB takes a comma before FROM
            return clause in ("other", "set")
        if word in ("JOIN", "ON", "USING") and clause not in ("from", "on", "other", "any"):
            return False
        return not wants or clause == "args"

    def _special(self, word: str) -> bool:
        frame, last = self.frames[-1], self.last
        if word == "AS":
            last.alias = True
            return not frame.wants and frame.clause in (*_ALIASED, "with", "on")
        if word == "WITH":
            if frame.clause in ("start", "args") and frame.wants:
                frame.clause = "with"
                return True
            last.must = frozenset(("TIES", "TIME", "ORDINALITY", "ROLLUP", "NO", "DATA"))
            return frame.clause != "start"
        if frame.cases == 0:
            return word == "END" and self._operand("word")
        if word == "END":
            frame.cases -= 1
            fits, frame.wants, frame.run = not frame.wants, False, 1
            return fits
        fits = not frame.wants or last.word == "CASE"
        frame.wants, frame.run = True, 0
        return fits
