"""How far a sweep is, seen from its folder: by whoever runs it, or by a notebook that looks on.

`sweep.json` names the cells, and the cells' logs say the rest. Only what was appended since the
last look is read.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlbench.exceptions import RunFolderError, RunInUseError
from sqlbench.grids.cells import Cell
from sqlbench.grids.grid import Tail
from sqlbench.html import Card, Grid, Shown, Text
from sqlbench.paths import located, shown
from sqlbench.runs.config import RunConfig
from sqlbench.runs.files import parse_line, write_json

if TYPE_CHECKING:
    import pandas as pd

NAMES, LOCK = "sweep.json", "sweep.lock"
VERSION = 1
# Cells that a view lists; the others are only counted.
LISTED = 20


@dataclass(frozen=True, slots=True)
class Counts:
    """Cells and episodes of a sweep, by where they stand."""

    finished: int
    running: int
    stopped: int
    waiting: int
    done: int
    episodes: int
    failed: int
    cost: float
    simulated: bool

    def __str__(self) -> str:
        cells = (
            f"{count:,} {state}"
            for state, count in (
                ("finished", self.finished), ("running", self.running),
                ("stopped", self.stopped), ("waiting", self.waiting),
            )
            if count
        )  # fmt: skip
        parts = [f"runs: {', '.join(cells)}", f"episodes: {self.done:,} of {self.episodes:,}"]
        parts += [f"failed: {self.failed:,}"] if self.failed else []
        parts += [f"cost: {self.cost:.4f}"] if self.cost else []
        parts += ["simulated model"] if self.simulated else []
        return " · ".join(parts)


class Sweep(Shown):
    """A sweep's cells and how far they are; a notebook shows it as a card.

    Parameters
    ----------
    cells : sequence of Cell
        The cells.
    folder : path
        The sweep's folder.
    """

    def __init__(self, cells: Sequence[Cell], folder: str | Path) -> None:
        self.folder = located(folder)
        self.cells = list({c.folder: c for c in cells}.values())
        self._watched = [_Watched(cell) for cell in self.cells]

    @classmethod
    def open(cls, folder: str | Path) -> Sweep:
        """Open the folder that `run_sweep` writes to, while it does or later.

        Raises
        ------
        RunFolderError
            If it is no sweep's folder.
        """
        path = located(folder)
        try:
            content = json.loads((path / NAMES).read_text(encoding="utf-8"))
            if content["version"] != VERSION:
                raise RunFolderError(
                    f"The sweep in {str(path)!r} has version {content['version']!r}; this sqlbench "
                    f"reads version {VERSION}."
                )
            cells = [
                Cell(RunConfig(**c["config"]), path / "runs" / c["folder"])
                for c in content["cells"]
            ]
        except FileNotFoundError:
            raise RunFolderError(
                f"{shown(path)} holds no sweep: {NAMES} is missing. Start one with  "
                "sqlbench sweep GRID.yaml --out DIR"
            ) from None
        except RunFolderError:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunFolderError(f"{str(path / NAMES)!r} cannot be read: {error}.") from error
        return cls(cells, path)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write down the cells, and keep every other process from running this sweep meanwhile.

        Raises
        ------
        RunInUseError
            If another process is at it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("ab") as lock:
            for attempt in range(20):
                with contextlib.suppress(OSError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(0.05 if attempt < 19 else 0)  # someone may only be looking: `alive`
            else:
                raise RunInUseError(
                    f"Another process is running the sweep in {str(self.folder)!r}; wait, or name "
                    "another folder."
                )
            cells = [{"folder": c.folder.name, "config": c.config.model_dump()} for c in self.cells]
            write_json(self.folder / NAMES, {"version": VERSION, "cells": cells})
            yield

    @property
    def alive(self) -> bool:
        """Whether a process on this machine is running it."""
        try:
            with (self.folder / LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    @property
    def finished(self) -> bool:
        """Whether every cell is."""
        return all(cell.finished for cell in self.cells)

    @cached_property
    def varied(self) -> list[str]:
        """The fields in which the cells differ."""
        dumps = [dict(c.config) for c in self.cells]
        found = [n for n in RunConfig.model_fields if len({str(d[n]) for d in dumps}) > 1]
        return found or ["policy", "seed"]

    @property
    def status(self) -> pd.DataFrame:
        """A row a cell: what it varies, state, episodes done, share of them right, failed, cost.

        The states are waiting, running, stopped (begun, and nobody is running the sweep) and
        finished. ``cost`` counts every request of the run, also those that failed.
        """
        import pandas as pd

        begun = "running" if self.alive else "stopped"
        rows = []
        for watched in self._watched:
            config, done = dict(watched.cell.config), watched.read()
            state = "finished" if watched.cell.finished else begun if done else "waiting"
            rows.append(
                {
                    **{name: config[name] for name in self.varied},
                    "state": state,
                    "done": done,
                    "episodes": config["episodes"],
                    "right": watched.right / done if done else None,
                    "failed": len(watched.failed),
                    "cost": watched.cost,
                    "simulated": _simulated(config["model"], config["repair_model"]),
                    "folder": watched.cell.folder.name,
                }
            )
        return pd.DataFrame(rows)

    def card(self) -> Card:
        """Return what a notebook shows of it: its counts, and its cells as they stand."""
        frame = self.status
        header, rows, left = listed(frame)
        parts: list[Text | Grid] = [Text(str(counts(frame))), Grid(header, rows)]
        parts += [Text(f"… and {left:,} more runs")] if left else []
        return Card(f"Sweep {self.folder}", parts)


def counts(frame: pd.DataFrame) -> Counts:
    """Return the sums of `Sweep.status`."""
    states = frame["state"].value_counts()
    return Counts(
        finished=int(states.get("finished", 0)),
        running=int(states.get("running", 0)),
        stopped=int(states.get("stopped", 0)),
        waiting=int(states.get("waiting", 0)),
        done=int(frame["done"].sum()),
        episodes=int(frame["episodes"].sum()),
        failed=int(frame["failed"].sum()),
        cost=float(frame["cost"].sum()),
        simulated=bool(frame["simulated"].any()),
    )


def listed(frame: pd.DataFrame, most: int = LISTED) -> tuple[list[str], list[list[str]], int]:
    """Return the header and rows of the cells that a view shows, and how many it leaves out.

    Where there are too many, those that run come first, then those that finished last.
    """
    order = {"running": 0, "stopped": 1, "finished": 2, "waiting": 3}
    shown = frame
    if len(frame) > most:
        shown = frame.sort_values("state", key=lambda s: s.map(order), kind="stable")[:most]
    names = [n for n in frame.columns if n not in ("folder", "episodes", "simulated")]
    names = [n for n in names if n not in ("failed", "cost") or frame[n].any()]
    rows = []
    for row in shown.to_dict("records"):
        texts = {
            "done": f"{row['done']:,} of {row['episodes']:,}",
            "right": f"{row['right']:.1%}" if row["done"] else "",
            "cost": f"{row['cost']:.4f}",
        }
        rows.append([texts.get(str(n), str(row[n])) for n in names])
    return [str(n) for n in names], rows, len(frame) - len(shown)


def _simulated(*models: str | None) -> bool:
    return any(m is not None and m.partition(":")[0] == "simulated" for m in models)


class _Watched:
    """A cell's logs, as far as they were read."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.right, self.cost = 0, 0.0
        self.failed: set[int] = set()
        folder = cell.folder
        self._done: dict[int, bool] = {}
        self._logs: list[tuple[Tail, Callable[[dict[str, Any]], None]]] = [
            (Tail(folder / "failures.jsonl"), lambda r: self.failed.add(r["episode"])),
            (Tail(folder / "episodes.jsonl"), self._take),
            (Tail(folder / "calls.jsonl"), self._pay),
        ]

    def read(self) -> int:
        """Read what is new, and return how many episodes are finished."""
        for tail, take in self._logs:
            for line in tail.read():
                take(parse_line(line))
        self.failed -= self._done.keys()
        return self._logs[1][0].count

    def _take(self, record: dict[str, Any]) -> None:
        # A log that a worker brings home anew is read anew.
        self.right += record["success"] - self._done.get(record["episode"], False)
        self._done[record["episode"]] = record["success"]

    def _pay(self, record: dict[str, Any]) -> None:
        self.cost += record["cost"]
