"""One cell of a grid: its plan, and what a worker does with it.

A cell is a run configuration, and its folder's name is a hash of all that the results depend on.
A worker keeps suites and models between its cells, and makes each cell of what it was planned with.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import sqlbench
from sqlbench.environment.doubting import is_grounded
from sqlbench.episodes.repair import Prompts
from sqlbench.exceptions import ConfigError, RunFolderError
from sqlbench.grids.workers import RUNS
from sqlbench.models import Calling, ChatModel, load_model
from sqlbench.models.predictions import check_samples
from sqlbench.policies import make_policy
from sqlbench.runs.config import RunConfig
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.run import SCHEMA_VERSION, Run
from sqlbench.runs.start import Start
from sqlbench.suites import Suite, load_suite

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of the grid.

    Attributes
    ----------
    config : RunConfig
        Its configuration.
    folder : Path
        Where it is kept.
    contents : tuple of str
        The hashes of the suite, and of the files of models, prompts and a policy to start from,
        that it was planned with.
    """

    config: RunConfig
    folder: Path
    contents: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether its last file is written."""
        return (self.folder / "summary.json").exists()

    def settled(self, calling: Calling | None) -> bool:
        """Whether it is finished, and owes no episode that its model or database has failed.

        Those are asked for again whenever the grid is, unless there is no calling.
        """
        if not self.finished or (calling is not None and calling.offline):
            return self.finished
        try:
            summary = json.loads((self.folder / "summary.json").read_bytes())
            return not (summary["model_errors"] or summary.get("database_errors"))
        except (OSError, ValueError, KeyError, TypeError):
            return True  # `Run.open` says what is wrong with it


def plan(configs: Sequence[RunConfig], out: Path, calling: Calling | None = None) -> list[Cell]:
    """Give each configuration its folder, and refuse what cannot be run.

    Raises
    ------
    UnknownNameError, ConfigError, SuiteError, ModelSetupError
        If a configuration cannot be run.
    RunFolderError
        If the folder cannot be one.
    """
    file = next((p for p in (out, *out.parents) if p.exists() and not p.is_dir()), None)
    if file is not None:
        raise RunFolderError(f"The runs cannot go into {str(out)!r}: {str(file)!r} is a file.")
    if (out / "run.json").exists():
        raise RunFolderError(f"The runs cannot go into {str(out)!r}: it is the folder of one run.")
    _WORKER.forget()
    cells = []
    for config in configs:
        suite, (model, repairing) = _WORKER.suite(config), _WORKER.models(config, calling)
        check_samples(model, config.samples)
        content = {
            "config": config.model_dump(exclude={"prompts", "start_from"}),  # their hashes instead
            "suite": suite.content_hash,
            "profile": model.fingerprint or None,  # or the hash of a prediction file
            "prompts": _prompts(config, repairing or model).hash,
            "versions": [sqlbench.__version__, SCHEMA_VERSION],
        }
        if repairing is not None and repairing.fingerprint:
            content["repair_profile"] = repairing.fingerprint
        start = _start(config, repairing or model)
        if start is not None:
            content["start"] = start
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        name = "".join(c if c.isalnum() or c in "-." else "_" for c in config.policy)
        folder = out / f"{name[:40]}-s{config.seed}-{digest[:10]}"
        cells.append(Cell(config, folder, _contents(config, suite, (model, repairing))))
    return cells


def run_cell(cell: Cell, collect: Callable[[Run], T], calling: Calling | None = None) -> T:
    """Run a cell, or open it if it is settled, and collect from it. This is what a worker does."""
    if cell.settled(calling):
        return collect(Run.open(cell.folder))
    config = cell.config.model_dump()
    suite, (model, repairing) = _WORKER.planned(cell, calling)
    del config["suite"], config["model"], config["repair_model"]

    async def run() -> Run:
        try:
            with RUNS.running():
                return await run_experiment(
                    suite,
                    model,
                    repair_model=repairing,
                    **config,
                    concurrency=cell.config.lag + 1,  # all that can be in flight; `calling` limits
                    out=cell.folder,
                    progress=False,
                    calling=calling,
                )
        finally:
            # Nobody knows which cell is a worker's last. Its models are kept, and connect anew.
            for used in (model, repairing):
                if used is not None:
                    await used.aclose()

    return collect(_WORKER.runner().run(run()))


def _contents(
    config: RunConfig, suite: Suite, models: tuple[ChatModel, ChatModel | None]
) -> tuple[str, ...]:
    texts = () if config.prompts is None else (_prompts(config, models[1] or models[0]).hash,)
    start = _start(config, models[1] or models[0])
    known = () if start is None else (start,)
    return (suite.content_hash, *(m.fingerprint for m in models if m is not None), *texts, *known)


def _prompts(config: RunConfig, repairing: ChatModel) -> Prompts:
    return Prompts.load(config.prompts, ground=is_grounded(config.ground, repairing))


def _start(config: RunConfig, model: ChatModel) -> str | None:
    """Return the hash of what the policy starts from; refuse a policy that cannot be made."""
    policy = make_policy(config.policy, model)
    if config.start_from is None:
        return None
    return Start.read(config.start_from, policy, model).hash


class _Worker(threading.local):
    """What a worker keeps between its cells: suites, models, and the loop that they live on."""

    def __init__(self) -> None:
        self._suites: dict[tuple[str, str | None], Suite] = {}
        self._models: dict[object, ChatModel] = {}
        self._runner: asyncio.Runner | None = None

    def forget(self) -> None:
        """Read every file anew when it is next asked for: a notebook's kernel outlives them."""
        self._suites.clear()
        self._models.clear()

    def planned(
        self, cell: Cell, calling: Calling | None
    ) -> tuple[Suite, tuple[ChatModel, ChatModel | None]]:
        """Return a cell's suite and models, made of the same files as when it was planned.

        Raises
        ------
        ConfigError
            If one of the files is another by now, or on this machine.
        """
        for _ in range(2):
            found = self.suite(cell.config), self.models(cell.config, calling)
            if _contents(cell.config, *found) == cell.contents:
                return found
            self.forget()  # a worker of a cluster outlives a sweep, and keeps what it read for it
        raise ConfigError(
            f"The run {cell.folder.name!r} cannot be made as it was planned: its suite, profile, "
            "prompts, prediction file or policy to start from has changed since, or is another on "
            "this worker. Start again."
        )

    def suite(self, config: RunConfig) -> Suite:
        key = config.suite, config.database
        if key not in self._suites:
            self._suites[key] = load_suite(*key)
        return self._suites[key]

    def models(
        self, config: RunConfig, calling: Calling | None
    ) -> tuple[ChatModel, ChatModel | None]:
        """Return who answers and who repairs."""
        first = self._model(config.model, config, calling)
        if config.repair_model is None:
            return first, None
        return first, self._model(config.repair_model, config, calling)

    def _model(self, spec: str, config: RunConfig, calling: Calling | None) -> ChatModel:
        # The time limits are the model's own, and a replay takes one without a key.
        key = spec, config.suite, config.database, calling
        if key not in self._models:
            self._models[key] = load_model(spec, self.suite(config), calling)
        return self._models[key]

    def runner(self) -> asyncio.Runner:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner


_WORKER = _Worker()
