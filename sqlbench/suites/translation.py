"""A query of SQLite's in another engine's dialect: what sqlglot does, and what it cannot know.

sqlglot writes the other dialect's functions and puts NULLs where SQLite has them. What depends on
the schema is mended here, each by a rule with a name:

- ``strings``: a text in double quotes, which is no column, becomes a string.
- ``division``: of two integers it stays an integer's, and by zero it stays NULL.
- ``bare columns``: a column that is neither grouped nor aggregated is taken from the row of the one
  MIN or MAX, or from any row of the group, as SQLite does.
- ``like``: SQLite's LIKE does not tell capitals from small letters.
- ``types``: a text column that is compared with a number, or summed up, is made what SQLite makes
  of it.

A translation is no promise: whether it gives the same rows is for both engines to say
(`sqlbench.grading.translating`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import SqlglotError

from sqlbench.databases.base import Schema
from sqlbench.databases.trees import parse_one
from sqlbench.suites.typed import Known

RULES = ("strings", "division", "bare columns", "like", "types")
DIALECTS = ("duckdb", "postgres")

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_SUMS = (exp.Sum, exp.Avg)


class Untranslatable(Exception):
    """Raised where sqlglot cannot read a query, or cannot write it in the other dialect."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A query in another dialect.

    Attributes
    ----------
    sql : str
        The query.
    rules : tuple of str
        Which of `RULES` have changed it.
    """

    sql: str
    rules: tuple[str, ...]


def translate(
    sql: str, schema: Schema, to: str, *, rules: tuple[str, ...] = RULES, pretty: bool = False
) -> Translation:
    """Translate a query of SQLite's.

    Parameters
    ----------
    sql : str
        One SELECT.
    schema : Schema
        The SQLite database's.
    to : {"duckdb", "postgres"}
        The other dialect.
    rules : tuple of str
        Which rules may change it.
    pretty : bool
        Whether to lay it out on several lines.

    Raises
    ------
    Untranslatable
        If sqlglot cannot read it.
    """
    try:
        tree = parse_one(sql, "sqlite")
        used = [
            name
            for name, rule in _RULES.items()
            if name in rules and rule(tree, Known(tree, schema), to)
        ]
        if "division" in rules:
            for division in tree.find_all(exp.Div):
                if _is_not_zero(division.expression):
                    division.set("safe", None)
        if to == "postgres":
            _fold(tree, schema)
        return Translation(tree.sql(dialect=to, pretty=pretty), tuple(used))
    except (SqlglotError, RecursionError) as error:
        raise Untranslatable(" ".join(str(error).split())[:200]) from None


def _fold(tree: exp.Expr, schema: Schema) -> None:
    """Write the schema's names in small letters, as PostgreSQL reads those without quotes."""
    names = {t.name.lower() for t in schema.tables}
    names |= {c.name.lower() for t in schema.tables for c in t.columns}
    for name in tree.find_all(exp.Identifier):
        if name.args.get("quoted") and name.name.lower() in names:
            name.set("this", name.name.lower())


def _strings(tree: exp.Expr, known: Known, to: str) -> bool:
    """Make strings of texts in double quotes that are neither columns nor aliases."""
    aliases = {a.alias.lower() for a in tree.find_all(exp.Alias)}
    aliases |= {
        c.name.lower() for a in tree.find_all(exp.TableAlias) for c in a.args.get("columns") or ()
    }
    found = [
        c
        for c in tree.find_all(exp.Column)
        if isinstance(c.this, exp.Identifier)
        and c.this.quoted
        and not c.table
        and c.name.lower() not in known.columns | aliases
    ]
    for column in found:
        column.replace(exp.Literal.string(column.name))
    return bool(found)


