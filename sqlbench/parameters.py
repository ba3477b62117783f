"""A notebook's parameters: papermill only warns of one that does not exist, this refuses it."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from sqlbench.exceptions import UnknownNameError

_INJECTED = "# Parameters\n"  # how the cell begins that papermill puts in


def check_parameters(cells: Sequence[str] | None = None) -> None:
    """Refuse parameters that the notebook does not have.

    Parameters
    ----------
    cells : sequence of str or None
        The cells that ran so far; None asks the notebook that calls.

    Raises
    ------
    UnknownNameError
        If papermill was given a parameter that the parameters cell does not assign.
    """
    if cells is None:
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        cells = shell.user_ns["In"] if shell is not None else []
    places = [i for i, cell in enumerate(cells) if cell.startswith(_INJECTED)]
    if not places:
        return
    known = _assigned(cells[places[-1] - 1])
    for name in _assigned(cells[places[-1]]):
        if name not in known:
            raise UnknownNameError("parameter", name, known)


def _assigned(cell: str) -> list[str]:
    names = []
    for node in ast.parse(cell).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names += [t.id for t in targets if isinstance(t, ast.Name)]
    return names
