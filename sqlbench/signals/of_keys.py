"""Signals that read what is a key, and what only refers to one."""

from __future__ import annotations

import re

from sqlglot import exp

from sqlbench.signals.of_values import in_blanks
from sqlbench.signals.reading import Measure, Reading, Register, shown
from sqlbench.signals.statement import ColumnUse, Statement

signal = Register("keys")

_ID_WORDS = {"id", "identifier", "code", "number", "key", "no"}


@signal.of_statement
def selects_reference(r: Reading, s: Statement) -> Measure:
    """How many selected columns only refer to another table, where no key is asked for."""
    if _ID_WORDS & set(r.question.stems):
        return 0
    found = []
    for scope in s.outers:
        for c in scope.used("select"):
            target = _target(r, c)
            if target and not c.function and (target not in scope.tables or _describes(r, target)):
                found.append(f"{c.full} (which refers to {target})")
    return (len(found), f"A key is selected: {shown(found)}.") if found else 0


@signal.of_statement
def selects_reference_named(r: Reading, s: Statement) -> Measure:
    """A selected column refers to a table that the question names, which is not used."""
    for c in s.selected:
        target = _target(r, c)
        if target and target not in s.tables and r.links.tables.get(target, 0) >= 0.6:
            return (1, f"{c.full} refers to {target}, which the question names and is not used.")
    return 0


@signal.of_statement
def selects_surrogate(r: Reading, s: Statement) -> Measure:
    """A number that is a table's own key is selected, and no key is asked for."""
    if _ID_WORDS & set(r.question.stems):
        return 0
    found = [c.full for c in s.selected if not c.function and _own_key(r, c)]
    return (len(found), f"{shown(found)} is only a key, and none is asked for.") if found else 0


@signal.of_statement
def key_compared(r: Reading, s: Statement) -> Measure:
    """A key is compared with a number that neither question nor hint gives."""
    known = r.question.numbers | r.question.spelled
    for x in s.literals:
        c = x.column
        if c is None or not x.number or x.operator != "=" or x.text in known:
            continue
        if _own_key(r, c) or _target(r, c):
            return (1, f"{c.full} is compared with {x.text}, which nobody said.")
    return 0


@signal.of_statement
def selected_better_elsewhere(r: Reading, s: Statement) -> Measure:
    """How much better a column of a table that is not used fits a selected one's words."""
    worst, said = 0.0, ""
    used = {c.name for c in s.columns if c.clause != "join"}
    for c in s.selected:
        key = (c.table, c.name)
        own, places = r.links.columns.get(key, 0.0), set(r.links.places.get(key, ()))
        if own >= 0.99 or not places:
            continue
        for other, score in r.links.columns.items():
            if other[0] in s.tables or other[1] in used or score - own <= worst:
                continue
            if places & set(r.links.places[other]):
                worst = score - own
                said = f"The question's words fit {other[0]}.{other[1]} better than {c.full}."
    return (worst, said) if worst else 0


@signal.of_statement
def negated_on_many(r: Reading, s: Statement) -> Measure:
    """A "!=" reads one of several rows: it says that some row differs, not that none is equal."""
    for scope in s.scopes:
        for c in scope.used("where"):
            node = c.node.parent
            if not isinstance(node, exp.NEQ) and not (
                isinstance(node, (exp.Like, exp.EQ)) and isinstance(node.parent, exp.Not)
            ):
                continue
            for other in scope.used("select"):
                if _many_for(r, c.table, other):
                    said = f"{c.table} has several rows for one {other.full}: some differ, not all."
                    return (1, said)
    return 0


@signal.of_statement
def set_not_key(r: Reading, s: Statement) -> Measure:
    """INTERSECT or EXCEPT compares a column that several rows may share."""
    if not s.count(exp.Intersect, exp.Except):
        return 0
    for c in s.selected:
        if c.table and not _unique(r, c.table, c.name) and not _target(r, c):
            return (1, f"Rows are compared by {c.full}, which several may share.")
    return 0


@signal.of_statement
def group_name_shared(r: Reading, s: Statement) -> Measure:
    """Rows are grouped by a describing column that several rows of its table share."""
    for scope in s.scopes:
        by = [c for c in scope.used("group") if c.table]
        if not by or any(
            _own_key(r, c) or _target(r, c) or _unique(r, c.table, c.name) for c in by
        ):
            continue
        if len(scope.tables) > 1:
            return (1, f"Rows are grouped by {by[0].full}, which several may share.")
    return 0


@signal.of_statement
def name_shared(r: Reading, s: Statement) -> Measure:
    """A value that is compared with "=" is of a column in which it may be there twice."""
    for x in s.literals:
        c = x.column
        if c is not None and c.table and x.operator == "=" and not x.number:
            return not _unique(r, c.table, c.name)
    return 0


