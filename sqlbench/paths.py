"""Where sqlbench looks for what a user names, and keeps what it can make again.

A relative path is taken from the folder in which the command is run. In a notebook it is taken from
the notebook's project, so that it means there what it means in a terminal at the project's root.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

_MARKS = ("pyproject.toml", ".git")
_KERNEL = "JPY_PARENT_PID"  # set for every Jupyter kernel, and so for all processes that it starts


def cache_folder() -> Path:
    """Return the folder that ``SQLBENCH_CACHE`` names, by default the user's cache folder."""
    named = os.environ.get("SQLBENCH_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("sqlbench")


def base_folder() -> Path:
    """Return the folder that relative paths are taken from.

    Returns
    -------
    Path
        The working directory. In a notebook's kernel, and in what is started from one (worker
        processes, ``!sqlbench …``): the nearest folder, from the working directory upwards, that
        holds a ``pyproject.toml`` or ``.git``; the working directory where there is none below
        the home directory.
    """
    here = Path.cwd()
    if _KERNEL not in os.environ:
        return here
    for folder in (here, *here.parents):
        if folder == Path.home():
            break
        if any((folder / mark).exists() for mark in _MARKS):
            return folder
    return here


def located(path: str | Path) -> Path:
    """Return where a path that a user named lies: see `base_folder`.

    Parameters
    ----------
    path : str or Path
        ``~`` is the home directory; an absolute path stays as it is, and so does a relative one
        where the working directory is what it is taken from.
    """
    path, base = Path(path).expanduser(), base_folder()
    return path if base == Path.cwd() else base / path


def shown(path: str | Path) -> str:
    """Return a path as a message of a missing file shows it: absolute, in quotes.

    Whoever reads it may not know which folder a relative path was taken from.
    """
    return repr(os.path.abspath(located(path)))
