"""Appends to a run: whatever ends the process, a finished episode is kept, and kept once."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sqlbench.episodes.episode import Episode
from sqlbench.episodes.repair import Prompts
from sqlbench.exceptions import RunFolderError, RunInUseError
from sqlbench.runs.admission import LEARNED, admit
from sqlbench.runs.endpoints import ENDPOINTS, endpoints_with
from sqlbench.runs.files import clear_errors, drop_torn_line, is_free, read_json, write_json
from sqlbench.runs.run import START, Run
from sqlbench.runs.start import Start

if TYPE_CHECKING:
    from sqlbench.models.calling.budget import Price
    from sqlbench.policies import Policy

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_LOGS = {name: Path(f"{name}.jsonl") for name in ("episodes", "failures", "timings", "calls")}


class RunWriter:
    """Appends to a run, in memory and in its folder if it has one.

    A line goes to the operating system at once, where a killed process cannot lose it, and is
    synced to disk behind the run's back (`sync` waits for it).

    Parameters
    ----------
    meta : dict
        What ``run.json`` will hold.
    folder : Path or None
        Made if it does not exist. A run of the same configuration is gone on with.
    start : Start or None
        What the policy knew before; it is kept beside the log.
    bound : str or None
        Why a finished run could not have more episodes; see `sqlbench.runs.admission`.

    Raises
    ------
    RunFolderError
        If the folder holds a run of another configuration, other files, or a run that another
        process is writing.
    """

    def __init__(
        self,
        meta: dict[str, Any],
        prompts: Prompts,
        folder: Path | None,
        start: Start | None = None,
        bound: str | None = None,
    ) -> None:
        self.run = Run(meta, folder)
        self.run.start = start
        self._files: dict[str, int] = {}
        self._lock: IO[bytes] | None = None
        self._grown = False  # run.json knows of more episodes once there is one more
        if folder is None:
            self.run.meta = meta | {"prompts": dict(prompts.texts)}
            return
        try:
            self._take_folder(folder, meta, bound)
            # First of all: a folder without it that holds anything else is none of a run.
            if not (folder / "run.json").exists():
                write_json(folder / "run.json", self.run.meta)
            if not (folder / "prompts.json").exists():
                write_json(folder / "prompts.json", dict(prompts.texts))
            if start is not None and not (folder / START).exists():
                with clear_errors(folder / START):
                    (folder / START).write_bytes(start.content)
            for name, log in _LOGS.items():
                path = folder / log
                drop_torn_line(path)
                with clear_errors(path):
                    self._files[name] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            self.run.log  # noqa: B018  a damaged log is refused before anything is written
        except BaseException:
            self._let_go()  # a notebook keeps the error, and the error this writer with its lock
            raise

    def append(self, episode: Episode) -> None:
        """Keep a finished episode; a failure that it had before is made good."""
        self._grow()
        self.run.log.append(episode)
        self._forget_failure(episode.index)
        self._write("episodes", episode.record())
        self._write("timings", episode.timings())

    def fail(self, record: dict[str, Any]) -> None:
        """Keep a note of an episode that its model failed, in place of an earlier one."""
        self._grow()
        self._forget_failure(record["episode"])
        self.run.failed.append(record)
        self.run.failed.sort(key=lambda r: int(r["episode"]))
        self._write("failures", record)

    def keep_parameters(self, changes: Mapping[str, Mapping[str, str | None]]) -> None:
        """Keep what servers made of models' parameters, by spec: where the run begins next time."""
        if changes:
            self._keep_meta(LEARNED, {m: dict(c) for m, c in changes.items()})

    def keep_endpoints(self, asked: Mapping[str, str]) -> None:
        """Keep where models were asked, by spec."""
        if asked:
            self._keep_meta(ENDPOINTS, endpoints_with(self.run.meta, asked))

    def _keep_meta(self, name: str, value: Mapping[str, object]) -> None:
        if value != self.run.meta.get(name):
            self.run.meta = self.run.meta | {name: value}
            if self.run.folder is not None:
                write_json(self.run.folder / "run.json", self.run.meta)

    @property
    def folder(self) -> Path | None:
        """The run's folder."""
        return self.run.folder

    @property
    def paid_models(self) -> tuple[str, ...]:
        """The specs of the models whose calls cost money."""
        return self.run.config.paid_models

    @property
    def prices(self) -> dict[str, Price]:
        """What a million tokens of its models cost, by spec, where that is known."""
        return self.run.prices

    def calls(self) -> Iterator[dict[str, Any]]:
        """Yield the records of the requests that were sent before."""
        return self.run.calls()

    def keep_prices(self, prices: Mapping[str, Price]) -> None:
        """Keep what a million tokens cost, for every later table of this run."""
        self.run.prices = dict(prices)
        if self.run.folder is not None:
            write_json(self.run.folder / "price.json", {m: asdict(p) for m, p in prices.items()})

    def note_call(self, record: dict[str, Any]) -> None:
        """Keep a note of a request that was sent, and what it cost."""
        self._write("calls", record)

    def sync(self) -> None:
        """Wait until the log is on the disk. May run in another thread."""
        if "episodes" in self._files:
            with clear_errors(Path("episodes.jsonl")):
                os.fsync(self._files["episodes"])

    def finish(self, policy: Policy) -> None:
        """Write the policy and the summary."""
        from sqlbench.policies import save_policy

        self.run._policy = policy
        if self.run.folder is not None:
            partial = self.run.folder / "policy.partial.npz"
            with clear_errors(self.run.folder / "policy.npz"):
                save_policy(policy, partial)
                partial.replace(self.run.folder / "policy.npz")
            write_json(self.run.folder / "summary.json", self.run.summary)

    def close(self) -> None:
        """Sync, close the files and let the folder go."""
        try:
            self.sync()
        finally:
            self._let_go()

    def _grow(self) -> None:
        """Say in the folder that the run has more episodes, and is not finished any more."""
        if self._grown and self.run.folder is not None:
            self._grown = False
            write_json(self.run.folder / "run.json", self.run.meta)
            for name in ("policy.npz", "summary.json"):
                (self.run.folder / name).unlink(missing_ok=True)

    def _forget_failure(self, index: int) -> None:
        if self.run.failed:
            self.run.failed[:] = [r for r in self.run.failed if r["episode"] != index]

    def _let_go(self) -> None:
        for file in self._files.values():
            os.close(file)
        self._files.clear()
        if self._lock is not None:
            self._lock.close()

    def _take_folder(self, folder: Path, meta: dict[str, Any], bound: str | None) -> None:
        if folder.exists() and not folder.is_dir():
            raise RunFolderError(f"The run folder {str(folder)!r} is a file.")
        if not is_free(folder, "run.json"):
            raise RunFolderError(
                f"The folder {str(folder)!r} holds files and no run; name an empty or new one."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / "lock").open("ab")
        except OSError as error:
            raise RunFolderError(
                f"The run folder {str(folder)!r} cannot be written: {error.strerror}."
            ) from error
        try:
            # The kernel frees the lock with its process, however that ends.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunInUseError(
                f"Another process is writing the run in {str(folder)!r}; wait, or name another."
            ) from None
        there = folder / "run.json"
        if there.exists():
            self.run.meta = admit(folder, meta, bound)
            count = meta["config"]["episodes"]
            self._grown = there.exists() and read_json(there)["config"]["episodes"] != count

    def _write(self, name: str, record: dict[str, Any]) -> None:
        if name in self._files:
            line = _encode(record)
            rest = memoryview(line.encode("utf-8", "surrogatepass") + b"\n")
            with clear_errors(_LOGS[name]):
                # Without a buffer: what did not fit on a full disk must not follow later.
                while rest:
                    rest = rest[os.write(self._files[name], rest) :]
