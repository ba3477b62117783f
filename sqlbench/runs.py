"""A run on disk: append-only, resumable, and read back as DataFrames.

``run.json`` holds what the results depend on, ``episodes.jsonl`` a line an episode,
``failures.jsonl`` the episodes that their model failed, ``timings.jsonl`` the wall-clock facts,
``prompts.json`` the texts that were sent, ``policy.npz`` what was learned, ``summary.json`` the
rates. A line counts once it ends in a newline: a torn last line is owed again. Beside what the
results depend on: ``calls.jsonl``, a line a request that was sent, and ``price.json``, what a
million tokens of each model cost.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator

from sqlbench.context import MAX_ATTEMPTS
from sqlbench.environment import Feedback
from sqlbench.episode import DEFAULT_HINDSIGHT, Episode
from sqlbench.exceptions import RunFolderError, RunInUseError
from sqlbench.frames import EPISODE_COLUMNS, step_frame
from sqlbench.html import Card, Grid, Shown, Text, facts
from sqlbench.repair import Prompts

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.models.budget import Price
    from sqlbench.policies import Policy

SCHEMA_VERSION = 1


class RunConfig(BaseModel):
    """What a run's results are a function of. Concurrency is not in it: it changes nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str = "marketplace"
    task: str | None = None
    database: str | None = None
    model: str = "simulated"
    repair_model: str | None = None
    policy: str = "linucb"
    episodes: int = Field(default=300, ge=1)
    seed: int = Field(default=0, ge=0)
    lag: int = Field(default=0, ge=0)
    feedback: Feedback = "oracle"
    max_attempts: int = Field(default=MAX_ATTEMPTS, ge=1, le=MAX_ATTEMPTS)
    metric: str = "exact"
    temperature: float = Field(default=0.1, ge=0.0)
    hindsight: float = DEFAULT_HINDSIGHT
    learner: str = "standard"

    @property
    def paid_models(self) -> tuple[str, ...]:
        """The specs of the models whose calls cost money."""
        models = dict.fromkeys((self.model, self.repair_model))
        return tuple(m for m in models if m and m.startswith("openai"))

    @field_validator("database")
    @classmethod
    def _without_password(cls, value: str | None) -> str | None:
        # Whoever makes a configuration: what is written from it never holds a password.
        login = (value or "").partition("://")[2].rpartition("@")[0]
        if value is None or (":" not in login and "password" not in value):
            return value
        from sqlbench.databases.postgres_url import PostgresURL

        return PostgresURL.parse(value).shown


