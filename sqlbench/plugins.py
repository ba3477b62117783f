"""What is not sqlbench's own: found by its import path, or by a name that a package declares.

``package.module:name`` imports; an entry point of a group (``sqlbench.policies``,
``sqlbench.models``, ``sqlbench.metrics``) gives a name to such a path. Both mean the same in every
process that can import the module, so they need no registering in workers.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import sys
from pathlib import Path
from typing import Any

from sqlbench.exceptions import ConfigError

# What was imported so far, by its path: the file, or the folder of the package.
_TAKEN: dict[str, Path] = {}
_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def is_path(text: str) -> bool:
    """Return whether a text has the form of an import path."""
    return _PATH.fullmatch(text) is not None


def import_path(path: str, kind: str) -> Any:
    """Return what ``package.module:name`` names; modules of the working directory are found, too.

    Parameters
    ----------
    path : str
        The import path.
    kind : str
        What it is for, in errors: ``policy``, ``model``, ``metric``.

    Raises
    ------
    ConfigError
        If the module cannot be imported, or has no such name.
    """
    module, _, name = path.partition(":")
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)  # as where Python runs a script: a console script does not add it
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # whatever a module of the user's raises is theirs to mend
        raise ConfigError(
            f"The {kind} {path!r} cannot be imported: {type(error).__name__}: {error}. It is named "
            "MODULE:NAME, and the module must be installed or lie in the working directory."
        ) from error
    if (home := getattr(sys.modules[module.partition(".")[0]], "__file__", None)) is not None:
        file = Path(home).resolve()
        _TAKEN[path] = file.parent if file.name == "__init__.py" else file
    for part in name.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"The module {module!r} has no {name!r} that could be a {kind}.")
        found = getattr(found, part)
    return found


def entry_point(kind: str, name: str) -> Any | None:
    """Return what an installed package calls by this name; None if none does.

    Parameters
    ----------
    kind : str
        ``policy``, ``model`` or ``metric``.
    name : str
        The entry point's name.

    Raises
    ------
    ConfigError
        If it cannot be loaded, or two packages use the name.
    """
    found = [e for e in _declared(kind) if e.name == name]
    if len({e.value for e in found}) > 1:
        places = " and ".join(e.value for e in found)
        raise ConfigError(f"Two packages declare a {kind} {name!r}: {places}. Name the path.")
    return import_path(found[0].value, kind) if found else None


def taken() -> dict[str, Path]:
    """Return what this process imported by its path, with the module's file or package's folder."""
    return dict(_TAKEN)


def declared(kind: str) -> list[str]:
    """Return the names that installed packages declare."""
    return sorted({e.name for e in _declared(kind)})


def _declared(kind: str) -> list[importlib.metadata.EntryPoint]:
    group = "sqlbench.policies" if kind == "policy" else f"sqlbench.{kind}s"
    return list(importlib.metadata.entry_points(group=group))
