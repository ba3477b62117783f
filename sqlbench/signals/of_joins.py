"""Signals that read the joins, against the foreign keys of the schema."""

from __future__ import annotations

from sqlglot import exp

from sqlbench.signals.paths import tables_between
from sqlbench.signals.reading import Measure, Reading, Register, shown
from sqlbench.signals.statement import Scope, Statement

signal = Register("joins")


@signal.of_statement
def joins(r: Reading, s: Statement) -> Measure:
    """How many joins there are."""
    return s.count(exp.Join)


@signal.of_statement
def tables_used(r: Reading, s: Statement) -> Measure:
    """How many mentions of tables there are."""
    return len(s.tables)


@signal.of_statement
def join_without_condition(r: Reading, s: Statement) -> Measure:
    """How many joins have no condition that ties them."""
    found = 0
    for scope in s.scopes:
        free = [j for j in scope.joins if not _tied(j)]
        tied = len(_pairs(scope, "where"))
        found += max(0, len(free) - tied)
    return (found, "Tables are joined without a condition: every row meets every row.")


@signal.of_statement
def join_off_key(r: Reading, s: Statement) -> Measure:
    """How many joins follow no foreign key."""
    keys = _keys(r)
    found = [
        f"{a[0]}.{a[1]} = {b[0]}.{b[1]}"
        for scope in s.scopes
        for a, b in _pairs(scope, "join", "where")
        if a[0] and b[0] and a != b and frozenset((a, b)) not in keys
    ]
    return (len(found), f"{shown(found)} follows no foreign key.") if found else 0


@signal.of_statement
def join_same_target(r: Reading, s: Statement) -> Measure:
    """A join off the keys ties two columns that refer to the same one."""
    keys = _keys(r)
    for scope in s.scopes:
        for a, b in _pairs(scope, "join", "where"):
            if a != b and frozenset((a, b)) not in keys:
                near_a = {next(iter(k - {a})) for k in keys if a in k and len(k) == 2}
                near_b = {next(iter(k - {b})) for k in keys if b in k and len(k) == 2}
                if near_a & near_b:
                    return 1
    return 0


@signal.of_statement
def table_unused(r: Reading, s: Statement) -> Measure:
    """How many joined tables are used in nothing but joins."""
    found = [t for scope in s.scopes for t in _idle(r, scope)]
    return (len(found), f"{shown(found)} is joined, and nothing of it is used.") if found else 0


@signal.of_statement
def join_superfluous(r: Reading, s: Statement) -> Measure:
    """How many tables are joined that the path between the used ones does not need."""
    extra = 0
    for scope in s.scopes:
        idle = set(_idle(r, scope))
        if idle:
            needed = tables_between(
                r.catalogue, [t for t in dict.fromkeys(scope.tables) if t not in idle]
            )
            extra += len([t for t in idle if needed is not None and t not in needed])
    return extra


@signal.of_statement
def join_path_misses(r: Reading, s: Statement) -> Measure:
    """How many tables on the key path between those that are joined are not named."""
    found: list[str] = []
    for scope in s.scopes:
        tables = list(dict.fromkeys(scope.tables))
        if len(tables) > 1:
            path = tables_between(r.catalogue, tables)
            found += [t for t in path or () if t not in tables]
    return (len(found), f"The path over the keys runs through {shown(found)}.") if found else 0


@signal.of_statement
def join_no_path(r: Reading, s: Statement) -> Measure:
    """Tables are joined that no keys connect."""
    for scope in s.scopes:
        tables = list(dict.fromkeys(scope.tables))
        if len(tables) > 1 and tables_between(r.catalogue, tables) is None:
            return (1, f"No foreign keys connect {shown(tables)}.")
    return 0


@signal.of_statement
def self_join(r: Reading, s: Statement) -> Measure:
    """A table is joined with itself."""
    return any(len(set(scope.tables)) < len(scope.tables) for scope in s.scopes)


@signal.of_statement
def left_join(r: Reading, s: Statement) -> Measure:
    """There is a LEFT JOIN."""
    return any(j.side == "LEFT" for scope in s.scopes for j in scope.joins)


@signal.of_statement
def left_join_undone(r: Reading, s: Statement) -> Measure:
    """A LEFT JOIN's rows without a partner are dropped by the WHERE."""
    for scope in s.scopes:
        optional = {(j.this.alias or j.this.name).lower() for j in scope.joins if j.side == "LEFT"}
        for c in scope.used("where") if optional else ():
            node = c.node.parent
            kept = isinstance(node, (exp.Is, exp.Coalesce))
            if c.node.table.lower() in optional and not kept:
                return (1, f"The WHERE on {c.full} drops what the LEFT JOIN keeps.")
    return 0


@signal.of_statement
def join_two_keys(r: Reading, s: Statement) -> Measure:
    """Two tables are tied by another key than one that the question's words fit better."""
    best, keys = 0.0, r.catalogue.keys
    for scope in s.scopes:
        for a, b in _pairs(scope, "join"):
            if not a[0] or not b[0] or a[0] == b[0]:
                continue
            own = max(r.links.columns.get(a, 0), r.links.columns.get(b, 0))
            for key in keys:
                if {key.table.lower(), key.ref_table.lower()} == {a[0], b[0]}:
                    end = key.table.lower(), key.columns[0].lower()
                    if end not in (a, b):
                        best = max(best, r.links.columns.get(end, 0) - own + 0.01)
    return best


def _tied(join: exp.Join) -> bool:
    on = join.args.get("on")
    said = on is not None and not isinstance(on, exp.Boolean)
    return said or bool(join.args.get("using") or join.args.get("method"))


def _pairs(scope: Scope, *clauses: str) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Return the pairs of columns of two tables that a SELECT equates."""
    columns = {id(c.node): c for c in scope.columns if c.clause in clauses}
    found = []
    for c in list(columns.values()):
        node = c.node.parent
        if isinstance(node, exp.EQ) and node.left is c.node and id(node.right) in columns:
            other = columns[id(node.right)]
            if c.node.table.lower() != other.node.table.lower():
                found.append(((c.table, c.name), (other.table, other.name)))
    return found


def _keys(r: Reading) -> set[frozenset[tuple[str, str]]]:
    found = r.links.vocabulary.__dict__.get("key_pairs")
    if found is None:
        found = {
            frozenset(((k.table.lower(), a.lower()), (k.ref_table.lower(), b.lower())))
            for k in r.catalogue.keys
            for a, b in zip(k.columns, k.ref_columns, strict=True)
        }
        r.links.vocabulary.__dict__["key_pairs"] = found
    return found


def _idle(r: Reading, scope: Scope) -> list[str]:
    """Return the tables of a SELECT of which only joins use a column."""
    if len(scope.tables) < 2 or any(e.is_star for e in scope.select.expressions):
        return []
    used = {c.table for c in scope.columns if c.clause != "join"}
    if any(isinstance(p, exp.Count) and p.this is not None and p.this.is_star
           for p in scope.projections):  # fmt: skip
        return []
    return [t for t in dict.fromkeys(scope.tables) if t not in used]
