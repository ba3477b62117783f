"""Does a benchmark tell right from nearly right? Wrong variants of each gold, and who notices.

Mutation analysis (DeMillo, Lipton and Sayward 1978) turned on a benchmark, as test suites for SQL
are judged (Tuya, Suárez-Cabal and de la Riva 2007): each gold query is changed in one small way,
and the variant is graded against the gold like any prediction. A variant that is judged right
*survives*: the data do not show the difference, or there is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from sqlbench.databases.base import Column, QueryError, Table
from sqlbench.grading import Golds, InvalidGoldError, compare
from sqlbench.grading.edits import Change, Query, is_date, is_number, swap, without
from sqlbench.grading.gold import Gold
from sqlbench.grading.metrics import find_metric
from sqlbench.stats import Rate, wilson
from sqlbench.suites.base import Question, Suite

# How many other columns of like type are tried in each place; all would swamp the other kinds.
_OTHERS = 2
_AGGREGATES: dict[type[exp.Expr], tuple[type[exp.AggFunc], ...]] = {
    exp.Sum: (exp.Avg, exp.Max),
    exp.Avg: (exp.Sum, exp.Max),
    exp.Max: (exp.Min,),
    exp.Min: (exp.Max,),
}
_OFF_BY_ONE: dict[type[exp.Expr], type[exp.Binary]] = {
    exp.GT: exp.GTE,
    exp.GTE: exp.GT,
    exp.LT: exp.LTE,
    exp.LTE: exp.LT,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One wrong variant of a question's gold query.

    Attributes
    ----------
    question : Question
        Whose gold was changed.
    kind : str
        One of `KINDS`.
    sql : str
        The variant.
    reason : str
        The verdict's reason: ``match`` if it survived, ``invalid`` if it does not run (it is
        then counted apart, for the database notices it, not the benchmark).
    """

    question: Question
    kind: str
    sql: str
    reason: str

    @property
    def killed(self) -> bool:
        """Whether its verdict differs from the gold's own."""
        return self.reason not in ("match", "invalid")


@dataclass(frozen=True)
class Mutation:
    """The mutants of a suite.

    Attributes
    ----------
    mutants : tuple of Mutant
        In the order of the questions.
    skipped : tuple of str
        Questions without a gold query that runs, or whose gold gives another result when it is
        written out from its tree.
    """

    mutants: tuple[Mutant, ...]
    skipped: tuple[str, ...] = ()

    @property
    def valid(self) -> list[Mutant]:
        """The mutants that run."""
        return [m for m in self.mutants if m.reason != "invalid"]

    @property
    def survivors(self) -> list[Mutant]:
        """The mutants that are judged right."""
        return [m for m in self.valid if not m.killed]

    @property
    def rate(self) -> Rate:
        """The share of the mutants that run which gets another verdict."""
        return _rate(self.valid)

    def by(self, key: Callable[[Mutant], str]) -> dict[str, Rate]:
        """Return the share by kind, question or whatever else, in order of appearance."""
        groups: dict[str, list[Mutant]] = {}
        for mutant in self.valid:
            groups.setdefault(key(mutant), []).append(mutant)
        return {name: _rate(mutants) for name, mutants in groups.items()}

    def invalid(self) -> Counter[str]:
        """Return how many mutants of each kind do not run."""
        return Counter(m.kind for m in self.mutants if m.reason == "invalid")


def mutate_suite(suite: Suite, metric: str = "exact", task: str | None = None) -> Mutation:
    """Make the mutants of every gold query, run them in the sandbox, and grade them.

    Parameters
    ----------
    suite : Suite
        Any suite.
    metric : str
        How results are compared, see `sqlbench.grading.METRICS`.
    task : str or None
        Only this task's questions.
    """
    golds, prepare = Golds(suite, metric), find_metric(metric).prepare
    mutants: list[Mutant] = []
    skipped: list[str] = []
    for question in suite.questions([task] if task is not None else None):
        try:
            gold = golds.get(question)
        except InvalidGoldError:
            gold = None
        if gold is None or question.gold is None:
            skipped.append(question.id)
            continue
        query = Query(question.gold, gold.database.schema())
        if query.tree is None:
            skipped.append(question.id)
            continue
        if not _is_unchanged(query, gold, metric):
            skipped.append(question.id)
            continue
        for kind, sql in variants(query):
            try:
                reason = compare(gold, gold.database.execute(prepare(sql)), metric).reason
            except QueryError as error:
                reason = "timeout" if error.timeout else "invalid"
            mutants.append(Mutant(question, kind, sql, reason))
    return Mutation(tuple(mutants), tuple(skipped))