@signal.of_statement
def extreme_of_many(r: Reading, s: Statement) -> Measure:
    """How many tables are joined where rows are ordered and cut off by a plain column."""
    scope = s.outer
    if scope is None or not scope.clause("limit") or scope.clause("group") is not None:
        return 0
    plain = [c for c in scope.used("order") if not c.function]
    return len(scope.tables) - 1 if plain else 0


@signal.of_statement
def equals_null(r: Reading, s: Statement) -> Measure:
    """Something is compared with NULL by "=", which never holds."""
    for node in s.tree.find_all(exp.EQ, exp.NEQ) if exp.Null in s.kinds else ():
        if isinstance(node.left, exp.Null) or isinstance(node.right, exp.Null):
            return (1, "A comparison with NULL by = never holds; IS NULL does.")
    return 0


@signal.of_statement
def literal_blanks(r: Reading, s: Statement) -> Measure:
    """The column holds a text with blanks around it that the statement leaves out."""
    for x in s.literals:
        c = x.column
        if c is None or not c.table or x.number or x.operator not in ("=", "in", "!="):
            continue
        if in_blanks(r, x):
            return (1, f"{c.full} holds {x.text!r} with blanks around it.")
    return 0


@signal.of_statement
def hint_column_unused(r: Reading, s: Statement) -> Measure:
    """How many columns that the hint names are not used; unknown without a hint."""
    if not r.question.hint:
        return None
    text = s.sql.lower()
    found = set()
    for column in r.question.hint_names:
        if r.catalogue.homes(column) and column not in text:
            found.add(column)
    return (
        (len(found), f"The hint names {shown(sorted(found))}, which is not used.") if found else 0
    )


@signal.of_statement
def hint_text_unused(r: Reading, s: Statement) -> Measure:
    """How many texts that the hint compares with are not in the statement."""
    if not r.question.hint:
        return None
    text = s.sql.lower().replace("''", "'")
    found = [t for t in r.question.hint_texts if t.lower() not in text]
    return (len(found), f"The hint's {shown(map(repr, found))} is not in it.") if found else 0


@signal.of_statement
def hint_extra(r: Reading, s: Statement) -> Measure:
    """How many columns are used in conditions or returned that neither question nor hint names."""
    if not r.question.hint:
        return None
    hint = r.question.hint.lower()
    found = {
        c.full for c in s.columns
        if c.clause in ("select", "where") and c.name not in hint
        and r.links.columns.get((c.table, c.name), 0) < 0.6
    }  # fmt: skip
    return (len(found), f"Neither question nor hint names {shown(sorted(found))}.") if found else 0


def _target(r: Reading, c: ColumnUse) -> str:
    """Return the table that a column refers to, "" if none."""
    targets: dict[tuple[str, str], str] = r.links.vocabulary.__dict__.setdefault("targets", {})
    if not targets:
        targets["", ""] = ""
        for key in r.catalogue.keys:
            if len(key.columns) == 1 and key.table.lower() != key.ref_table.lower():
                targets[key.table.lower(), key.columns[0].lower()] = key.ref_table.lower()
    return targets.get((c.table, c.name), "")


def _describes(r: Reading, table: str) -> bool:
    """Return whether a table has a column of texts: a name for its key."""
    columns = r.catalogue.columns(table).values()
    return any(not c.primary_key and re.search("char|text|clob", c.type, re.I) for c in columns)


def _own_key(r: Reading, c: ColumnUse) -> bool:
    column = r.catalogue.column(c.table, c.name) if c.table else None
    if column is None or not column.primary_key:
        return False
    keys = [k for k in r.catalogue.columns(c.table).values() if k.primary_key]
    return len(keys) == 1 and bool(re.search("int|serial|number|numeric", column.type, re.I))


def _unique(r: Reading, table: str, name: str) -> bool:
    """Return whether every row of a table has a value of its own in a column."""
    column, owner = r.catalogue.column(table, name), r.catalogue.table(table)
    if column is None or owner is None:
        return False
    keys = [c for c in r.catalogue.columns(table).values() if c.primary_key]
    if column.primary_key and len(keys) == 1:
        return True
    values = r.catalogue.values(table, name)
    return values.known and not values.sampled and len(values.found) == owner.row_count


def _many_for(r: Reading, table: str, selected: ColumnUse) -> bool:
    """Return whether a table has several rows for one value of a selected column."""
    if not table or not selected.table:
        return False
    if table == selected.table:
        return bool(_target(r, selected)) and not _unique(r, table, selected.name)
    return any(
        k.table.lower() == table and k.ref_table.lower() == selected.table
        and not _unique(r, table, k.columns[0].lower())
        for k in r.catalogue.keys
    )  # fmt: skip
