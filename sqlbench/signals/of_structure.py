"""Signals that read the statement's tree, with the schema's types: what is often a slip."""

from __future__ import annotations

from sqlglot import exp

from sqlbench.signals.cues import calculation_asked
from sqlbench.signals.reading import Measure, Reading, Register, shown
from sqlbench.signals.statement import AGGREGATES, Scope, Statement

signal = Register("structure")


@signal
def parses(r: Reading) -> Measure:
    """The statement parses."""
    return (0, "") if r.statement is not None else (1, "The statement does not parse.")


@signal.of_statement
def selects(r: Reading, s: Statement) -> Measure:
    """How many SELECTs there are."""
    return len(s.scopes)


@signal.of_statement
def conditions(r: Reading, s: Statement) -> Measure:
    """How many comparisons there are."""
    return s.count(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.In, exp.Between)


@signal.of_statement
def projections(r: Reading, s: Statement) -> Measure:
    """How many expressions are returned."""
    return len(s.projections)


@signal.of_statement
def grouped(r: Reading, s: Statement) -> Measure:
    """There is a GROUP BY."""
    return exp.Group in s.kinds


@signal.of_statement
def having(r: Reading, s: Statement) -> Measure:
    """There is a HAVING."""
    return exp.Having in s.kinds


@signal.of_statement
def ordered(r: Reading, s: Statement) -> Measure:
    """There is an ORDER BY."""
    return exp.Order in s.kinds


@signal.of_statement
def limited(r: Reading, s: Statement) -> Measure:
    """There is a LIMIT."""
    return exp.Limit in s.kinds


@signal.of_statement
def distinct(r: Reading, s: Statement) -> Measure:
    """There is a DISTINCT."""
    return exp.Distinct in s.kinds


@signal.of_statement
def set_operation(r: Reading, s: Statement) -> Measure:
    """The statement is a UNION (1), INTERSECT (2) or EXCEPT (3)."""
    for i, kind in enumerate((exp.Union, exp.Intersect, exp.Except), 1):
        if kind in s.kinds:
            return i
    return 0


@signal.of_statement
def aggregates(r: Reading, s: Statement) -> Measure:
    """How many aggregate functions there are."""
    return s.count(*AGGREGATES)


@signal.of_statement
def disjunctions(r: Reading, s: Statement) -> Measure:
    """How many OR there are."""
    return s.count(exp.Or)


@signal.of_statement
def cases(r: Reading, s: Statement) -> Measure:
    """How many CASE or IIF there are where neither a share nor a difference is asked for."""
    return 0 if calculation_asked(r.question) else s.count(exp.Case, exp.If)


@signal.of_statement
def functions(r: Reading, s: Statement) -> Measure:
    """How many functions and calculations there are where none is asked for."""
    return 0 if calculation_asked(r.question) else s.count(
        exp.Anonymous, exp.Substring, exp.Cast, exp.Coalesce, exp.Lower, exp.Upper, exp.Round,
        exp.Div, exp.Mul, exp.Sub, exp.Add, exp.TimeToStr, exp.Length,
    )  # fmt: skip


@signal.of_statement
def derived_tables(r: Reading, s: Statement) -> Measure:
    """How many SELECTs stand in a FROM or a WITH."""
    return sum(scope.kind == "derived" for scope in s.scopes)


@signal.of_statement
def windows(r: Reading, s: Statement) -> Measure:
    """There is a window function."""
    return exp.Window in s.kinds


@signal.of_statement
def bare_column(r: Reading, s: Statement) -> Measure:
    """A column is returned beside an aggregate, and is not grouped by: SQLite takes any row's."""
    for scope in s.scopes:
        found = _bare(r, scope)
        if found:
            return (1, f"{shown(found)} is neither grouped by nor aggregated.")
    return 0


@signal.of_statement
def group_not_key(r: Reading, s: Statement) -> Measure:
    """Rows are grouped by a name or text, where another row may have the same."""
    for scope in s.scopes:
        by = scope.used("group")
        named = [c for c in by if c.table]
        if named and not any(_key_like(r, c.table, c.name) for c in named):
            return 1
    return 0