def _division(tree: exp.Expr, known: Known, to: str) -> bool:
    """Divide integers as SQLite does, where the engine has another operator for it."""
    if to != "duckdb":
        return False  # PostgreSQL divides integers as SQLite does
    found = [d for d in tree.find_all(exp.Div) if known.divides_integers(d)]
    for division in found:
        right = division.expression
        safe = right if _is_not_zero(right) else exp.func("NULLIF", right, exp.Literal.number(0))
        division.replace(exp.IntDiv(this=_held(division.this), expression=_held(safe)))
    return bool(found)


def _bare_columns(tree: exp.Expr, known: Known, to: str) -> bool:
    """Say of a column that is not grouped which row's it is."""
    changed = False
    for select in list(tree.find_all(exp.Select)):
        aggregates = [n for n in _own(select) if isinstance(n, exp.AggFunc) and not _windowed(n)]
        if not aggregates and not select.args.get("group"):
            continue
        changed = _expanded(select, known) or changed
        edges = [a for a in aggregates if isinstance(a, exp.Min | exp.Max)]
        edge = edges[0] if len(edges) == 1 else None
        for column in [n for n in _own(select) if isinstance(n, exp.Column)]:
            if _is_bare(column, select):
                taken = _taken(column, edge, to)
                if isinstance(column.parent, exp.Select):
                    taken = exp.alias_(taken, column.name, quoted=column.this.quoted)
                column.replace(taken)
                changed = True
    return changed


def _number(column: exp.Column, to: str) -> exp.Expr:
    """Return what SQLite makes of a text in a sum: its number, or 0."""
    double = exp.DataType.build("DOUBLE")
    if to != "duckdb":  # which has no cast that fails in silence
        return exp.Cast(this=column.copy(), to=double)
    tried = exp.func("COALESCE", exp.TryCast(this=column.copy(), to=double), exp.Literal.number(0))
    return exp.Case().when(exp.Not(this=exp.Is(this=column.copy(), expression=exp.null())), tried)


def _like(tree: exp.Expr, known: Known, to: str) -> bool:
    """Let LIKE take capitals for small letters."""
    found = list(tree.find_all(exp.Like))
    for like in found:
        like.replace(exp.ILike(this=like.this, expression=like.expression))
    return bool(found)


def _types(tree: exp.Expr, known: Known, to: str) -> bool:
    """Compare a text column with a number, and sum one up, as SQLite does."""
    changed = False
    for comparison in list(tree.find_all(*_COMPARISONS)):
        for mine, other in (("this", "expression"), ("expression", "this")):
            column, value = comparison.args[mine], comparison.args[other]
            if not isinstance(column, exp.Column) or known.kind(column) != "text":
                continue
            if isinstance(value, exp.Literal) and not value.is_string:
                value.replace(exp.Literal.string(value.name))
                changed = True
            elif isinstance(value, exp.Column) and known.kind(value) in ("integer", "real"):
                value.replace(exp.cast(value.copy(), "TEXT"))
                changed = True
    for total in list(tree.find_all(*_SUMS)):
        if isinstance(total.this, exp.Column) and known.kind(total.this) == "text":
            total.this.replace(_number(total.this, to))
            changed = True
    for member in list(tree.find_all(exp.In)):
        inner = member.args.get("query")
        chosen = inner.this.selects if inner and isinstance(inner.this, exp.Select) else []
        column = member.this
        if not isinstance(column, exp.Column) or len(chosen) != 1:
            continue
        if (known.kind(column), known.kind(chosen[0].unalias())) == ("integer", "text"):
            column.replace(exp.cast(column.copy(), "TEXT"))
            changed = True
    return changed


_RULES: dict[str, Callable[[exp.Expr, Known, str], bool]] = {
    "strings": _strings,
    "types": _types,
    "division": _division,
    "bare columns": _bare_columns,
    "like": _like,
}


def _own(select: exp.Select) -> Iterator[exp.Expr]:
    """Yield the nodes of a SELECT's list, HAVING and ORDER BY, and of no select within."""
    parts = [*select.expressions, select.args.get("having"), select.args.get("order")]
    for part in parts:
        if part is not None:
            yield from part.walk(prune=lambda n: isinstance(n, exp.Select))


