"""A sweep's cells as they stand, drawn anew while it runs: here, in a terminal or on a cluster."""

from __future__ import annotations

import asyncio
import weakref
from pathlib import Path
from typing import Any

import ipywidgets as w

from sqlbench.grids.sweep_status import Sweep
from sqlbench.widgets.background import Background

SECONDS = 2.0
# The views of this kernel by their folder, while anybody holds them.
_VIEWS: weakref.WeakValueDictionary[Path, SweepView] = weakref.WeakValueDictionary()


class SweepView(w.HBox):  # type: ignore[misc]
    """The view; made by `sweep`.

    Parameters
    ----------
    watched : Sweep
        What is shown.
    seconds : float
        Between two looks.
    """

    def __init__(self, watched: Sweep, seconds: float = SECONDS) -> None:
        self.sweep, self.seconds = watched, seconds
        self._background = Background()
        self._handle: Any = None
        self.refresh_button = w.Button(description="Refresh", icon="refresh")
        self.follow_button = w.ToggleButton(description="Follow", icon="play")
        self.refresh_button.on_click(lambda _: self.refresh())
        self.follow_button.observe(self._start, "value")
        super().__init__([self.refresh_button, self.follow_button])

    def refresh(self) -> None:
        """Look once more."""
        if self._handle is not None:
            self._handle.update(self.sweep)

    async def finished(self) -> Sweep:
        """Follow the sweep until nobody is running it any more."""
        self.follow_button.value = True
        await self._background.settled()
        return self.sweep

    def _start(self, change: Any) -> None:
        if change["new"]:
            self._background.spawn(self._follow)

    async def _follow(self) -> None:
        while self.follow_button.value:
            alive = await asyncio.to_thread(lambda: self.sweep.alive)
            self.refresh()
            if not alive:
                break
            await asyncio.sleep(self.seconds)
        self.follow_button.value = False

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self._repr_mimebundle_(), raw=True)  # type: ignore[no-untyped-call]
        self._handle = display(self.sweep, display_id=True)  # type: ignore[no-untyped-call]


def sweep(folder: str | Path | Sweep, *, seconds: float = SECONDS) -> SweepView:
    """Show a sweep's cells, wherever it runs: counts, and a line a cell.

    While the sweep is under way or followed, a cell that is run again shows the view that this
    kernel has of its folder: it goes on following.

    Parameters
    ----------
    folder : path or Sweep
        What `run_sweep` or ``sqlbench sweep --out`` writes to.
    seconds : float
        Between two looks, while it is followed.

    Raises
    ------
    RunFolderError
        If it is no sweep's folder.
    """
    watched = folder if isinstance(folder, Sweep) else Sweep.open(folder)
    key = watched.folder.resolve()
    view = _VIEWS.get(key)
    if view is not None and (view.follow_button.value or watched.alive):
        view.sweep, view.seconds = watched, seconds
        return view
    _VIEWS[key] = view = SweepView(watched, seconds)
    return view
