"""Where sqlbench keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Return the folder that ``SQLBENCH_CACHE`` names, by default the user's cache folder."""
    named = os.environ.get("SQLBENCH_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("sqlbench")
