"""Signals that read the literals: those of the statement, of the question, and of the data."""

from __future__ import annotations

import re

from sqlglot import exp

from sqlbench.signals.catalogue import as_text
from sqlbench.signals.cues import calculation_asked
from sqlbench.signals.question import stem
from sqlbench.signals.reading import Measure, Reading, Register, shown
from sqlbench.signals.statement import LiteralUse, Statement

signal = Register("values")

_DATE = re.compile(r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|^[A-Z][a-z]{2,8} \d{1,2},? \d{4}")


# What tells a function how to work, by sqlglot's names of arguments: no question says '%Y'.
_SETTINGS = {"format", "start", "length", "decimals", "separator", "delimiter", "part_index"}


def _is_setting(x: LiteralUse) -> bool:
    call = x.node.parent
    return isinstance(call, (exp.Left, exp.Right)) or (
        isinstance(call, exp.Func) and x.node.arg_key in _SETTINGS
    )


def _texts(s: Statement) -> list[LiteralUse]:
    clauses = ("where", "having", "join")
    return [x for x in s.literals if not x.number and x.clause in clauses and not _is_setting(x)]


def _absent(r: Reading, s: Statement) -> tuple[list[LiteralUse], bool]:
    """Return the literals that their columns do not hold, and whether any is unknown."""
    found, unknown = [], False
    for x in s.literals:
        if x.column is None or not x.column.table or x.operator not in ("=", "in", "!="):
            continue
        if x.number and x.text in ("0", "1"):
            continue
        held = r.catalogue.holds(x.column.table, x.column.name, x.text, folded=x.folded)
        unknown = unknown or held is None
        if held is False and not in_blanks(r, x):
            found.append(x)
    return found, unknown


def in_blanks(r: Reading, x: LiteralUse) -> bool:
    """Return whether a column holds a literal but for blanks around it: the data's slip."""
    assert x.column is not None
    values = r.catalogue.values(x.column.table, x.column.name)
    held = values.folded.get(x.text.strip().casefold()) if values.known else None
    return held is not None and held != x.text and held.strip() == x.text.strip()


@signal.of_statement
def literal_absent(r: Reading, s: Statement) -> Measure:
    """How many literals their columns do not hold."""
    found, unknown = _absent(r, s)
    if not found:
        return None if unknown else 0
    x = found[0]
    assert x.column is not None
    return (len(found), f"{x.column.full} holds no {x.text!r}.")


@signal.of_statement
def literal_other_case(r: Reading, s: Statement) -> Measure:
    """A literal is there in other letters, capital or small."""
    for x in _absent(r, s)[0]:
        assert x.column is not None
        values = r.catalogue.values(x.column.table, x.column.name)
        held = values.folded.get(x.text.strip().casefold()) if values.known else None
        if held is not None:
            return (1, f"{x.column.full} holds {held!r}, not {x.text!r}.")
    return 0


@signal.of_statement
def literal_elsewhere(r: Reading, s: Statement) -> Measure:
    """A literal that its column does not hold is in another column."""
    index = r.links.vocabulary.values
    for x in _absent(r, s)[0]:
        homes = [h for h in index.get(_plain(x.text), ()) if x.column and h[1] != x.column.name]
        if homes:
            where = shown(f"{t}.{c}" for t, c in homes)
            return (1, f"{x.text!r} is not in {x.column.full}, but in {where}.")  # type: ignore[union-attr]
    return 0


@signal.of_statement
def literal_homes(r: Reading, s: Statement) -> Measure:
    """In how many other columns the literals would be found as well."""
    index = r.links.vocabulary.values
    return max((len(index.get(_plain(x.text), (0,))) - 1 for x in _texts(s)), default=0)


@signal.of_statement
def literal_not_said(r: Reading, s: Statement) -> Measure:
    """How many texts of the statement the question does not say."""
    found = [x.text for x in _texts(s) if not _said(r, x.text)]
    return (len(found), f"The question does not say {shown(map(repr, found))}.") if found else 0


@signal.of_statement
def text_count(r: Reading, s: Statement) -> Measure:
    """How many texts the statement compares with."""
    return len(_texts(s))


@signal.of_statement
def quoted_unused(r: Reading, s: Statement) -> Measure:
    """How many texts that the question, or its hint, has in quotes are not in the statement."""
    lower = s.sql.lower().replace("''", "'")
    given = [*r.question.quoted, *r.question.hint_texts]
    found = [q for q in dict.fromkeys(given) if q.lower().strip(" .,?") not in lower]
    return (len(found), f"The question's {shown(map(repr, found))} is not in it.") if found else 0


@signal.of_statement
def name_unused(r: Reading, s: Statement) -> Measure:
    """How many names with capital letters of the question are neither used nor of the schema."""
    used = _used_text(s)
    hits = r.links.hits
    found = []
    for name in r.question.names:
        words = [w for w in re.findall(r"[a-z0-9]+", name.lower()) if len(w) > 1]
        if words and not all(w in used or stem(w) in used or stem(w) in hits for w in words):
            found.append(name)
    return (len(found), f"The question's {shown(map(repr, found))} is not in it.") if found else 0


@signal.of_statement
def value_unused(r: Reading, s: Statement) -> Measure:
    """How many values of the database, named by the question, are not in the statement."""
    used = _used_text(s)
    found = [
        v.text
        for v in r.links.values
        if not all(w in used or stem(w) in used for w in v.text.split())
    ]
    return (len(found), f"{shown(map(repr, found))} of the question is not in it.") if found else 0


@signal.of_statement
def value_elsewhere(r: Reading, s: Statement) -> Measure:
    """A value that the question names is compared with a column that does not hold it."""
    for x in _texts(s):
        plain = _plain(x.text)
        for v in r.links.values:
            if v.text == plain and x.column is not None and x.column.table:
                names = {c for _, c in v.homes}
                if x.column.name not in names:
                    where = shown(f"{t}.{c}" for t, c in v.homes)
                    return (1, f"{x.text!r} is held by {where}, not by {x.column.full}.")
    return 0


@signal.of_statement
def literal_column_rank(r: Reading, s: Statement) -> Measure:
    """How much better the question's words fit another column that holds the literal."""
    worst, index = 0.0, r.links.vocabulary.values
    for x in _texts(s):
        if x.column is None or not x.column.table:
            continue
        own = r.links.score((x.column.table, x.column.name))
        others = [r.links.score(h) for h in index.get(_plain(x.text), ())]
        worst = max(worst, max(others, default=own) - own)
    return worst


@signal.of_statement
def number_unused(r: Reading, s: Statement) -> Measure:
    """How many numbers of the question are not in the statement."""
    have = set(_numbers(s))
    texts = " ".join(x.text for x in s.literals)
    own = {n for n in r.question.numbers if n in r.question.lower.replace(",", "")}
    found = [n for n in sorted(own) if n not in have and n not in texts]
    return (len(found), f"The question's {shown(found)} is not in the statement.") if found else 0


@signal.of_statement
def spelled_unused(r: Reading, s: Statement) -> Measure:
    """How many numbers in words, two and more, are not in the statement."""
    have = set(_numbers(s))
    near = have | {str(int(n) + d) for n in have if n.isdigit() for d in (-1, 1)}
    return sum(n not in near for n in r.question.spelled if n != "1")


@signal.of_statement
def number_not_said(r: Reading, s: Statement) -> Measure:
    """How many numbers of the statement the question does not say; 0 and 1 left out."""
    known = r.question.numbers | r.question.spelled
    free = ("0", "1", "100", "100.0", "1.0") if calculation_asked(r.question) else ("0", "1")
    found = [n for n in _numbers(s, settings=False) if n not in known and n not in free]
    found = [n for n in found if not _near_number(n, known)]
    said = shown(n.removesuffix(".") for n in found)  # SQL may write 100. for 100
    return (len(found), f"The question does not say {said}.") if found else 0


@signal.of_statement
def off_by_one(r: Reading, s: Statement) -> Measure:
    """A bound is one off the number that the question says."""
    known = r.question.numbers | r.question.spelled
    return any(n not in known and _near_number(n, known) for n in _numbers(s, settings=False))


@signal.of_statement
def like_used(r: Reading, s: Statement) -> Measure:
    """The statement compares by LIKE."""
    return any(x.operator == "like" for x in s.literals)


@signal.of_statement
def equals_many_words(r: Reading, s: Statement) -> Measure:
    """Where LIKE is used, the pattern without its signs is a whole value of the column."""
    for x in s.literals:
        if x.operator == "like" and x.column is not None and x.column.table:
            bare = x.text.strip("%").strip()
            if bare and r.catalogue.holds(x.column.table, x.column.name, bare):
                return (1, f"{x.column.full} holds {bare!r} itself, so LIKE may match more.")
    return 0


@signal.of_statement
def unlike_types(r: Reading, s: Statement) -> Measure:
    """A column of numbers is compared with a text, or one of texts with a number."""
    for x in s.literals:
        c = x.column
        if c is None or not c.table or x.operator not in ("=", "!=", ">", ">=", "<", "<=", "in"):
            continue
        if x.folded:  # lower() makes a text of a number
            continue
        values = r.catalogue.values(c.table, c.name)
        head = values.found[:20]
        if not head:
            continue
        texts = sum(isinstance(v, str) for v in head)
        if x.number and texts == len(head):
            return (1, f"{c.full} holds texts, and {x.text} is a number.")
        if not x.number and texts == 0 and not _DATE.match(x.text):
            return (1, f"{c.full} holds numbers, and {x.text!r} is a text.")
    return 0


@signal.of_statement
def date_format(r: Reading, s: Statement) -> Measure:
    """A date is compared with a column that writes dates in another way."""
    for x in s.literals:
        if x.column is None or not x.column.table or not _DATE.match(x.text):
            continue
        values = r.catalogue.values(x.column.table, x.column.name)
        shapes = {_shape(as_text(v)) for v in values.found[:50]}
        if shapes and _shape(x.text) not in {h[: len(_shape(x.text))] for h in shapes}:
            example = as_text(values.found[0])
            return (1, f"{x.column.full} writes dates as {example!r}, not as {x.text!r}.")
    return 0


def _numbers(s: Statement, *, settings: bool = True) -> list[str]:
    """Return the numbers of a statement, each once, in its order: they are shown."""
    literals = [x for x in s.literals if settings or not _is_setting(x)]
    numbers = [x.text for x in literals if x.number or x.text.replace(".", "", 1).isdigit()]
    return list(dict.fromkeys(numbers))


def _near_number(number: str, known: frozenset[str]) -> bool:
    return number.isdigit() and any(k.isdigit() and abs(int(k) - int(number)) == 1 for k in known)


def _said(r: Reading, text: str) -> bool:
    whole = r.question.whole
    bare = text.lower().strip("% ")
    if bare in whole:
        return True
    words = re.findall(r"[a-z0-9]+", bare)
    return bool(words) and all(stem(w) in r.question.all_stems for w in words)


def _used_text(s: Statement) -> set[str]:
    words = set()
    for x in s.literals:
        for w in re.findall(r"[a-z0-9]+", x.text.lower()):
            words |= {w, stem(w)}
    return words


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower().strip("%")))


def _shape(text: str) -> str:
    return re.sub(r"[A-Za-z]+", "a", re.sub(r"\d", "0", text))
