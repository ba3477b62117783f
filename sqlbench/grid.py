"""Many runs at once: a grid of run configurations, in parallel, resumable, with one bar.

A cell is a run configuration, and its folder's name is a hash of all that the results depend on:
asked for again, a finished cell is read and a half-finished one is gone on with. A worker that is
killed costs what it had in flight: its cells go on from their logs in a new worker.

Workers are anything with the `submit` of `concurrent.futures`: local processes by default, or for
example ``distributed.Client(…).get_executor()``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tqdm.auto import tqdm

import sqlbench
from sqlbench.exceptions import WorkerError
from sqlbench.experiment import run_experiment
from sqlbench.models import Calling, ChatModel, load_model
from sqlbench.policies import make_policy
from sqlbench.repair import Prompts
from sqlbench.run_config import RunConfig
from sqlbench.runs import SCHEMA_VERSION, Run
from sqlbench.suites import Suite, load_suite

T = TypeVar("T")
Workers = Callable[[], Executor]
POLL_SECONDS = 0.5
VIEW_SECONDS = 3.0
# How often in a row workers may die without one episode's progress in between.
MAX_DEATHS = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of the grid: its configuration and its folder."""

    config: RunConfig
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether its last file is written."""
        return (self.folder / "summary.json").exists()


def processes(workers: int | None = None) -> Workers:
    """Return what makes a pool of fresh local processes, one a core by default."""
    n = workers or len(os.sched_getaffinity(0))
    return lambda: ProcessPoolExecutor(n, mp_context=multiprocessing.get_context("spawn"))


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
        Makes the executor, and makes it anew when its workers have died; None takes `processes()`.
    progress : bool
        Whether to show a progress bar, in episodes.
    calling : Calling or None
        How the models are called.
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
    """
    cells = plan(configs, Path(out))
    todo = {cell.folder: cell for cell in cells}
    collected: dict[Path, T] = {}
    with tqdm(
        total=sum(c.config.episodes for c in todo.values()),
        desc=f"{len(todo)} runs",
        unit="ep",
        disable=not progress,
    ) as bar:
        gauge = _Gauge(todo.values(), bar, on_poll)
        bar.initial = gauge.read()  # what an earlier call finished tells nothing of the speed
        deaths = 0
        while len(collected) < len(todo):
            before = gauge.read()
            waiting = [cell for folder, cell in todo.items() if folder not in collected]
            try:
                _run_all(waiting, collect, calling, workers or processes(), gauge, collected)
            except BrokenExecutor as error:
                deaths = 1 if gauge.read() > before else deaths + 1
                if deaths >= MAX_DEATHS:
                    raise WorkerError(deaths, str(waiting[0].folder)) from error
    return [collected[cell.folder] for cell in cells]


def plan(configs: Sequence[RunConfig], out: Path) -> list[Cell]:
    """Give each configuration its folder, and refuse what cannot be run.

    Raises
    ------
    UnknownNameError, ConfigError, SuiteError, ModelSetupError
        If a configuration cannot be run.
    """
    prompts = Prompts.load().hash
    cells = []
    for config in configs:
        suite, model = _WORKER.suite(config), _WORKER.model(config)
        make_policy(config.policy, model)
        content = {
            "config": config.model_dump(),
            "suite": suite.content_hash,
            "profile": getattr(getattr(model, "profile", None), "hash", None),
            "prompts": prompts,
            "versions": [sqlbench.__version__, SCHEMA_VERSION],
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        name = "".join(c if c.isalnum() or c in "-." else "_" for c in config.policy)
        cells.append(Cell(config, out / f"{name[:40]}-s{config.seed}-{digest[:10]}"))
    return cells


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
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def run_cell(cell: Cell, collect: Callable[[Run], T], calling: Calling | None = None) -> T:
    """Run a cell, or open it if it is finished, and collect from it. This is what a worker does."""
    if cell.finished:
        return collect(Run.open(cell.folder))
    config = cell.config.model_dump()
    suite, model = _WORKER.suite(cell.config), _WORKER.model(cell.config)
    del config["suite"], config["model"]
    return collect(
        _WORKER.runner().run(
            run_experiment(
                suite,
                model,
                **config,
                concurrency=cell.config.lag + 1,
                out=cell.folder,
                progress=False,
                calling=calling,
            )
        )
    )


class _Worker(threading.local):
    """What a worker keeps between its cells: suites, models, and the loop that they live on."""

    def __init__(self) -> None:
        self._suites: dict[tuple[str, str | None], Suite] = {}
        self._models: dict[tuple[str, str, str | None], ChatModel] = {}
        self._runner: asyncio.Runner | None = None

    def suite(self, config: RunConfig) -> Suite:
        key = config.suite, config.database
        if key not in self._suites:
            self._suites[key] = load_suite(*key)
        return self._suites[key]

    def model(self, config: RunConfig) -> ChatModel:
        key = config.model, config.suite, config.database
        if key not in self._models:
            self._models[key] = load_model(config.model, self.suite(config))
        return self._models[key]

    def runner(self) -> asyncio.Runner:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner


_WORKER = _Worker()


class _Gauge:
    """Counts the episodes in all cells' logs, and shows them."""

    def __init__(self, cells: Any, bar: Any, on_poll: Callable[[], None] | None = None) -> None:
        self._logs = {cell.folder / "episodes.jsonl": [0, 0] for cell in cells}
        self._bar = bar
        self._on_poll, self._polled = on_poll, 0.0

    def read(self) -> int:
        """Return how many episodes are finished."""
        for path, place in self._logs.items():
            if path.exists() and path.stat().st_size > place[0]:
                with path.open("rb") as log:
                    log.seek(place[0])
                    new = log.read()
                place[0] += len(new)
                place[1] += new.count(b"\n")
        total = sum(count for _, count in self._logs.values())
        self._bar.update(total - self._bar.n)
        if self._on_poll is not None and time.monotonic() - self._polled > VIEW_SECONDS:
            self._on_poll()
            self._polled = time.monotonic()
        return total
