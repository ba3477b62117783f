"""A grid's cells on a Dask cluster that the user already has.

The workers need this package at this version, and the suites. Where they see the sweep's folder at
the same path (one machine, or a shared disk), a cell is run there, and a lost worker's cell goes
on from its log on another. Where they do not, a cell is run in a folder of the worker's own, and
its files travel back when it is finished.
"""

from __future__ import annotations

import platform
import shutil
import socket
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlbench
from sqlbench.exceptions import (
    ClusterError,
    MissingExtraError,
    RunInUseError,
    SQLBenchError,
)
from sqlbench.grids.cells import Cell
from sqlbench.grids.grid import Workers
from sqlbench.models import Calling
from sqlbench.paths import located
from sqlbench.runs.config import RunConfig
from sqlbench.suites import load_suite

CONNECT_SECONDS = 15.0
WORKER_SECONDS = 30.0
# A worker that lost its scheduler may still be at work on a cell that was given to another.
IN_USE_SECONDS = 120.0

Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Dask cluster whose workers can run cells.

    Attributes
    ----------
    client : distributed.Client
        The connection.
    workers : int
        How many workers it has now.
    shared : bool
        Whether all of them see the sweep's folder.
    local : bool
        Whether all of them are on this machine, and can share a response store.
    """

    client: Any
    workers: int
    shared: bool
    local: bool

    @property
    def dashboard(self) -> str:
        """The address of Dask's own view of the work."""
        return str(self.client.dashboard_link)

    def executors(self, calling: Calling | None = None) -> Workers:
        """Return what `run_grid` takes as its workers.

        Parameters
        ----------
        calling : Calling or None
            How the models will be called.

        Raises
        ------
        ClusterError
            If the workers cannot share the store or the budget that it asks for.
        """
        asked = calling or Calling()
        if asked.cache is not None and not (self.shared and self.local):
            raise ClusterError(
                f"The workers cannot share the store {str(asked.cache)!r}: SQLite's log works on "
                "one machine only. Leave --cache out: each run then keeps its answers, and they "
                "are merged into the sweep's folder."
            )
        if (asked.budget is not None or asked.max_calls is not None) and not self.shared:
            raise ClusterError(
                "The workers cannot count together what they spend, because they do not see the "
                "sweep's folder: put it on a disk that they share, or run without a limit."
            )
        return lambda: _ClusterExecutor(self.client, self.shared)


def connect(address: str, configs: Sequence[RunConfig], out: str | Path) -> Cluster:
    """Connect to a cluster, and check that its workers can run these cells.

    Parameters
    ----------
    address : str
        Of the scheduler, for example ``tcp://10.0.0.1:8786``.
    configs : sequence of RunConfig
        The cells.
    out : path
        The sweep's folder.

    Raises
    ------
    MissingExtraError
        If ``distributed`` is not installed.
    ClusterError
        If no scheduler answers, there is no worker, or one lacks the package, the version or a
        suite: each is named.
    """
    try:
        import distributed
    except ImportError:
        raise MissingExtraError("A sweep on a Dask cluster", "dask") from None
    make_client: Any = distributed.Client  # untyped
    try:
        client = make_client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise ClusterError(f"No Dask scheduler answers at {address!r}: {error}.") from None
    try:
        client.wait_for_workers(1, timeout=WORKER_SECONDS)
    except TimeoutError:
        client.close()
        raise ClusterError(f"The Dask scheduler at {address!r} has no worker.") from None
    suites = {spec: load_suite(spec).content_hash for spec in sorted({c.suite for c in configs})}
    folder = located(out).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    token = folder / f".seen-{uuid.uuid4().hex}"
    token.touch()
    try:
        found = client.run(_probe(), list(suites), str(token))
    finally:
        token.unlink()
    wrong = [f"{worker}: {text}" for worker, p in found.items() if (text := _lacks(p, suites))]
    if wrong:
        client.close()
        shown = "; ".join(wrong[:5])
        raise ClusterError(f"{len(wrong)} of {len(found)} workers cannot run this sweep: {shown}")
    here = socket.gethostname()
    return Cluster(
        client,
        len(found),
        shared=all(p["sees"] for p in found.values()),
        local=all(p["host"] == here for p in found.values()),
    )


def versions() -> dict[str, str]:
    """Return the versions that results depend on."""
    return {
        "sqlbench": sqlbench.__version__,
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "sqlglot": version("sqlglot"),
    }