def _is_unchanged(query: Query, gold: Gold, metric: str) -> bool:
    """Whether a gold gives its own result when it is written out from its tree, without a change.

    Else each of its variants would differ by that, too.
    """
    sql = find_metric(metric).prepare_gold(query.sql)
    try:
        return compare(gold, gold.database.execute(sql), metric).match
    except QueryError:
        return False


def variants(query: Query) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each variant of a query, none twice.

    Edits that no database can tell from the original are left out: DISTINCT added where rows are
    distinct by the query's own form, or below IN and EXISTS; the order of rows that nobody sees;
    columns in GROUP BY that stand beside their table's key.
    """
    seen = {query.sql}
    for kind, edit in KINDS.items():
        for changes in edit(query):
            sql = query.render(*changes)
            if sql not in seen:
                seen.add(sql)
                yield kind, sql


Edit = Callable[[Query], Iterator[tuple[Change, ...]]]


def _dropped_condition(query: Query) -> Iterator[tuple[Change, ...]]:
    yield from _dropped(query, exp.Where)


def _dropped_having(query: Query) -> Iterator[tuple[Change, ...]]:
    yield from _dropped(query, exp.Having)


def _dropped(query: Query, kind: type[exp.Expr]) -> Iterator[tuple[Change, ...]]:
    for clause in query.nodes(kind):
        conditions = list(clause.this.flatten()) if isinstance(clause.this, exp.And) else []
        for condition in conditions:
            rest = [c.copy() for c in conditions if c is not condition]
            yield ((clause, "this", exp.and_(*rest)),)
        if not conditions:
            yield (without(clause),)


def _other_aggregate(query: Query) -> Iterator[tuple[Change, ...]]:
    for node in query.nodes(exp.AggFunc):
        for kind in _AGGREGATES.get(type(node), ()):
            yield (swap(node, kind(this=node.this.copy())),)
        counted = node.this
        if isinstance(node, exp.Count) and isinstance(counted, exp.Column):
            yield ((node, "this", exp.Star()),)


def _distinct_dropped(query: Query) -> Iterator[tuple[Change, ...]]:
    for node in query.nodes(exp.Distinct):
        if isinstance(node.parent, exp.Select):
            if not _below_a_set(node.parent):
                yield (without(node),)
        elif len(node.expressions) == 1:
            yield (swap(node, node.expressions[0].copy()),)
    for union in query.nodes(exp.Union):
        if union.args.get("distinct") and not _below_a_set(union):
            yield ((union, "distinct", False),)


def _distinct_added(query: Query) -> Iterator[tuple[Change, ...]]:
    for select in query.selects:
        if select.args.get("distinct") is None and not (
            _below_a_set(select) or _has_distinct_rows(query, select)
        ):
            yield ((select, "distinct", exp.Distinct()),)
    for node in query.nodes(exp.AggFunc):
        if isinstance(node, (exp.Count, exp.Sum, exp.Avg)) and _may_repeat(query, node):
            yield ((node, "this", exp.Distinct(expressions=[node.this.copy()])),)
    for union in query.nodes(exp.Union):
        if not union.args.get("distinct") and not _below_a_set(union):
            yield ((union, "distinct", True),)


def _other_join(query: Query) -> Iterator[tuple[Change, ...]]:
    for node in query.nodes(exp.Join):
        if node.args.get("on") is not None or node.args.get("using"):
            side = None if node.side else "LEFT"
            yield ((node, "side", side), (node, "kind", None))


def _off_by_one(query: Query) -> Iterator[tuple[Change, ...]]:
    for node in [n for kind in _OFF_BY_ONE for n in query.nodes(kind)]:
        new = _OFF_BY_ONE[type(node)](
            this=node.this.copy(), expression=node.args["expression"].copy()
        )
        yield (swap(node, new),)
    for node in query.nodes(exp.Between):
        value, low, high = node.this, node.args["low"], node.args["high"]
        for above, below in ((exp.GT, exp.LTE), (exp.GTE, exp.LT)):
            bounds = exp.and_(
                above(this=value.copy(), expression=low.copy()),
                below(this=value.copy(), expression=high.copy()),
            )
            yield (swap(node, exp.paren(bounds)),)
    for limit in query.nodes(exp.Limit):
        count = limit.expression
        if isinstance(count, exp.Literal) and count.name.isdigit():
            for n in (int(count.name) - 1, int(count.name) + 1):
                if n > 0:
                    yield (swap(count, exp.Literal.number(n)),)


def _reversed_order(query: Query) -> Iterator[tuple[Change, ...]]:
    for node in query.nodes(exp.Ordered):
        if _order_counts(query, node):
            nulls = not node.args.get("nulls_first")
            yield ((node, "desc", not node.args.get("desc")), (node, "nulls_first", nulls))


def _swapped_column(query: Query) -> Iterator[tuple[Change, ...]]:
    for node in query.base_columns:
        found = _source_of(query, node)
        if found is None or _is_determined(node, found):
            continue
        like = [c for c in found.columns if _type(c) == _type_named(found, node.name)]
        names = [c.name.lower() for c in like]
        at = names.index(node.name.lower())
        for other in [*like[at + 1 :], *like[:at]][:_OTHERS]:
            yield ((node, "this", exp.to_identifier(other.name)),)


KINDS: dict[str, Edit] = {
    "dropped condition": _dropped_condition,
    "other aggregate": _other_aggregate,
    "dropped DISTINCT": _distinct_dropped,
    "added DISTINCT": _distinct_added,
    "other join": _other_join,
    "off by one": _off_by_one,
    "reversed order": _reversed_order,
    "dropped HAVING": _dropped_having,
    "swapped column": _swapped_column,
}


def _below_a_set(query: exp.Expr) -> bool:
    """Whether a query's duplicates cannot be seen: below IN, EXISTS, or a set operation."""
    parent = query.parent
    while isinstance(parent, (exp.Subquery, exp.Paren)) and parent.args.get("alias") is None:
        query, parent = parent, parent.parent
    if isinstance(parent, exp.Union):
        return bool(parent.args.get("distinct")) or _below_a_set(parent)
    return isinstance(parent, (exp.In, exp.Exists, exp.SetOperation))


