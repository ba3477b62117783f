"""For a result that is empty: the conditions without which it would have rows.

Each condition of the WHERE, of the joins and of the HAVING is left out in turn, and the rows that
are then there are counted (up to `COUNTED`); a condition of the WHERE is also tried alone. Where a
part of a set operation is empty, that part is looked at. All of it runs in the sandbox, within
limits of its own; what a limit stops is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from sqlbench.databases.base import QueryResult
from sqlbench.signals.base import Emptying
from sqlbench.signals.catalogue import Catalogue

COUNTED = 1_000  # rows that are counted; more are as many
_QUERIES = 16  # extra statements for one result
_CONDITIONS = 8
_SAID = {"join": "ON ", "where": "", "having": "HAVING "}
_LONGEST = 120  # letters of a condition that are shown

Found = tuple[tuple[Emptying, ...], tuple[str, ...]]


def says_nothing(result: QueryResult) -> bool:
    """Return whether a result has no rows, or one row of nothing but zeros and NULLs."""
    rows = result.rows
    return not rows or (len(rows) == 1 and all(value in (None, 0) for value in rows[0]))


def emptying(tree: Any, catalogue: Catalogue) -> Found:
    """Return the conditions that empty a statement's result, and what is unknown of that.

    Parameters
    ----------
    tree : Expression
        The parsed statement, of which `says_nothing`.
    catalogue : Catalogue
        The database.
    """
    search = _Search(catalogue)
    found = tuple(search.of(tree))
    unknown = ("Which condition empties the result is not known: a limit was hit.",)
    return found, unknown if search.stopped else ()


class _Search:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._left = _QUERIES
        self.stopped = False

    def of(self, tree: Any) -> Iterator[Emptying]:
        """Yield what empties a query."""
        while isinstance(tree, exp.Subquery):
            tree = tree.this
        if isinstance(tree, exp.SetOperation):
            yield from self._of_parts(tree)
        elif isinstance(tree, exp.Select) and tree.args.get("from_") is not None:
            yield from self._of_select(tree)

    def _of_parts(self, tree: exp.SetOperation) -> Iterator[Emptying]:
        parts = [tree.left, tree.right]
        rows = [self._rows(_with(part.copy(), tree)) for part in parts]
        needed = parts if isinstance(tree, exp.Intersect) else parts[:1]
        if isinstance(tree, exp.Union):
            needed = parts
        for part, there in zip(needed, rows, strict=False):
            if there == 0:
                yield from self.of(_with(part.copy(), tree))
        if rows[0] and not isinstance(tree, exp.Union):
            name = "INTERSECT" if isinstance(tree, exp.Intersect) else "EXCEPT"
            if name == "EXCEPT" or rows[1]:
                yield Emptying(name, rows[0])

    def _of_select(self, select: exp.Select) -> Iterator[Emptying]:
        bare = _bare(select)
        conditions = list(_conditions(bare))[:_CONDITIONS]
        if self._rows(_without_any(bare)) == 0:
            for inner in _sources(bare):
                yield from self.of(inner)
            return
        alone: list[int | None] = []
        helped = False
        for place, (clause, part) in enumerate(conditions):
            without = self._rows(_without(bare, place))
            alone.append(self._rows(_only(bare, place)) if clause == "where" else None)
            if without:
                helped = True
                yield Emptying(self._shown(clause, part), without, alone[-1])
        # Where leaving out any one does not help, those that hold nowhere even alone are to blame.
        for (clause, part), there in zip(conditions, alone, strict=True):
            if not helped and there == 0:
                yield Emptying(self._shown(clause, part), 0, 0)

    def _shown(self, clause: str, part: Any) -> str:
        text: str = part.sql(dialect=self._catalogue.dialect)
        text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
        return f"{_SAID[clause]}{text}"

    def _rows(self, query: Any) -> int | None:
        """Return how many rows a query, a copy, has, up to `COUNTED`; None if that is unknown."""
        if self._left <= 0:
            self.stopped = True
            return None
        self._left -= 1
        text = query.sql(dialect=self._catalogue.dialect, copy=False)
        inner = f"SELECT 1 FROM ({text}) AS inner_rows LIMIT {COUNTED}"
        result = self._catalogue.ask(f"SELECT count(*) FROM ({inner}) AS counted")
        if result is None:
            self.stopped = True
            return None
        return int(result.rows[0][0])


def _with(part: Any, tree: Any) -> Any:
    """Return a part of a set operation with the WITH clause that the whole has."""
    clause = tree.args.get("with_")
    if clause is not None and part.args.get("with_") is None:
        part.set("with_", clause.copy())
    return part


def _bare(select: exp.Select) -> exp.Select:
    """Return a SELECT without what changes no row's presence, one row a group or a match."""
    bare = select.copy()
    for name in ("order", "limit", "offset", "distinct"):
        bare.set(name, None)
    if bare.args.get("group") is None and bare.args.get("having") is None:
        bare.set("expressions", [exp.Literal.number(1)])
    return bare


def _conditions(select: exp.Select) -> Iterator[tuple[str, Any]]:
    """Yield the conditions with their clause, in the order in which they are applied."""
    for join in select.args.get("joins") or ():
        for part in _conjuncts(join.args.get("on")):
            yield "join", part
    for clause in ("where", "having"):
        node = select.args.get(clause)
        for part in _conjuncts(node.this if node is not None else None):
            yield clause, part


def _conjuncts(node: Any) -> list[Any]:
    if node is None:
        return []
    while isinstance(node, exp.Paren):
        node = node.this
    return list(node.flatten()) if isinstance(node, exp.And) else [node]


def _without(select: exp.Select, place: int) -> exp.Select:
    """Return a SELECT without one of its conditions."""
    copy = select.copy()
    _, part = list(_conditions(copy))[place]
    part.replace(_always())
    return copy


def _without_any(select: exp.Select) -> exp.Select:
    """Return a SELECT without its WHERE and HAVING, and with joins that match every row."""
    copy = select.copy()
    copy.set("where", None)
    copy.set("having", None)
    for _, part in list(_conditions(copy)):
        part.replace(_always())
    return copy


def _sources(select: exp.Select) -> Iterator[Any]:
    """Yield the sub-queries that a SELECT reads from, those of its WITH clause first."""
    clause = select.args.get("with_")
    for cte in clause.expressions if clause is not None else ():
        yield cte.this
    tables = [select.args["from_"].this, *(j.this for j in select.args.get("joins") or ())]
    yield from (t for t in tables if isinstance(t, exp.Subquery))


def _always() -> exp.EQ:
    return exp.EQ(this=exp.Literal.number(1), expression=exp.Literal.number(1))


def _only(select: exp.Select, place: int) -> exp.Select:
    """Return a SELECT whose WHERE has only one of its conditions."""
    copy = select.copy()
    _, part = list(_conditions(copy))[place]
    copy.set("where", exp.Where(this=part.copy()))
    copy.set("having", None)
    return copy