def _probe() -> Callable[[list[str], str], dict[str, Any]]:
    """Return what each worker runs first. It travels by value: the package may be missing there."""

    def probe(specs: list[str], token: str) -> dict[str, Any]:
        import os
        import socket

        found: dict[str, Any] = {"sees": os.path.exists(token), "host": socket.gethostname()}
        try:
            from sqlbench.grids.cluster import versions
            from sqlbench.suites import load_suite
        except Exception as error:
            return found | {"missing": f"{type(error).__name__}: {error}"}
        found["versions"] = versions()
        found["suites"] = {}
        for spec in specs:
            try:
                found["suites"][spec] = load_suite(spec).content_hash
            except Exception as error:
                found["suites"][spec] = f"{type(error).__name__}: {error}"
        return found

    return probe


def _lacks(found: dict[str, Any], suites: dict[str, str]) -> str | None:
    """Say what a worker lacks, if anything."""
    if "missing" in found:
        return (
            f"it lacks the package ({found['missing']}); "
            "install there the wheel that `pip wheel --no-deps .` makes in the checkout"
        )
    for name, here in versions().items():
        there = found["versions"].get(name)
        if there != here:
            return f"it has {name} {there}, and here is {here}; results could differ"
    for spec, content in suites.items():
        there = found["suites"][spec]
        if there != content:
            known = ":" in there
            return f"the suite {spec!r} is {'missing' if known else 'another'} there ({there})"
    return None


class _ClusterExecutor(Executor):
    """Runs cells on the cluster; a cell that is finished here is only opened, here."""

    def __init__(self, client: Any, shared: bool) -> None:
        self._client, self._shared = client, shared
        self._running: list[Any] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        cell: Cell = args[0]
        outcome: Future[Any] = Future()
        outcome.set_running_or_notify_cancel()
        if cell.settled(args[2]):
            outcome.set_result(fn(*args))
            return outcome
        if self._shared:
            absolute = replace(cell, folder=cell.folder.absolute())
            task = self._client.submit(_run_shared, fn, absolute, *args[1:], pure=False)
        else:
            task = self._client.submit(_run_apart, fn, *args, files=_pack(cell), pure=False)
        self._running.append(task)
        task.add_done_callback(lambda done: self._take(done, cell, outcome))
        return outcome

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        unfinished = [t for t in self._running if not t.done()]
        if cancel_futures and unfinished:
            self._client.cancel(unfinished)
        self._running.clear()

    def _take(self, task: Any, cell: Cell, outcome: Future[Any]) -> None:
        """Bring a cell home; called on a thread of the client's."""
        from distributed import KilledWorker

        try:
            result = task.result()
            if not self._shared:
                result, error, files = result
                if files:
                    _unpack(files, cell.folder)
                if error is not None:
                    raise error
            outcome.set_result(result)
        except KilledWorker as error:
            # It was tried on several workers, and each died: `run_grid` counts these.
            outcome.set_exception(BrokenExecutor(str(error)))
        except BaseException as error:
            outcome.set_exception(error)


def _run_shared(fn: Callable[..., Any], cell: Cell, *args: Any) -> Any:
    """Run a cell in the sweep's folder; wait for a worker that is still at it."""
    deadline = time.monotonic() + IN_USE_SECONDS
    while True:
        try:
            return fn(cell, *args)
        except RunInUseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1.0)


def _run_apart(
    fn: Callable[..., Any], cell: Cell, collect: Any, calling: Calling | None, *, files: Files
) -> tuple[Any, SQLBenchError | None, Files]:
    """Run a cell in a folder of the worker's own; its files travel here and back.

    They come back also when the run was stopped: what it paid for is in them.
    """
    collected, stopped = None, None
    # In the worker's own folder, which Dask clears away also after a worker that was killed.
    with tempfile.TemporaryDirectory(prefix="sqlbench-", dir=_worker_folder()) as scratch:
        away = replace(cell, folder=Path(scratch) / cell.folder.name)
        if files:
            _unpack(files, away.folder)
        try:
            collected = fn(away, collect, calling)
        except SQLBenchError as error:
            stopped = error
        return collected, stopped, _pack(away)


def _worker_folder() -> str | None:
    """Return the folder of the Dask worker that this is, if it is one."""
    from distributed import get_worker

    try:
        return str(get_worker().local_directory)
    except ValueError:
        return None


def _pack(cell: Cell) -> Files:
    """Return a cell's files, if it has any."""
    if not cell.folder.is_dir():
        return {}
    return {p.name: p.read_bytes() for p in cell.folder.iterdir() if p.name != "lock"}


def _unpack(files: Files, folder: Path) -> None:
    """Write a cell's folder in one piece, in place of what an earlier try may have left."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, content in files.items():
        (partial / name).write_bytes(content)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
