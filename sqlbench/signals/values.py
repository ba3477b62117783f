"""For a literal that its column does not hold: what the database holds that may have been meant.

That is a value of the same column that is near, the same text in another column, or a value that
the question names and the statement does not. All three are ranked together (`near_values`); the
facts show them apart, because they are mended apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from sqlbench.signals.base import AbsentValue
from sqlbench.signals.catalogue import SEARCHED, Catalogue, full_name
from sqlbench.signals.likeness import is_short_for, words_of
from sqlbench.signals.statement import LiteralUse, Statement

WEIGHTS = {
    "alike": 1.6, "same": 0.4, "folded": 0.6, "own": 0.4, "short": 0.8, "asked": 3.1,
    "asked_words": 3.1, "in_scope": -0.6,
}  # fmt: skip
"""What each feature of a value adds to its score."""

_NEAR = 12  # values of the column that are scored, those nearest by letters
_SHOWN = 3
_GRAM = 6  # words of the question that may be one value
_WORD = re.compile(r"[^\W_]+(?:['.&+-][^\W_]+)*", re.UNICODE)


@dataclass(frozen=True, slots=True)
class NearValue:
    """A value that the database holds, with its column and its score: higher is likelier."""

    table: str
    column: str
    value: str
    score: float


def absent_values(
    statement: Statement, catalogue: Catalogue, question: str
) -> tuple[tuple[AbsentValue, ...], tuple[str, ...]]:
    """Return the literals that their columns do not hold, and what could not be looked up.

    Only texts that a column is equal to (``=``, ``IN``) count.

    Returns
    -------
    absent : tuple of AbsentValue
        In the order of the statement.
    unknown : tuple of str
        A sentence for each literal of which it is not known whether it is there.
    """
    found: dict[tuple[str, str], AbsentValue] = {}
    unknown: dict[tuple[str, str], str] = {}
    for literal in compared(statement):
        column = literal.column
        assert column is not None
        key = column.full, literal.text
        if key in found or key in unknown:
            continue
        held = catalogue.holds(column.table, column.name, literal.text, folded=literal.folded)
        if held is None:
            unknown[key] = (
                f"Whether {column.full} holds {literal.text!r} is not known: looking took too long."
            )
        elif not held:
            found[key] = _absent(literal, statement, catalogue, question)
    return tuple(found.values()), tuple(unknown.values())


def compared(statement: Statement) -> list[LiteralUse]:
    """Return the texts that a statement says a real column is equal to."""
    return [
        literal
        for literal in statement.literals
        if not literal.number
        and literal.operator in ("=", "in")
        and literal.column is not None
        and literal.column.table
        and literal.column.known
    ]


def near_values(
    literal: LiteralUse, statement: Statement, catalogue: Catalogue, question: str
) -> list[NearValue]:
    """Return values of the whole database that may have been meant, likeliest first.

    Parameters
    ----------
    literal : LiteralUse
        A text with the column that does not hold it.
    statement : Statement
        The whole statement.
    catalogue : Catalogue
        The database.
    question : str
        What was asked; it may be empty.
    """
    features = value_features(literal, statement, catalogue, question)
    scored = [
        NearValue(*place, sum(WEIGHTS[name] * value for name, value in found.items()))
        for place, found in features.items()
    ]
    scored.sort(key=lambda near: -near.score)
    best: dict[str, NearValue] = {}
    for near in scored:  # a value that several columns hold is named once
        best.setdefault(near.value, near)
    return list(best.values())


def value_features(
    literal: LiteralUse, statement: Statement, catalogue: Catalogue, question: str
) -> dict[tuple[str, str, str], dict[str, float]]:
    """Return what speaks for each value, by table, column and value."""
    column = literal.column
    assert column is not None
    own = column.table, column.name
    places: dict[tuple[str, str, str], None] = {}
    values = catalogue.values(*own)
    folded = {text: text.casefold() for text in values.texts}
    near = process.extract(literal.text.casefold(), folded, scorer=fuzz.WRatio, limit=_NEAR)
    for _, _, text in near:
        places[(*own, text)] = None
    tables = tuple(statement.tables)
    for place in catalogue.where(literal.text, tables).found:
        places[place.table.lower(), place.column.lower(), place.value] = None
    for table, name, text in named_values(question, catalogue, tables):
        places[table.lower(), name.lower(), text] = None
    # What the statement says elsewhere is meant there; the literal itself may stand there again.
    used = {o.text.casefold() for o in statement.literals if o.text != literal.text}
    asked = question.casefold()
    words = set(words_of(question))
    scope = set(tables)
    found = {}
    for table, name, text in places:
        if text.casefold() in used:
            continue
        there = words_of(text)
        found[table, name, text] = {
            "alike": fuzz.WRatio(literal.text.casefold(), text.casefold()) / 100,
            "same": float(text == literal.text),
            "folded": float(text.strip().casefold() == literal.text.strip().casefold()),
            "own": float((table, name) == own),
            "short": float(_is_short(literal.text, text) or _is_short(text, literal.text)),
            "asked": float(len(text) > 1 and text.casefold() in asked),
            "asked_words": sum(w in words for w in there) / len(there) if there else 0.0,
            "in_scope": float(table in scope),
        }
    return found


def named_values(
    question: str, catalogue: Catalogue, tables: tuple[str, ...] = ()
) -> list[tuple[str, str, str]]:
    """Return the values that a question names, with their tables and columns.

    Case is not regarded; a value of one or two letters, or a number, is not looked for.

    Parameters
    ----------
    question : str
        What was asked.
    catalogue : Catalogue
        The database: texts of its first `SEARCHED` columns, those of ``tables`` first.
    tables : tuple of str
        The tables of a statement.
    """
    words = _WORD.findall(question.casefold())
    grams = {
        " ".join(words[i : i + n]) for n in range(1, _GRAM + 1) for i in range(len(words) - n + 1)
    }
    grams |= {g[:-1] for g in grams if g.endswith("s")}
    grams = {g for g in grams if len(g) > 2 and g not in _COMMON}
    pairs = sorted(catalogue.each_column(), key=lambda p: full_name(p[0]).lower() not in tables)
    found = []
    for table, column in pairs[:SEARCHED]:
        values = catalogue.values(full_name(table), column.name)
        for gram in sorted(grams & values.folded.keys()):
            if isinstance(values.texts[values.folded[gram]], str):
                found.append((full_name(table), column.name, values.folded[gram]))
    return found


_common_words = (
    "the and are for all any how many much what which who whose when where with each their than "
    "that this these those has have had not was were from does did name names list show find give "
    "number both other more most least less one two three"
)
_COMMON = frozenset(_common_words.split())


def _absent(
    literal: LiteralUse, statement: Statement, catalogue: Catalogue, question: str
) -> AbsentValue:
    column = literal.column
    assert column is not None
    near = near_values(literal, statement, catalogue, question)
    # A value that several columns hold is named once, and perhaps as another column's.
    held = set(catalogue.values(column.table, column.name).texts)
    own = [n.value for n in near if n.value in held]
    places = catalogue.where(literal.text, tuple(statement.tables)).found
    elsewhere = [f"{p.table}.{p.column}" for p in places if p.exact]
    sampled = catalogue.values(column.table, column.name).sampled
    return AbsentValue(
        column.full, literal.text, tuple(own[:_SHOWN]), tuple(elsewhere[:_SHOWN]), sampled
    )


def _is_short(short: str, long: str) -> bool:
    letters = "".join(c for c in short.casefold() if c.isalnum())
    return 1 < len(letters) < len(long) and is_short_for(letters, words_of(long))
