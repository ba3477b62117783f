"""Say what to install where a door's trainer is missing."""

from __future__ import annotations

import importlib
from typing import Any

from sqlbench.exceptions import MissingExtraError


def need(module: str, extra: str) -> Any:
    """Import a trainer's module.

    Raises
    ------
    MissingExtraError
        If it is not installed: the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingExtraError(f"sqlbench's door for {extra}", extra) from error