@signal.of_statement
def group_not_returned(r: Reading, s: Statement) -> Measure:
    """What is grouped by is not returned."""
    if s.outer is None:
        return 0
    by = {c.full for c in s.outer.used("group")}
    return bool(by) and not by & {c.full for c in s.selected}


@signal.of_statement
def group_useless(r: Reading, s: Statement) -> Measure:
    """Rows are grouped, and nothing is aggregated."""
    for scope in s.scopes:
        if scope.clause("group") is not None and scope.select.find(*AGGREGATES) is None:
            return (1, "Rows are grouped, and nothing is aggregated.")
    return 0


@signal.of_statement
def aggregate_in_having_only(r: Reading, s: Statement) -> Measure:
    """A count decides which groups are returned, and is not returned."""
    if s.outer is None or s.outer.clause("having") is None:
        return 0
    return not any(p.find(*AGGREGATES) for p in s.outer.projections)


@signal.of_statement
def integer_division(r: Reading, s: Statement) -> Measure:
    """Whole numbers are divided: the fraction is lost."""
    for node in s.tree.find_all(exp.Div) if exp.Div in s.kinds else ():
        text = node.sql().lower()
        if "cast" in text or "." in "".join(x.this for x in node.find_all(exp.Literal)):
            continue
        if "avg" in text or "real" in text or "float" in text or "100.0" in text:
            continue
        return (1, "Whole numbers are divided, and the fraction is lost.")
    return 0


@signal.of_statement
def not_in_nulls(r: Reading, s: Statement) -> Measure:
    """NOT IN reads a column that holds NULLs: then nothing is returned."""
    for node in s.tree.find_all(exp.Not) if exp.Not in s.kinds else ():
        inner = node.this
        if not isinstance(inner, exp.In) or inner.args.get("query") is None:
            continue
        select = inner.args["query"].find(exp.Select)
        scope = next((x for x in s.scopes if x.select is select), None)
        for c in scope.used("select") if scope is not None else ():
            owner = r.catalogue.table(c.table) if c.table else None
            if owner is None:
                continue
            rows = r.ask(
                f"SELECT 1 FROM {r.catalogue.quoted(owner)} "
                f"WHERE {_quoted(r, c.name)} IS NULL LIMIT 1"
            )
            if rows is None:
                return None
            if rows:
                return (1, f"NOT IN reads {c.full}, which holds NULLs: nothing is returned.")
    return 0


@signal.of_statement
def equals_subquery(r: Reading, s: Statement) -> Measure:
    """A column is compared with an inner SELECT that is no aggregate and has no LIMIT 1."""
    for scope in s.scopes:
        node = scope.select.parent
        if scope.kind == "sub" and isinstance(node, exp.Subquery):
            outside = node.parent
            single = scope.clause("limit") is not None or any(
                isinstance(p, tuple(AGGREGATES)) for p in scope.projections
            )
            if isinstance(outside, (exp.EQ, exp.GT, exp.LT, exp.GTE, exp.LTE)) and not single:
                return 1
    return 0


@signal.of_statement
def subquery_unlike(r: Reading, s: Statement) -> Measure:
    """IN compares a column with another column of an inner SELECT that no key ties to it."""
    for node in s.tree.find_all(exp.In) if exp.In in s.kinds else ():
        query = node.args.get("query")
        if query is None or not isinstance(node.this, exp.Column):
            continue
        inner = query.find(exp.Select)
        scope = next((x for x in s.scopes if x.select is inner), None)
        own = next((c for c in s.columns if c.node is node.this), None)
        theirs = scope.used("select") if scope is not None else []
        if own is None or len(theirs) != 1 or own.name == theirs[0].name:
            continue
        a, b = (own.table, own.name), (theirs[0].table, theirs[0].name)
        tied = any(
            {
                (k.table.lower(), k.columns[0].lower()),
                (k.ref_table.lower(), k.ref_columns[0].lower()),
            }
            == {a, b}
            for k in r.catalogue.keys
        )
        if not tied and a != b:
            return (1, f"{own.full} is looked for in {theirs[0].full}, which no key ties to it.")
    return 0


