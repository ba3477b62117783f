"""How hard is a query? A rule on the parsed gold, for benchmarks that bring no label.

The rule is ours, not Spider's (whose labels come from its own parser): *easy* reads one table
without grouping, *medium* joins or groups, *hard* nests, combines sets, uses WITH or a window.
"""

from __future__ import annotations

from sqlglot import exp


def hardness(tree: exp.Expr) -> str:
    """Return ``easy``, ``medium`` or ``hard``, from sqlglot's tree of a query."""
    if tree.find(exp.SetOperation, exp.With, exp.Window):
        return "hard"
    if sum(1 for _ in tree.find_all(exp.Select)) > 1:
        return "hard"
    return "medium" if tree.find(exp.Join, exp.Group) else "easy"