def _windowed(node: exp.Expr) -> bool:
    return isinstance(node.parent, exp.Window)


def _is_bare(column: exp.Column, select: exp.Select) -> bool:
    """Whether a column is neither grouped nor aggregated nor the name of a result's column."""
    if isinstance(column.this, exp.Star):
        return False
    node: exp.Expr | None = column
    while node is not None and node is not select:
        if isinstance(node, exp.AggFunc | exp.Window | exp.Select):
            return False
        if _is_key(node, select):
            return False
        if isinstance(node, exp.Order | exp.Having) and not column.table:
            aliases = {s.alias.lower() for s in select.selects if isinstance(s, exp.Alias)}
            if column.name.lower() in aliases:
                return False
        node = node.parent
    return node is select


def _is_key(node: exp.Expr, select: exp.Select) -> bool:
    group = select.args.get("group")
    for key in group.expressions if group is not None else ():
        if isinstance(key, exp.Literal) and key.is_int:
            place = int(key.name) - 1
            chosen = select.selects[place] if 0 <= place < len(select.selects) else None
            key = chosen.unalias() if chosen is not None else key
        if isinstance(key, exp.Column) and isinstance(node, exp.Column):
            same = key.name.lower() == node.name.lower()
            tables = {key.table.lower(), node.table.lower()} - {""}
            if same and len(tables) < 2:
                return True
        elif key == node:
            return True
        elif isinstance(key, exp.Column) and isinstance(node, exp.Alias):
            of_alias = not key.table and not isinstance(node.this, exp.Column)
            if of_alias and node.alias.lower() == key.name.lower():
                return True
    return False


def _taken(column: exp.Column, edge: exp.Expr | None, to: str) -> exp.Expr:
    """Return a column's value in the row of a MIN or MAX, or in any row."""
    if edge is None or isinstance(edge.this, exp.Distinct | exp.Star):
        return exp.func("ANY_VALUE", column.copy(), dialect=to)
    if to == "duckdb":
        name = "ARG_MIN" if isinstance(edge, exp.Min) else "ARG_MAX"
        return exp.Anonymous(this=name, expressions=[column.copy(), edge.this.copy()])
    order = exp.Order(
        expressions=[
            exp.Ordered(this=edge.this.copy(), desc=isinstance(edge, exp.Max), nulls_first=False)
        ]
    )
    rows = exp.ArrayAgg(this=exp.Order(this=column.copy(), expressions=order.expressions))
    return exp.Bracket(this=exp.Paren(this=rows), expressions=[exp.Literal.number(1)], offset=1)


def _expanded(select: exp.Select, known: Known) -> bool:
    """Write out the stars of a SELECT that groups, where its tables are known."""
    sources = [t for t in (select.args.get("from_"), *(select.args.get("joins") or ())) if t]
    tables = {
        t.this.alias_or_name.lower(): known.tables.get(t.this.name.lower())
        for t in sources
        if isinstance(t.this, exp.Table)
    }
    written: list[exp.Expr] = []
    for chosen in select.expressions:
        star = isinstance(chosen, exp.Star) or (
            isinstance(chosen, exp.Column) and isinstance(chosen.this, exp.Star)
        )
        if not star:
            written.append(chosen)
            continue
        named = [chosen.table.lower()] if isinstance(chosen, exp.Column) else list(tables)
        for name in named:
            columns = tables.get(name)
            if columns is None or len(tables) != len(sources):
                return False
            written += [exp.column(exp.to_identifier(c), table=name) for c in columns]
    if len(written) == len(select.expressions):
        return False
    select.set("expressions", written)
    return True


def _is_not_zero(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and float(node.name) != 0


def _held(node: exp.Expr) -> exp.Expr:
    copy = node.copy()
    return exp.Paren(this=copy) if isinstance(copy, exp.Binary) else copy
