"""What the database holds instead: the facts of an answer, and the sentences that say them.

Facts are looked up only where there is something to mend: a name that does not exist, a text that
its column does not hold, a join that leaves the keys, a result that says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlbench.databases.base import Outcome, QueryError, QueryResult
from sqlbench.episodes.errors import ErrorClass, classify_error, extract_offending_token
from sqlbench.signals.base import AbsentValue, Emptying, Facts, JoinPath, NearNames
from sqlbench.signals.catalogue import Catalogue
from sqlbench.signals.emptied import COUNTED, emptying, says_nothing
from sqlbench.signals.names import Near, near_columns, near_tables, nearest_by_name
from sqlbench.signals.paths import join_path, missed_paths
from sqlbench.signals.statement import Statement
from sqlbench.signals.unknown import unknown_columns
from sqlbench.signals.values import absent_values
from sqlbench.words import counted

_SHOWN = 3


def gather_facts(
    statement: Statement | None, catalogue: Catalogue, question: str, outcome: Outcome
) -> Facts:
    """Return what the database holds instead of what an answer names.

    Parameters
    ----------
    statement : Statement or None
        None if the text does not parse; then the error's message is all that names anything.
    catalogue : Catalogue
        The database.
    question : str
        What was asked; it may be empty.
    outcome : QueryResult or QueryError
        What the statement's run gave.
    """
    if statement is None:
        return Facts(names=_named_by(outcome, catalogue))
    names: tuple[NearNames, ...] = ()
    owners: list[tuple[str, ...]] = []
    if isinstance(outcome, QueryError):  # what runs finds all its names, also those no schema shows
        names, owners = _unknown_names(statement, catalogue, question)
    values, unknown = absent_values(statement, catalogue, question)
    paths = list(missed_paths(statement, catalogue))
    for needed in owners:
        # A column is meant that none of the statement's tables has: the way to the table that does.
        path = join_path(catalogue, needed)
        if path is not None and path.tables not in {p.tables for p in paths}:
            paths.append(path)
    emptied: tuple[Emptying, ...] = ()
    if isinstance(outcome, QueryResult) and says_nothing(outcome):
        emptied, stopped = emptying(statement.tree, catalogue)
        unknown += stopped
    return Facts(names, values, tuple(paths), emptied, unknown)


def sentences(facts: Facts) -> tuple[str, ...]:
    """Return facts as sentences, for a prompt or a person; those that are unknown come last."""
    said = [
        *(_names_text(n) for n in facts.names),
        *(_value_text(v) for v in facts.values),
        *(_path_text(p) for p in facts.paths),
        *(_emptied_text(e) for e in facts.emptied),
        *facts.unknown,
    ]
    return tuple(dict.fromkeys(said))


def _unknown_names(
    statement: Statement, catalogue: Catalogue, question: str
) -> tuple[tuple[NearNames, ...], list[tuple[str, ...]]]:
    """Return the nearest names, and the sets of tables that a column meant would need."""
    found: dict[tuple[str, str], NearNames] = {}
    owners: list[tuple[str, ...]] = []
    for name in statement.unknown_tables:
        near = near_tables(name, statement, catalogue, question)
        found.setdefault((name.lower(), "table"), _near_names(name, "table", near))
    for uses in unknown_columns(statement):
        near = near_columns(uses, statement, catalogue, question)
        node = uses[0].node
        name = f"{node.table}.{node.name}" if node.table else node.name
        found.setdefault((name.lower(), "column"), _near_names(name, "column", near))
        tables = list(dict.fromkeys(uses[0].scope.tables))
        if near and tables and near[0].table.lower() not in tables:
            owners.append((*tables, near[0].table))
    return tuple(found.values()), owners


def _named_by(outcome: Outcome, catalogue: Catalogue) -> tuple[NearNames, ...]:
    """Return the nearest names for the one that an error's message names."""
    if not isinstance(outcome, QueryError):
        return ()
    name, error = extract_offending_token(outcome), classify_error(outcome)
    if not name or error not in (ErrorClass.NO_SUCH_COLUMN, ErrorClass.NO_SUCH_TABLE):
        return ()
    kind = "column" if error is ErrorClass.NO_SUCH_COLUMN else "table"
    return (_near_names(name, kind, nearest_by_name(name, kind, catalogue)),)


def _near_names(name: str, kind: str, near: Sequence[Near]) -> NearNames:
    shown = [f"{n.table}.{n.column}" if n.column else n.table for n in near[:_SHOWN]]
    return NearNames(name, kind, tuple(shown))


def _names_text(names: NearNames) -> str:
    if names.kind == "table":
        text = f"There is no table {names.name}"
    else:
        text = f"There is no column {names.name}"
    return f"{text}; the nearest: {_listed(names.nearest)}." if names.nearest else f"{text}."


def _value_text(value: AbsentValue) -> str:
    text = f"{value.column} does not hold {value.literal!r}"
    if value.nearest:
        text += f"; the nearest that it holds: {_listed(repr(v) for v in value.nearest)}"
    if value.elsewhere:
        text += f"; {', '.join(value.elsewhere)} holds {value.literal!r}"
    return f"{text} (of its values a sample was looked at)." if value.sampled else f"{text}."


def _path_text(path: JoinPath) -> str:
    named = [t for t in path.tables if t not in path.missing]
    text = f"The keys join {_listed(named)}"
    if path.missing:
        text += f" by way of {_listed(path.missing)}"
    return f"{text}: {' AND '.join(path.conditions)}."


def _emptied_text(emptied: Emptying) -> str:
    if not emptied.rows:
        return f"No row meets the condition {emptied.condition}."
    rows = counted(emptied.rows, "row") + (" or more" if emptied.rows >= COUNTED else "")
    if emptied.condition in ("INTERSECT", "EXCEPT"):
        return f"{emptied.condition} leaves nothing of {rows}."
    if emptied.alone == 0:
        return f"No row meets the condition {emptied.condition}; without it there are {rows}."
    return f"Without the condition {emptied.condition} there are {rows}."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
