"""Many runs at once: a grid of run configurations, in parallel, resumable, with one bar.

Asked for again, a finished cell (see `sqlbench.grids.cells`) is read, and a half-finished one is
gone on with. A worker that is killed costs what it had in flight: its cells go on from their logs
in a new worker.

Workers are anything with the `submit` of `concurrent.futures`: local processes by default, or for
example ``distributed.Client(…).get_executor()``.
"""

from __future__ import annotations

import fcntl
import os
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from tqdm.auto import tqdm

from sqlbench.checks import as_path
from sqlbench.exceptions import ConfigError, RunInUseError, WorkerError
from sqlbench.grids.cells import Cell, plan, run_cell
from sqlbench.grids.workers import RUNS, LocalWorkers
from sqlbench.models import Calling
from sqlbench.models.calling.ledger import Ledger
from sqlbench.models.calling.totals import Totals
from sqlbench.paths import located
from sqlbench.policies.registry import stuck_here
from sqlbench.runs.config import RunConfig
from sqlbench.runs.files import read_log
from sqlbench.runs.run import Run

T = TypeVar("T")
Workers = Callable[[], Executor]
POLL_SECONDS = 0.5
VIEW_SECONDS = 1.0
LEDGER = "ledger.sqlite"
# How often in a row workers may die without one episode's progress in between.
MAX_DEATHS = 3


def processes(workers: int | None = None) -> Workers:
    """Return what makes a pool of fresh local processes, one a core by default.

    Raises
    ------
    ConfigError
        If there are fewer than one.
    """
    n = len(os.sched_getaffinity(0)) if workers is None else workers
    if n < 1:
        raise ConfigError(f"workers is at least 1, not {n!r}.")
    return lambda: LocalWorkers(n)


def _default_workers(configs: Sequence[RunConfig]) -> Workers:
    """Return processes, or threads for what no other process can be told of."""
    stuck = sorted({c.policy for c in configs if stuck_here(c.policy)})
    if not stuck:
        return processes()
    warnings.warn(
        f"The runs are made in threads of this process, not in processes of their own: the policy "
        f"{stuck[0]!r} is defined in this notebook or script, and no other process can import it. "
        "Put it into a module to use all cores.",
        stacklevel=4,
    )
    return lambda: ThreadPoolExecutor(len(os.sched_getaffinity(0)))


def run_grid(
    configs: Sequence[RunConfig],
    out: str | Path,
    collect: Callable[[Run], T],
    *,
    workers: Workers | None = None,
    progress: bool = True,
    calling: Calling | None = None,
    on_poll: Callable[[], None] | None = None,
) -> list[T]:
    """Run every configuration that has not been run yet, and collect something from each run.

    Parameters
    ----------
    configs : sequence of RunConfig
        The cells; a configuration that comes twice is run once.
    out : path
        The folder of the cells' folders.
    collect : callable
        Takes a finished run and returns what is wanted of it. It is called in the worker, and must
        be a function of a module, because it travels.
    workers : callable or None
        Makes the executor, and makes it anew when its workers have died; None takes `processes()`,
        or threads where a policy is defined in a notebook or script, and warns of it.
    progress : bool
        Whether to show a progress bar, in episodes.
    calling : Calling or None
        How the models are called. A budget or ``max_calls`` is that of all cells together.
    on_poll : callable or None
        Is called every few seconds, to show more than a bar.

    Returns
    -------
    list
        What was collected, in the order of ``configs``.

    Raises
    ------
    UnknownNameError, ConfigError, SuiteError, ModelSetupError
        Before anything runs, if a configuration cannot be run.
    WorkerError
        If workers die again and again.
    BudgetReachedError
        If the next call might pass the budget. What was finished is kept.
    """
    if workers is not None and not callable(workers):
        raise ConfigError(f"workers is processes(N), or a Cluster, and not {workers!r}.")
    place = as_path("out", out)
    if place is None:
        raise ConfigError("out is the folder of all the runs: name one.")
    place = located(place)
    cells = plan(configs, place, calling)
    workers = workers or _default_workers(configs)
    todo = {cell.folder: cell for cell in cells}
    collected: dict[Path, T] = {}
    with (
        sharing(calling, place, todo.values()) as (calling, count),
        tqdm(
            total=sum(c.config.episodes for c in todo.values()),
            desc=f"{len(todo)} runs",
            unit="ep",
            disable=not progress,
        ) as bar,
    ):
        gauge = _Gauge(todo.values(), bar, on_poll)
        bar.initial = gauge.read()  # what an earlier call finished tells nothing of the speed
        deaths = 0
        while len(collected) < len(todo):
            before = gauge.read()
            waiting = [cell for folder, cell in todo.items() if folder not in collected]
            count()
            try:
                _run_all(waiting, collect, calling, workers, gauge, collected)
            except BrokenExecutor as error:
                deaths = 1 if gauge.read() > before else deaths + 1
                if deaths >= MAX_DEATHS:
                    raise WorkerError(deaths, str(waiting[0].folder)) from error
    return [collected[cell.folder] for cell in cells]


