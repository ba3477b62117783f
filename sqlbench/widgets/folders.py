"""Where a monitor keeps its runs: in the folder that was named, or until the kernel ends."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from sqlbench.paths import located


class Folders:
    """One folder that was named, or a temporary one for each configuration.

    Parameters
    ----------
    named : path or None
        The folder; None takes temporary ones.
    """

    def __init__(self, named: str | Path | None) -> None:
        self.named = located(named) if named is not None else None
        self._made: dict[tuple[object, ...], Path] = {}

    def of(self, *configuration: object) -> Path:
        """Return where the run of a configuration is kept."""
        if self.named is not None:
            return self.named
        if configuration not in self._made:
            self._made[configuration] = Path(tempfile.mkdtemp(dir=_temporary_folder())) / "run"
        return self._made[configuration]

    def told(self, run: Path | None) -> str:
        """Return where a run is kept, in words."""
        if self.named is None:
            return "Kept until the kernel ends; name a folder with out= to keep it longer."
        return f"Kept in {run}"


def key_of(out: str | Path | None, **asked: object) -> object:
    """Return what two monitors have in common that watch one run: its folder.

    Without a name for it that is what the monitor was asked for.
    """
    if out is not None:
        return located(out).resolve()
    plain = (str, int, float, Path, type(None))
    return tuple(
        (name, value if isinstance(value, plain) else getattr(value, "spec", id(value)))
        for name, value in sorted(asked.items())
    )


@cache
def _temporary_folder() -> Path:
    """Return a folder that is removed when the kernel ends."""
    folder = tempfile.mkdtemp(prefix="sqlbench-monitor-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