@signal.of_statement
def same_column_twice(r: Reading, s: Statement) -> Measure:
    """One column must equal two different values at once."""
    for scope in s.scopes:
        where = scope.clause("where")
        if where is None or where.find(exp.Or) is not None:
            continue
        held: dict[str, str] = {}
        for x in scope.literals:
            if x.clause == "where" and x.operator == "=" and x.column is not None:
                name = x.column.node.sql().lower()
                if held.setdefault(name, x.text) != x.text:
                    return (1, f"{x.column.full} must equal two values at once.")
    return 0


@signal.of_statement
def selected_twice(r: Reading, s: Statement) -> Measure:
    """The same expression is returned twice."""
    names = {(type(p), p.name.lower()) for p in s.projections}
    if len(names) == len(s.projections):
        return 0
    return len({p.sql().lower() for p in s.projections}) < len(s.projections)


@signal.of_statement
def average_of_text(r: Reading, s: Statement) -> Measure:
    """A sum or average reads a column of texts."""
    for c in s.columns:
        if c.function in ("avg", "sum") and c.table:
            head = r.catalogue.values(c.table, c.name).found[:20]
            if head and all(isinstance(v, str) for v in head):
                return (1, f"{c.full} holds texts, and a sum or average is taken of it.")
    return 0


@signal.of_statement
def order_of_text(r: Reading, s: Statement) -> Measure:
    """Numbers that are written as text are ordered, or compared, as text."""
    for c in s.columns:
        if not c.table or not (c.clause == "order" or c.function in ("max", "min")):
            continue
        head = r.catalogue.values(c.table, c.name).found[:20]
        if head and all(isinstance(v, str) for v in head):
            digits = sum(v.strip().replace(".", "", 1).isdigit() for v in head)
            if digits > len(head) / 2 and not isinstance(c.node.parent, exp.Cast):
                return (1, f"{c.full} holds numbers as texts, which are ordered as texts.")
    return 0


@signal.of_statement
def order_of_name(r: Reading, s: Statement) -> Measure:
    """With a LIMIT, rows are ordered by a column of texts."""
    for scope in s.scopes:
        if scope.clause("limit") is None:
            continue
        for c in scope.used("order"):
            if c.function or not c.table:
                continue
            head = r.catalogue.values(c.table, c.name).found[:20]
            if head and not any(ch.isdigit() for v in head for ch in str(v)):
                return 1
    return 0


def _bare(r: Reading, scope: Scope) -> list[str]:
    group = scope.clause("group")
    aggregated = any(p.find(*AGGREGATES) is not None for p in scope.projections)
    if group is None and not aggregated:
        return []
    by = scope.used("group")
    names = {c.full for c in by} | {c.name for c in by}
    keyed = {c.table for c in by if _primary(r, c.table, c.name)}
    ordinals = group is not None and any(isinstance(e, exp.Literal) for e in group.expressions)
    if ordinals or (group is not None and not by):
        return []
    return [
        c.full
        for c in scope.used("select")
        if not c.function and c.full not in names and c.name not in names and c.table not in keyed
    ]


def _primary(r: Reading, table: str, name: str) -> bool:
    column = r.catalogue.column(table, name) if table else None
    return column is not None and column.primary_key


def _key_like(r: Reading, table: str, name: str) -> bool:
    if _primary(r, table, name) or name.endswith("id"):
        return True
    return any(
        (k.table.lower(), k.columns[0].lower()) == (table, name)
        or (k.ref_table.lower(), k.ref_columns[0].lower()) == (table, name)
        for k in r.catalogue.keys
    )


def _quoted(r: Reading, name: str) -> str:
    from sqlbench.databases.base import quote_name

    return quote_name(name, r.catalogue.dialect)