@contextmanager
def sharing(
    calling: Calling | None, out: Path, cells: Collection[Cell]
) -> Iterator[tuple[Calling | None, Callable[[], None]]]:
    """Have cells share a budget, if there is one.

    Yields
    ------
    (Calling, callable)
        How a cell calls its model, and what counts anew what all of them have spent: to be called
        while no worker is at work.

    Raises
    ------
    RunInUseError
        If another process shares out a budget there.
    """
    if calling is None or (calling.budget is None and calling.max_calls is None):
        yield calling, lambda: None
        return
    path = out.absolute() / LEDGER

    def count() -> None:
        Ledger.start(path, {cell.folder.name: spent_before(cell.folder) for cell in cells})

    out.mkdir(parents=True, exist_ok=True)
    with (out / "lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunInUseError(
                f"Another process runs cells in {str(out)!r} on a budget; wait, or name another."
            ) from None
        try:
            yield replace(calling, ledger=path), count
        finally:
            path.unlink(missing_ok=True)


def spent_before(folder: Path) -> Totals:
    """Return what the requests of a run have cost so far."""
    totals = Totals()
    for cost in read_log(folder / "calls.jsonl", lambda call: float(call["cost"])):
        totals.calls += 1
        totals.spent += cost
    return totals


def _run_all(
    cells: Sequence[Cell],
    collect: Callable[[Run], T],
    calling: Calling | None,
    workers: Workers,
    gauge: _Gauge,
    collected: dict[Path, T],
) -> None:
    executor = workers()
    try:
        futures: dict[Future[T], Cell] = {
            executor.submit(run_cell, cell, collect, calling): cell for cell in cells
        }
        pending = set(futures)
        while pending:
            done, pending = wait(pending, POLL_SECONDS, FIRST_COMPLETED)
            for future in done:
                collected[futures[future].folder] = future.result()
            gauge.read()
    except BaseException:
        if isinstance(executor, LocalWorkers):
            executor.stop()
        elif isinstance(executor, ThreadPoolExecutor):
            RUNS.interrupt()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


class Tail:
    """What is appended to a log: whole lines, each once.

    Parameters
    ----------
    path : path
        The log, which may not exist yet.

    Attributes
    ----------
    count : int
        How many lines were read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        self._place = 0

    def read(self) -> list[bytes]:
        """Return the lines that are new."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return []
        if size < self._place:  # another file, brought home in place of the one that was there
            self._place = self.count = 0
        if size == self._place:
            return []
        with self.path.open("rb") as log:
            log.seek(self._place)
            new = log.read()
        new = new[: new.rfind(b"\n") + 1]
        self._place += len(new)
        lines = new.splitlines(keepends=True)
        self.count += len(lines)
        return lines


class _Gauge:
    """Counts the episodes in all cells' logs, and shows them."""

    def __init__(self, cells: Any, bar: Any, on_poll: Callable[[], None] | None = None) -> None:
        self._logs = [Tail(cell.folder / "episodes.jsonl") for cell in cells]
        self._bar = bar
        self._on_poll, self._polled = on_poll, 0.0

    def read(self) -> int:
        """Return how many episodes are finished."""
        for log in self._logs:
            log.read()
        total = sum(log.count for log in self._logs)
        self._bar.update(total - self._bar.n)
        if self._on_poll is not None and time.monotonic() - self._polled > VIEW_SECONDS:
            self._on_poll()
            self._polled = time.monotonic()
        return total
