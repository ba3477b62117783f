"""The files of a collection: its results, what its requests cost, and the lock on them."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sqlbench.evidence.repair_table import TableError
from sqlbench.evidence.table_files import read_meta
from sqlbench.models import ChatModel
from sqlbench.models.calling.budget import Price, load_prices
from sqlbench.runs.files import clear_errors, drop_torn_line, is_free, read_lines, write_json

CALLS, FAILURES, REQUESTS = "calls.jsonl", "failures.jsonl", "requests.jsonl"


@dataclass(frozen=True, slots=True)
class CollectionBooks:
    """Where a collection keeps what its calls cost; implements `caller.Books`."""

    folder: Path
    model: ChatModel

    @property
    def paid_models(self) -> tuple[str, ...]:
        """The model, if its calls cost money."""
        return (self.model.spec,) if hasattr(self.model, "address") else ()

    @property
    def prices(self) -> dict[str, Price]:
        """What a million of its tokens cost, where that is known."""
        return load_prices(self.paid_models)

    def keep_prices(self, prices: Mapping[str, Price]) -> None:
        """Do nothing: what a request cost is kept with it, and nothing later needs the prices."""

    def note_call(self, record: dict[str, Any]) -> None:
        """Keep the record of a request."""
        append(self.folder / REQUESTS, record)

    def calls(self) -> Iterator[dict[str, Any]]:
        """Return all records so far."""
        return read_lines(self.folder / REQUESTS)


def append(path: Path, record: dict[str, Any]) -> None:
    """Append a line to a log."""
    line = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    with clear_errors(path), path.open("ab") as file:
        file.write(line.encode("utf-8", "surrogatepass") + b"\n")


def take_folder(folder: Path, meta: dict[str, Any]) -> IO[bytes]:
    """Make the folder a table's, or check that it is this one's; return the lock on it.

    Raises
    ------
    TableError
        If it is another's, or another process is at it.
    """
    if folder.exists() and not folder.is_dir():
        raise TableError(f"The table's folder {str(folder)!r} is a file.")
    if not is_free(folder, "table.json"):
        raise TableError(
            f"The folder {str(folder)!r} holds files and no repair table; name an empty or new one."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("ab")
    except OSError as error:
        raise TableError(
            f"The table's folder {str(folder)!r} cannot be written: {error.strerror}."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise TableError(
            f"Another process is collecting into {str(folder)!r}; wait, or name another."
        ) from None
    try:
        if not (folder / "table.json").exists():
            write_json(folder / "table.json", meta)
        _check_same(folder, meta)
        for log in (CALLS, REQUESTS, FAILURES):
            drop_torn_line(folder / log)
    except BaseException:
        lock.close()  # a notebook keeps the error, and the error this frame with its lock
        raise
    return lock


def _check_same(folder: Path, meta: dict[str, Any]) -> None:
    """Refuse a folder that holds a table of something else."""
    # Older tables do not say what their model was made of.
    was = {"model_fingerprint": meta["model_fingerprint"]} | read_meta(folder)
    for place in ("config", "suite_hash", "prompts_hash", "model_fingerprint", "questions"):
        if was[place] != meta[place]:
            what = place.replace("_", " ")
            if place == "config":
                old, new = was["config"], meta["config"]
                keys = [k for k in new if old.get(k) != new[k]]
                shown = ", ".join(f"{k} was {old.get(k)!r}, now {new[k]!r}" for k in keys)
                what = f"configuration ({shown})"
            raise TableError(
                f"The folder {str(folder)!r} holds a repair table of another {what}; "
                "name another folder, or repeat the first configuration to go on with it."
            )
