"""Which tests one process runs, where `pytest -n 2` runs them in two.

A file's tests stay together, as they share what the file makes; the browser's are all together, as
they share a JupyterLab and a Chromium, and begin first, as they take longest.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

BROWSER = "tests/browser/"


class ByFile(LoadScopeScheduling):
    """Gives a free process the next file's tests."""

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else nodeid.partition("::")[0]
