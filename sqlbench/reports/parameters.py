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


def _parse(cell: str) -> list[ast.stmt]:
    try:
        return ast.parse(cell).body
    except SyntaxError:
        pass
    try:  # a magic, say
        from IPython.core.inputtransformer2 import TransformerManager

        manager: Any = TransformerManager  # it has no types
        body: list[ast.stmt] = ast.parse(manager().transform_cell(cell)).body
        return body
    except (ImportError, SyntaxError):
        return []


def _assigned(cell: str) -> list[tuple[str, str]]:
    """Return the names that a cell assigns, by any statement at its top, each with its kind."""
    return [found for node in _parse(cell) for found in _names(node)]


def _names(node: ast.stmt) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id, ast.unparse(node.annotation)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _targets(target, node.value)
    elif isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
        for part in ("body", "handlers", "orelse", "finalbody"):
            for inner in getattr(node, part, ()):
                within = inner.body if isinstance(inner, ast.ExceptHandler) else [inner]
                for statement in within:
                    yield from _names(statement)


def _targets(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, str]]:
    if isinstance(target, ast.Name):
        yield target.id, _kind(value)
    elif isinstance(target, ast.Starred):
        yield from _targets(target.value, None)
    elif isinstance(target, ast.Tuple | ast.List):
        values: list[ast.expr | None] = [None] * len(target.elts)
        starred = any(isinstance(e, ast.Starred) for e in target.elts)
        if isinstance(value, ast.Tuple | ast.List) and not starred:
            values = list(value.elts)
        for element, part in zip(target.elts, values, strict=False):
            yield from _targets(element, part)


def _kind(value: ast.expr | None) -> str:
    """Return the kind of a default, as an annotation would say it; empty where nobody knows."""
    try:
        constant = ast.literal_eval(value) if value is not None else None
    except ValueError:
        return ""
    if isinstance(constant, list):
        kinds = {type(v).__name__ for v in constant}
        return f"list[{kinds.pop()}]" if len(kinds) == 1 else "list"
    return "" if constant is None else type(constant).__name__


def _converted(name: str, value: Any, kind: str) -> Any:
    """Return what is meant by a value."""
    kinds = [k.strip() for k in kind.split("|")]
    if value is None and "None" in kinds:
        return None
    wanted = next((k for k in kinds if k != "None"), "")
    if wanted == "list" or wanted.startswith("list["):
        values = list(value) if isinstance(value, list | tuple) else [value]
        inner = wanted.removeprefix("list").strip("[]")
        return [_converted(name, v, inner) for v in values]
    if wanted not in _KINDS:
        return value
    convert, expected = _KINDS[wanted]
    found = convert(value)
    if found is None:
        raise ConfigError(f"The parameter {name} is {expected}, not {value!r}.")
    return found


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    return True if word in _TRUE else False if word in _FALSE else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    if number is None or number != int(number):
        return None
    return int(value) if isinstance(value, Integral) else int(number)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return str(value) if whole else None


_KINDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "bool": (_truth, "true or false"),
    "int": (_whole, "a whole number"),
    "float": (_number, "a number"),
    "str": (_text, "a text (papermill's -r passes one as it stands)"),
}
