"""Spider's own four tiers (easy, medium, hard, extra), and the SQL features of a query.

The rule is that of ``eval_hardness`` in taoyds/test-suite-sql-eval (Yu et al. 2018, section 3.5),
read on sqlglot's tree in place of Spider's own parser. Its peculiarities are kept: only the first
SELECT of a set operation is counted, a negated condition counts as an aggregate, and so does each
AND or OR in HAVING.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

_QUERIES = (exp.Subquery, exp.Select, exp.SetOperation)


def spider_tier(tree: exp.Expr) -> str:
    """Return the tier that Spider's evaluator gives a query: ``easy``, ``medium``, …, ``extra``.

    Parameters
    ----------
    tree : Expr
        sqlglot's, of the gold query.
    """
    select = _first_select(tree)
    if select is None:
        return "extra"
    parts, nested, others = _components(select), _nested(tree, select), _others(select)
    if parts <= 1 and others == 0 and nested == 0:
        return "easy"
    if nested == 0 and ((others <= 2 and parts <= 1) or (parts <= 2 and others < 2)):
        return "medium"
    if (
        (others > 2 and parts <= 2 and nested == 0)
        or (2 < parts <= 3 and others <= 2 and nested == 0)
        or (parts <= 1 and others == 0 and nested <= 1)
    ):
        return "hard"
    return "extra"


def features(tree: exp.Expr) -> frozenset[str]:
    """Return which of `sqlbench.suites.shapes.FEATURES` a query has, anywhere in it."""
    found = {
        "joins": tree.find(exp.Join),
        "nesting": tree.find(exp.Subquery, exp.CTE) or _condition_query(tree),
        "set_operations": tree.find(exp.SetOperation),
        "grouping": tree.find(exp.Group),
        "ordering": tree.find(exp.Order),
    }
    return frozenset(name for name, node in found.items() if node)


def _condition_query(tree: exp.Expr) -> bool:
    return any(isinstance(node.args.get("query"), exp.Expr) for node in tree.find_all(exp.In))


def _first_select(tree: exp.Expr) -> exp.Select | None:
    node: exp.Expr | None = tree
    while isinstance(node, exp.SetOperation | exp.Subquery):
        node = node.this
    return node if isinstance(node, exp.Select) else None


def _conditions(node: exp.Expr | None) -> Iterator[exp.Expr]:
    """Yield what AND and OR connect, in order."""
    if node is None:
        return
    if isinstance(node, exp.And | exp.Or):
        yield from _conditions(node.left)
        yield from _conditions(node.right)
    elif isinstance(node, exp.Paren):
        yield from _conditions(node.this)
    else:
        yield node


def _clauses(select: exp.Select) -> list[exp.Expr]:
    """Return the conditions' trees: of the joins, of WHERE and of HAVING."""
    found = [join.args.get("on") for join in select.args.get("joins") or ()]
    for name in ("where", "having"):
        clause = select.args.get(name)
        found.append(clause.this if clause is not None else None)
    return [tree for tree in found if tree is not None]


def _where(select: exp.Select, name: str = "where") -> list[exp.Expr]:
    clause = select.args.get(name)
    return list(_conditions(clause.this)) if clause is not None else []


def _components(select: exp.Select) -> int:
    clauses = ("where", "group", "order", "limit")
    count = sum(select.args.get(name) is not None for name in clauses)
    count += len(select.args.get("joins") or ())
    for tree in _clauses(select):
        leaves = list(_conditions(tree))
        count += _ors(tree)
        count += sum(isinstance(_positive(leaf), exp.Like) for leaf in leaves)
    return count


def _ors(tree: exp.Expr) -> int:
    if isinstance(tree, exp.And | exp.Or):
        return isinstance(tree, exp.Or) + _ors(tree.left) + _ors(tree.right)
    return _ors(tree.this) if isinstance(tree, exp.Paren) else 0


def _positive(leaf: exp.Expr) -> exp.Expr:
    while isinstance(leaf, exp.Not | exp.Paren):
        leaf = leaf.this
    return leaf


def _nested(tree: exp.Expr, select: exp.Select) -> int:
    """Count the queries in conditions, and the other side of a set operation."""
    count = 0
    for clause in _clauses(select):
        for leaf in map(_positive, _conditions(clause)):
            values = [v for k, v in leaf.args.items() if k != "this"]
            count += sum(
                isinstance(v, exp.Subquery | exp.Select | exp.SetOperation) for v in values
            )
            count += isinstance(leaf, exp.Exists)
    return count + isinstance(tree, exp.SetOperation)


def _others(select: exp.Select) -> int:
    conditions, having = _where(select), _where(select, "having")
    group, order = select.args.get("group"), select.args.get("order")
    grouped = list(group.expressions) if group is not None else []
    aggregates = sum(_has_aggregate(e) for e in select.expressions)
    aggregates += sum(isinstance(leaf, exp.Not) for leaf in conditions)
    aggregates += sum(_has_aggregate(e) for e in grouped)
    if order is not None:
        aggregates += sum(_has_aggregate(e) for e in order.expressions)
    # The evaluator takes the words between conditions for units with an aggregate.
    aggregates += max(0, len(having) - 1) + sum(isinstance(leaf, exp.Not) for leaf in having)
    return (
        (aggregates > 1) + (len(select.expressions) > 1) + (len(conditions) > 1)
        + (len(grouped) > 1)
    )  # fmt: skip


def _has_aggregate(node: exp.Expr) -> bool:
    return node.find(exp.AggFunc) is not None