def _has_distinct_rows(query: Query, select: exp.Select) -> bool:
    """Whether a SELECT's form makes its rows distinct: one row, or all of a key in its output."""
    group = select.args.get("group")
    if group is None and any(
        node.find_ancestor(exp.Select) is select and not isinstance(node.parent, exp.Window)
        for projection in select.selects
        for node in projection.find_all(exp.AggFunc)
    ):
        return True
    limit = select.args.get("limit")
    if limit is not None and limit.expression.name == "1":
        return True
    output = {p.unalias().sql() for p in select.selects} | {p.alias for p in select.selects}
    if group is not None:
        return all(key.sql() in output for key in group.expressions)
    sources = query.sources(select)
    if len(sources) != 1 or select.args.get("joins"):
        return False
    keys = {c.name.lower() for c in sources[0][1].columns if c.primary_key}
    named = {p.unalias().name.lower() for p in select.selects if p.unalias().key == "column"}
    return bool(keys) and (keys <= named or any(p.is_star for p in select.selects))


def _is_determined(column: exp.Column, table: Table) -> bool:
    """Whether a column stands in GROUP BY beside its table's key, and so decides nothing."""
    if not isinstance(column.parent, exp.Group):
        return False
    beside = [
        c.name.lower()
        for c in column.parent.expressions
        if isinstance(c, exp.Column) and c.table == column.table
    ]
    keys = {c.name.lower() for c in table.columns if c.primary_key}
    return bool(keys) and keys <= set(beside) and column.name.lower() not in keys


def _may_repeat(query: Query, node: exp.AggFunc) -> bool:
    """Whether an aggregate's argument is a column that may hold a value twice."""
    column = node.this
    if not isinstance(column, exp.Column) or isinstance(column.this, exp.Star):
        return False
    select = node.find_ancestor(exp.Select)
    table = _source_of(query, column)
    if table is None or select is None or select.args.get("joins"):
        return True
    keys = [c.name.lower() for c in table.columns if c.primary_key]
    return keys != [column.name.lower()]


def _order_counts(query: Query, node: exp.Ordered) -> bool:
    """Whether anybody sees an order: the outermost query's, a LIMIT's, a window's."""
    holder = node.parent.parent if isinstance(node.parent, exp.Order) else None
    if not isinstance(holder, exp.Query):
        return True
    return holder is query.tree or holder.args.get("limit") is not None


def _source_of(query: Query, column: exp.Column) -> Table | None:
    """Return the table that a column is read from, also by a query around the column's own."""
    select = column.find_ancestor(exp.Select)
    while select is not None:
        for alias, table in query.sources(select):
            named = {c.name.lower() for c in table.columns}
            if column.name.lower() in named and column.table.lower() in ("", alias.lower()):
                return table
        select = select.find_ancestor(exp.Select)
    return None


def _type(column: Column) -> str:
    if is_date(column):
        return "date"
    return "number" if is_number(column) else "text"


def _type_named(table: Table, name: str) -> str:
    return next(_type(c) for c in table.columns if c.name.lower() == name.lower())


def _rate(mutants: list[Mutant]) -> Rate:
    n, killed = len(mutants), sum(m.killed for m in mutants)
    if not n:
        return Rate(0, 0, None, None, None)
    return Rate(killed, n, killed / n, *wilson(killed, n))
