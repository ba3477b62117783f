"""A run's files: JSON in one piece or not at all, and logs whose torn last line is owed again."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

import orjson

from sqlbench.exceptions import RunFolderError
from sqlbench.paths import shown
from sqlbench.words import counted

T = TypeVar("T")
RUN = "run.json"


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file in one piece, or not at all.

    Raises
    ------
    RunFolderError
        If it cannot be written, as on a full disk.
    """
    partial = path.with_name(path.name + ".partial")
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    with clear_errors(path):
        try:
            with partial.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise


def is_free(folder: Path, name: str) -> bool:
    """Whether a folder is there to be taken: it has a file of this name, or nothing of note.

    What a start leaves behind that was killed before its first file was whole is nothing.
    """
    if not folder.is_dir() or (folder / name).exists():
        return True
    return all(p.name in ("lock", f"{name}.partial") for p in folder.iterdir())


@contextlib.contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one sentence: a `RunFolderError`."""
    try:
        yield
    except OSError as error:
        raise RunFolderError(
            f"{path.name} of the run cannot be written: {error.strerror}. What was finished is "
            "kept: make room, and repeat the command to go on."
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file of a run.

    Raises
    ------
    RunFolderError
        If there is no such file, or it is damaged.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunFolderError(_missing(path)) from None
    except NotADirectoryError:
        raise RunFolderError(f"{str(path.parent)!r} is a file; name the folder of a run.") from None
    except OSError as error:
        raise RunFolderError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise RunFolderError(f"{str(path)!r} is damaged: {error}.") from error
    if not isinstance(value, dict):
        raise RunFolderError(f"{str(path)!r} is damaged: it holds no JSON object.")
    return value


def _missing(path: Path) -> str:
    """Say why a file of a run is not there: its folder may be a sweep's, or hold many runs."""
    folder = path.parent
    if not folder.is_dir():
        return f"{shown(folder)} holds no run: there is no such folder."
    inside = sorted(p.parent for p in folder.rglob(path.name)) if path.name == RUN else []
    if not inside:
        return f"{shown(folder)} holds no run: {path.name} is missing."
    return (
        f"{shown(folder)} is no run itself, but holds {counted(len(inside), 'run')}: name one, as "
        f"{shown(inside[0])}. They are listed by  sqlbench runs {quote(str(folder))}"
    )


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a log, up to a torn last line; nothing where there is no file.

    Raises
    ------
    RunFolderError
        If a line before the last is damaged.
    """
    return read_log(path, lambda record: record)


def read_log(path: Path, make: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    """Yield what is made of each record of a log; see `read_lines`.

    Raises
    ------
    RunFolderError
        If a line before the last is damaged, or nothing can be made of it.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return  # torn by a crash: owed again
            try:
                made = make(parse_line(line))
            except (ValueError, KeyError, TypeError) as error:
                what = f"it has no {error}" if isinstance(error, KeyError) else error
                raise RunFolderError(
                    f"{str(path)!r}, line {number}, is damaged: {what}. Restore the file, or run "
                    "anew in another folder."
                ) from error
            yield made


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
    """Cut off what stands behind a log's last newline."""
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
