"""A changed tree as SQL that the database plans as it plans the original."""

from __future__ import annotations

import re

from sqlglot import exp

_CROSS = re.compile(r"\bcross\b", re.IGNORECASE)


def written(tree: exp.Expr, dialect: str, original: str, *, pretty: bool = False) -> str:
    """Return a tree as SQL; on SQLite the comma joins of the original stay what they are.

    sqlglot reads ``FROM a, b`` as ``FROM a CROSS JOIN b``. SQLite joins the tables of a CROSS JOIN
    in the order in which they stand, however slow that is, and those of a comma in the best. Where
    the original says CROSS by itself, it is not told which join is which, and all stay CROSS.

    Parameters
    ----------
    tree : sqlglot.exp.Expr
        It is left as it is.
    dialect : str
        Of the database.
    original : str
        What the tree was read from, before it was changed.
    pretty : bool
        Whether to break lines.
    """
    if dialect != "sqlite" or _CROSS.search(original) or not tree.find(exp.Join):
        return tree.sql(dialect=dialect, pretty=pretty)
    copied = tree.copy()
    for join in copied.find_all(exp.Join):
        if join.args.get("kind") == "CROSS":
            join.set("kind", "INNER")
    return copied.sql(dialect=dialect, pretty=pretty)