class Run(Shown):
    """A run, in memory or in a folder.

    Parameters
    ----------
    meta : dict
        What ``run.json`` holds.
    folder : Path or None
        Where it lives; None keeps it in memory only.

    Attributes
    ----------
    config : RunConfig
        The configuration.
    """

    def __init__(self, meta: dict[str, Any], folder: Path | None = None) -> None:
        if meta.get("schema_version") != SCHEMA_VERSION:
            raise RunFolderError(
                f"The run in {str(folder)!r} has schema version {meta.get('schema_version')!r}; "
                f"this sqlbench reads version {SCHEMA_VERSION}."
            )
        self.meta, self.folder = meta, folder
        self.config = RunConfig(**meta["config"])
        self._log: list[Episode] | None = [] if folder is None else None
        self._failed: list[dict[str, Any]] | None = None
        self._policy: Policy | None = None

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Open a run's folder for reading.

        Raises
        ------
        RunFolderError
            If it is no run's folder. A log that is damaged before its last line raises when it is
            first read, which may be now or with the first use of what is in it.
        """
        path = Path(folder)
        return cls(_read_json(path / "run.json"), path)

    @property
    def log(self) -> list[Episode]:
        """The finished episodes, in the order in which the policy learned from them.

        It is read when it is first asked for: a frame of a large run needs no objects.
        """
        if self._log is None:
            assert self.folder is not None
            lines = read_lines(self.folder / "episodes.jsonl")
            self._log = [Episode.from_record(r) for r in lines]
        return self._log

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The notes of the episodes that their model failed, and that are still owed."""
        if self._failed is None:
            failed: dict[int, dict[str, Any]] = {}
            if self.folder is not None:
                failed = {r["episode"]: r for r in read_lines(self.folder / "failures.jsonl")}
            finished = {e.index for e in self.log} if failed else set()
            self._failed = [r for i, r in sorted(failed.items()) if i not in finished]
        return self._failed

    def _records(self) -> Iterator[dict[str, Any]]:
        """Yield the episodes' records, from the log's lines unless it is in memory already."""
        if self._log is None and self.folder is not None:
            yield from read_lines(self.folder / "episodes.jsonl")
        else:
            for episode in self.log:
                yield episode.record()

    @property
    def simulated(self) -> bool:
        """Whether its model is simulated: every figure and table of it says so."""
        return bool(self.meta["simulated"])

    @property
    def without_gold(self) -> int:
        """How many of the questions that could be asked have no gold query."""
        return int(self.meta["without_gold"])

    @property
    def caveat(self) -> str:
        """What every figure and table of it must say beside the numbers; mostly nothing."""
        parts = ["simulated model"] if self.simulated else []
        if self.without_gold:
            asked = self.meta["questions"]
            which = "" if self.without_gold == asked else f" on {self.without_gold} of {asked}"
            parts.append(f"no gold query{which}: success means it ran and returned rows")
        return "; ".join(parts)

    @property
    def mark(self) -> str:
        """The caveat in parentheses, to stand behind a name."""
        return f" ({self.caveat})" if self.caveat else ""

    @property
    def finished(self) -> bool:
        """Whether every episode is in the log."""
        return len(self.log) >= self.config.episodes

    @property
    def label(self) -> str:
        """Return one line that says what ran."""
        c = self.config
        suite = f"{c.suite} on {c.database}" if c.database else c.suite
        model = f"{c.model} + {c.repair_model}" if c.repair_model else c.model
        return f"{suite} · {model} · {c.policy} · seed {c.seed}"

    def card(self) -> Card:
        """Return what a notebook shows of it: its rates and costs."""
        from sqlbench.analysis import rates

        c, found = self.config, self.summary
        about = facts(
            {
                "episodes": f"{len(self.log)} of {c.episodes}, {found['questions']} questions",
                "feedback": c.feedback,
                "mean total reward": f"{found['mean_total_reward']:+.3f}" if self.log else None,
                "model calls": f"{found['model_calls']:,}",
                "failed": len(self.failed) or None,
                "folder": self.folder,
            }
        )
        rows = [(name, str(r)) for name, r in rates(self).items()] if self.log else []
        header = ("", "rate [95% interval, by question] (count/n)")
        notes = [*self.meta["notes"], *self.meta["invalid_questions"].values()]
        return Card(
            f"Run {self.label}{self.mark}",
            [Grid(header, rows), about, *(Text(f"Note: {n}") for n in notes)],
        )

    @cached_property
    def prices(self) -> dict[str, Price]:
        """What a million tokens of its models cost, by spec, where that is known."""
        from sqlbench.models.budget import load_prices, make_price

        paid = self.config.paid_models
        if self.folder is not None and (self.folder / "price.json").exists():
            found = _read_json(self.folder / "price.json")
            if "prompt" in found:  # as runs of one model were written first
                found = dict.fromkeys(paid, found)
            return {m: make_price(v, "The run's price.json") for m, v in found.items()}
        return load_prices(paid)

    def calls(self) -> Iterator[dict[str, Any]]:
        """Yield the records of the requests that were sent, in the order of their answers."""
        if self.folder is not None:
            yield from read_lines(self.folder / "calls.jsonl")

    @cached_property
    def prompts(self) -> Prompts:
        """The texts that were sent."""
        if self.folder is None:
            return Prompts(self.meta["prompts"])
        return Prompts(_read_json(self.folder / "prompts.json"))

    @property
    def episodes(self) -> pd.DataFrame:
        """A row an episode, in order of its number."""
        import pandas as pd

        rows = [
            {
                "episode": e.index,
                "question_id": e.question_id,
                "task_id": e.task_id,
                "db_id": e.db_id,
                "success": e.success,
                "attempts": len(e.steps),
                "first": e.first,
                "field": e.field,
                "any": e.any,
                "total_reward": e.total_reward,
                "model_calls": e.model_calls,
                "prompt_tokens": sum(s.prompt_tokens for s in e.steps),
                "completion_tokens": sum(s.completion_tokens for s in e.steps),
                "simulated": self.simulated,
            }
            for e in self.log
        ]
        frame = pd.DataFrame(rows, columns=EPISODE_COLUMNS)
        return frame.sort_values("episode", kind="stable", ignore_index=True)

    @property
    def steps(self) -> pd.DataFrame:
        """A row an attempt, in order of its episode's number."""
        return step_frame(self._records())

    @property
    def summary(self) -> dict[str, Any]:
        """The rates with their intervals, the costs and what was left out."""
        from sqlbench.analysis import summarize

        return summarize(self)

    @property
    def policy(self) -> Policy:
        """What was learned.

        Raises
        ------
        RunFolderError
            If the run has not finished.
        """
        if self._policy is not None:
            return self._policy
        if self.folder is None or not (self.folder / "policy.npz").exists():
            raise RunFolderError("The run has no policy yet: let it finish first.")
        from sqlbench.models import load_model
        from sqlbench.policies import load_policy
        from sqlbench.suites import load_suite

        model = None
        if self.config.policy.startswith("oracle"):
            spec = self.config.repair_model or self.config.model
            model = load_model(spec, load_suite(self.config.suite, self.config.database))
        self._policy = load_policy(self.folder / "policy.npz", model)
        return self._policy


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

    Raises
    ------
    RunFolderError
        If the folder holds a run of another configuration, other files, or a run that another
        process is writing.
    """

    def __init__(self, meta: dict[str, Any], prompts: Prompts, folder: Path | None) -> None:
        self.run = Run(meta, folder)
        self._files: dict[str, int] = {}
        self._lock: IO[bytes] | None = None
        if folder is None:
            self.run.meta = meta | {"prompts": dict(prompts.texts)}
            return
        self._take_folder(folder, meta)
        if not (folder / "prompts.json").exists():
            write_json(folder / "prompts.json", dict(prompts.texts))
        if not (folder / "run.json").exists():
            write_json(folder / "run.json", meta)
        for name in ("episodes", "failures", "timings", "calls"):
            path = folder / f"{name}.jsonl"
            drop_torn_line(path)
            with _clear_errors(path):
                self._files[name] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self.run.log  # noqa: B018  a damaged log is refused before anything is written

    def append(self, episode: Episode) -> None:
        """Keep a finished episode; a failure that it had before is made good."""
        self.run.log.append(episode)
        if self.run.failed:
            self.run.failed[:] = [r for r in self.run.failed if r["episode"] != episode.index]
        self._write("episodes", episode.record())
        self._write("timings", episode.timings())

    def fail(self, record: dict[str, Any]) -> None:
        """Keep a note of an episode that its model failed."""
        self.run.failed.append(record)
        self._write("failures", record)

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
            with _clear_errors(Path("episodes.jsonl")):
                os.fsync(self._files["episodes"])

    def finish(self, policy: Policy) -> None:
        """Write the policy and the summary."""
        from sqlbench.policies import save_policy

        self.run._policy = policy
        if self.run.folder is not None:
            partial = self.run.folder / "policy.partial.npz"
            with _clear_errors(self.run.folder / "policy.npz"):
                save_policy(policy, partial)
                partial.replace(self.run.folder / "policy.npz")
            write_json(self.run.folder / "summary.json", self.run.summary)

    def close(self) -> None:
        """Sync, close the files and let the folder go."""
        try:
            self.sync()
        finally:
            for file in self._files.values():
                os.close(file)
            self._files.clear()
            if self._lock is not None:
                self._lock.close()

    def _take_folder(self, folder: Path, meta: dict[str, Any]) -> None:
        if folder.exists() and not folder.is_dir():
            raise RunFolderError(f"The run folder {str(folder)!r} is a file.")
        known = (folder / "run.json").exists()
        if folder.is_dir() and not known and any(p.name != "lock" for p in folder.iterdir()):
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
        if known:
            _check_same(_read_json(folder / "run.json"), meta, folder)

    def _write(self, name: str, record: dict[str, Any]) -> None:
        if name in self._files:
            line = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
            rest = memoryview(line.encode("utf-8", "surrogatepass") + b"\n")
            with _clear_errors(Path(f"{name}.jsonl")):
                # Without a buffer: what did not fit on a full disk must not follow later.
                while rest:
                    rest = rest[os.write(self._files[name], rest) :]


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file in one piece, or not at all.

    Raises
    ------
    RunFolderError
        If it cannot be written, as on a full disk.
    """
    partial = path.with_name(path.name + ".partial")
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    with _clear_errors(path):
        try:
            with partial.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunFolderError(
            f"{path.name} of the run cannot be written: {error.strerror}. What was finished is "
            "kept: make room, and repeat the command to go on."
        ) from error


