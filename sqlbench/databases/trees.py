"""A statement's tree, by sqlglot: what it thinks of one that it cannot read is for no terminal."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

_OURS: ContextVar[bool] = ContextVar("parsed_here", default=False)
# Others of this process may want sqlglot's warnings: only what is parsed here goes without.
logging.getLogger("sqlglot").addFilter(lambda record: not _OURS.get())


def parse_all(sql: str, dialect: str) -> list[exp.Expr | None]:
    """Return the trees of the statements of a text.

    Parameters
    ----------
    sql : str
        The statements.
    dialect : str
        As sqlglot names it.

    Raises
    ------
    sqlglot.errors.SqlglotError
        If sqlglot cannot read them; hostile texts raise other things, too.
    """
    import sqlglot  # a tenth of a second, and few statements need a tree

    token = _OURS.set(True)
    try:
        trees: list[exp.Expr | None] = sqlglot.parse(sql, read=dialect)
        return trees
    finally:
        _OURS.reset(token)


def parse_one(sql: str, dialect: str) -> exp.Expr:
    """Return the tree of one statement, or of the first; raises as `parse_all` does."""
    import sqlglot

    token = _OURS.set(True)
    try:
        return sqlglot.parse_one(sql, read=dialect)
    finally:
        _OURS.reset(token)
