"""A sweep's table while it runs: redrawn in place in a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlbench.grids.sweep_status import counts, listed
from sqlbench.words import markdown_table

if TYPE_CHECKING:
    import pandas as pd

# Between two plain tables, which are not redrawn but add up in a log.
PLAIN_SECONDS = 30.0
_AROUND = 7  # lines of the terminal that are not the table's rows


@contextmanager
def live_table() -> Iterator[Callable[[pd.DataFrame], None]]:
    """Show a sweep on standard error; yields what takes `Sweep.status` now and then."""
    if not sys.stderr.isatty():
        yield _Plain().show
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    console = Console(stderr=True)
    speed = _Speed()
    with Live(console=console, auto_refresh=False) as live:

        def show(frame: pd.DataFrame) -> None:
            header, rows, left = listed(frame, max(1, console.height - _AROUND))
            more = [f"… and {left:,} more runs"] if left else []
            below = Text("\n".join([*more, f"{counts(frame)}{speed.left(frame)}"]))
            table = Table()
            for name in header:
                table.add_column(Text(name))
            for row in rows:
                table.add_row(*map(Text, row))
            live.transient = bool((frame["state"] == "finished").all())  # the results follow
            live.update(Group(table, below), refresh=True)

        yield show


class _Plain:
    """Prints the cells that have changed their state, every half minute at most, and the sums."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._said: list[str] = []
        self._shown = -PLAIN_SECONDS
        self._speed = _Speed()

    def show(self, frame: pd.DataFrame) -> None:
        left = self._speed.left(frame)
        over = bool((frame["state"] == "finished").all())
        if not over and time.monotonic() - self._shown < PLAIN_SECONDS:
            return
        states = dict(zip(frame["folder"], frame["state"], strict=True))
        text = [f"{counts(frame)}{left}"]
        if over and states == self._states and text == self._said:
            return
        self._said = text
        changed = frame[[states[f] != self._states.get(f, "waiting") for f in frame["folder"]]]
        self._states, self._shown = states, time.monotonic()
        # When it is over the results follow.
        header, rows, more = listed(changed) if len(changed) and not over else ([], [], 0)
        text = text + ([markdown_table(header, rows)] if rows else [])
        text += [f"… and {more:,} more runs"] if more else []
        print("\n".join(text), file=sys.stderr, flush=True)


class _Speed:
    """How long what is left will take, by what was done since the beginning."""

    def __init__(self) -> None:
        self._began: tuple[float, int] | None = None

    def left(self, frame: pd.DataFrame) -> str:
        done, total = int(frame["done"].sum()), int(frame["episodes"].sum())
        now = time.monotonic()
        if self._began is None:
            self._began = now, done
        since, before = self._began
        if done <= before or done >= total:
            return ""
        seconds = (total - done) * (now - since) / (done - before)
        return (
            f" · about {seconds / 60:.0f} min left" if seconds > 90 else f" · {seconds:.0f} s left"
        )