def _check_same(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    was, now = _flat(old), _flat(new)
    differing = [k for k in sorted(was.keys() | now.keys()) if was.get(k) != now.get(k)]
    if differing:
        shown = ", ".join(f"{k} was {was.get(k)!r}, now {now.get(k)!r}" for k in differing[:4])
        raise RunFolderError(
            f"The folder {str(folder)!r} holds a run of another configuration ({shown}); "
            "name another folder, or repeat the first configuration to go on with it."
        )


def _flat(meta: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in meta.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunFolderError(
            f"{str(path.parent)!r} holds no run: {path.name} is missing."
        ) from None
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{str(path)!r} cannot be read: {error}.") from error
    if not isinstance(value, dict):
        raise RunFolderError(f"{str(path)!r} does not hold a JSON object.")
    return value


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a log; a last line that a crash has torn is none."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return  # torn by a crash: owed again
            try:
                yield parse_line(line)
            except ValueError as error:
                raise RunFolderError(
                    f"{str(path)!r}, line {number}, is damaged: {error}."
                ) from error


def parse_line(line: bytes) -> dict[str, Any]:
    """Read a line of a log.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:  # or a lone surrogate, which SQL from a model may contain
        value = json.loads(line.decode("utf-8", "surrogatepass"))
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def drop_torn_line(path: Path) -> None:
    """Cut off a last line that a crash has torn."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end != size:
            file.truncate(end)
