"""Where sqlbench keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Return the folder that ``SQLBENCH_CACHE`` names, by default the user's cache folder."""
    named = os.environ.get("SQLBENCH_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("sqlbench")


def out_folder(out: object) -> Path:
    """Return the folder that results go to.

    papermill gives a folder that is named by a date (``-p out 20261128``) as a number: that is
    the folder of this name.

    Raises
    ------
    TypeError
        If it is neither a path nor a number.
    """
    if isinstance(out, int) and not isinstance(out, bool):
        return Path(str(out))
    if not isinstance(out, str | os.PathLike):
        raise TypeError(f"out is {out!r}; expected a folder, such as 'results/first-run'.")
    return Path(out)
