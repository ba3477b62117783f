"""How far a run is that is watched: how fast it goes, what it costs, how long it will take."""

from __future__ import annotations

import time
from dataclasses import astuple

from sqlbench import html
from sqlbench.models.base import Usage
from sqlbench.runs.run import Run
from sqlbench.runs.summary import cost_of, usages


class Pace:
    """Measures a run from `start` on; what the run had before counts for no speed."""

    def __init__(self) -> None:
        self._began = self._paused_for = 0.0
        self._had: int | None = None
        self._counted: Run | None = None
        self._place, self._sums = 0, (0, Usage(), Usage())

    def start(self) -> None:
        """Begin to measure: the run starts, or goes on."""
        self._began, self._paused_for, self._had = time.monotonic(), 0.0, None

    def see(self, run: Run) -> None:
        """Look at the run when an episode has finished."""
        if self._had is None:
            self._had = len(run.log)

    def leave_out(self, seconds: float) -> None:
        """Leave out a pause."""
        self._paused_for += seconds

    def status(self, run: Run | None, state: str, kept: str) -> str:
        """Return what is to be said of the run, as HTML.

        Parameters
        ----------
        run : Run or None
            The run so far.
        state : str
            The monitor's.
        kept : str
            Where the run is kept.
        """
        if run is None:
            return html.frame(html.tiles({"state": state}))
        done, failed, total = len(run.log), len(run.failed), run.config.episodes
        seconds = max(1e-9, time.monotonic() - self._began - self._paused_for)
        speed = max(0, done - (self._had or 0)) / seconds
        right, first, later = self._count(run)
        cost = cost_of(run, first, later)
        tokens_in = first.prompt_tokens + later.prompt_tokens
        tokens_out = first.completion_tokens + later.completion_tokens
        left = total - done - failed if state in ("running", "paused") else 0
        facts = {
            "state": state,
            "episodes": f"{done:,} of {total:,}",
            "right": f"{right / done:.1%}" if done else "—",
            "episodes a second": f"{speed:.1f}",
            "time left": _duration(left / speed) if speed and left else "—",
            "tokens in / out": f"{tokens_in:,} / {tokens_out:,}",
            **({} if cost is None else {"cost": f"{cost:.4f}"}),
            "failed": f"{failed:,}",
        }
        lines = html.tiles(facts) + html.note(kept)
        if run.failed:
            last = run.failed[-1]
            lines += html.note(f"Last failure, episode {last['episode']}: {last['message']}")
        return html.frame(lines + (html.note(run.caveat) if run.caveat else ""))

    def _count(self, run: Run) -> tuple[int, Usage, Usage]:
        """Return successes, and the tokens of first answers and of repairs.

        Only what is new since the last time is counted.
        """
        if self._counted is not run:
            self._counted, self._place, self._sums = run, 0, (0, Usage(), Usage())
        new = run.log[self._place :]
        right, *seen = self._sums
        first, later = (
            Usage(*(a + b for a, b in zip(astuple(old), astuple(more), strict=True)))
            for old, more in zip(seen, usages(new), strict=True)
        )
        self._place = len(run.log)
        self._sums = right + sum(e.success for e in new), first, later
        return self._sums


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
