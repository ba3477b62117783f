"""A notebook's parameters, as papermill passes them: known by name, and of the kind of the default.

papermill only warns of a parameter that does not exist, and guesses what a value on its command
line is: ``false`` is a text to it, ``4e1`` a float, a folder called by a date a number.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from math import isfinite
from numbers import Integral
from typing import Any

from sqlbench.exceptions import ConfigError, UnknownNameError

_INJECTED = "# Parameters\n"  # how the cell begins that papermill puts in
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def check_parameters(
    cells: Sequence[str] | None = None, namespace: MutableMapping[str, Any] | None = None
) -> None:
    """Convert a notebook's parameters to what is meant, and refuse what cannot be.

    A parameter is of the kind of its default: a whole number may come as ``4e1``, a truth value as
    ``false``, a text as a number (a seed, a folder called by a date), a list as its only element.
    To be called before the first use of a parameter.

    Parameters
    ----------
    cells : sequence of str or None
        The cells that ran so far; None asks the notebook that calls.
    namespace : mutable mapping or None
        Where the parameters stand and are converted; None takes the notebook's, if it was asked.

    Raises
    ------
    UnknownNameError
        If papermill was given a parameter that the parameters cell does not assign.
    ConfigError
        If a value is of another kind.
    """
    if cells is None:
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        cells = shell.user_ns["In"] if shell is not None else []
        namespace = shell.user_ns if shell is not None and namespace is None else namespace
    found = _find(cells)
    if found is None:
        return
    defaults, injected = found
    known = {name: kind for cell in defaults for name, kind in _assigned(cell)}
    for name in dict.fromkeys(name for cell in injected for name, _ in _assigned(cell)):
        if name not in known:
            raise UnknownNameError("parameter", name, known)
        if namespace is not None and name in namespace:
            namespace[name] = _converted(name, namespace[name], known[name])


def _find(cells: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Return the cells with the defaults, and those that papermill put in behind them."""
    marked = [i for i, cell in enumerate(cells) if cell.startswith(_INJECTED) and _plain(cell)]
    authors = [i for i, cell in enumerate(cells) if cell.startswith(_INJECTED)]
    for i in marked:
        if i == 0:
            continue
        own = i - 1 in authors and cells[i - 1] != cells[i]
        follows = i + 1 in marked and cells[i + 1] != cells[i]
        if own or (not follows and _assigned(cells[i - 1])):
            # The parameters cell may have the comment, too: then two such cells stand in a row.
            defaults = [cells[i - 1], *(cells[i - 2 : i - 1] if own and i > 1 else [])]
            return defaults[::-1], [cells[j] for j in marked if j >= i]
    return None


def _plain(cell: str) -> bool:
    """Whether a cell does nothing but give names to constants, as papermill writes it."""
    return all(
        isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name)
        and all(isinstance(n, _CONSTANT) for n in ast.walk(node.value))
        for node in _parse(cell)
    )


# float('nan') is one, too.
_CONSTANT: tuple[type[ast.AST], ...] = (
    *(ast.Constant, ast.List, ast.Dict, ast.Tuple, ast.UnaryOp, ast.USub),
    *(ast.expr_context, ast.Call, ast.Name),
)
