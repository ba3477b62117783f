"""Whether a run may go on in a folder: what is there must be the same run, or the beginning of it.

A run without a finished episode binds nothing: a start that failed leaves a folder that takes the
corrected command. More episodes than before are the same run, gone on with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlbench.exceptions import RunFolderError
from sqlbench.runs.endpoints import ENDPOINTS
from sqlbench.runs.files import clear_errors, drop_torn_line, read_json

# Where something was found; a hash beside it says what it is.
_PLACES = {"config.prompts", "config.start_from", "start_simulated"}
# What a server made of parameters is learned by the run itself.
LEARNED = "parameters"
_KEPT = (LEARNED, ENDPOINTS)
# What a start leaves behind that came to nothing. What its calls cost stays counted. The run's own
# file goes last: without it the others are strangers.
_LEFTOVERS = [f"{name}.json" for name in ("prompts", "price", "summary")]
_LEFTOVERS += ["start.npz", "policy.npz", "failures.jsonl", "timings.jsonl", "run.json"]


def admit(folder: Path, meta: dict[str, Any], bound: str | None) -> dict[str, Any]:
    """Return what ``run.json`` holds from now on, or refuse the run.

    Parameters
    ----------
    folder : Path
        Holds a ``run.json``.
    meta : dict
        What it would hold of the run that is to go on.
    bound : str or None
        Why the results depend on the number of episodes; None: they do not.

    Raises
    ------
    RunFolderError
        If the folder holds another run that has begun, or one that cannot be extended.
    """
    old = read_json(folder / "run.json")
    known = {name: old[name] for name in _KEPT if name in old}
    differing = _differing(old, meta)
    if not differing:
        return meta | known
    if not _begun(folder):
        for name in _LEFTOVERS:
            with clear_errors(folder / name):
                (folder / name).unlink(missing_ok=True)
        return meta
    was, now = _flat(old), _flat(meta)
    if differing == ["config.episodes"] and _grows(was, now):
        if bound is None:
            return meta | known
        raise RunFolderError(
            f"The run in {str(folder)!r} has {was['config.episodes']} episodes and cannot be "
            f"extended to {now['config.episodes']}: {bound}. Name another folder."
        )
    raise _of_another(folder, was, now, differing)


def check_config(folder: Path, config: dict[str, Any]) -> None:
    """Refuse settings with which the run that has begun in a folder could not be gone on with.

    Parameters
    ----------
    folder : Path
        Holds a ``run.json``, and finished episodes.
    config : dict
        The settings; more episodes than before are the same run.

    Raises
    ------
    RunFolderError
        If the run there has others.
    """
    old, new = {"config": read_json(folder / "run.json").get("config", {})}, {"config": config}
    differing, was, now = _differing(old, new), _flat(old), _flat(new)
    if differing and not (differing == ["config.episodes"] and _grows(was, now)):
        raise _of_another(folder, was, now, differing)


def _of_another(
    folder: Path, was: dict[str, Any], now: dict[str, Any], differing: list[str]
) -> RunFolderError:
    shown = ", ".join(f"{k} was {was.get(k)!r}, now {now.get(k)!r}" for k in differing[:4])
    return RunFolderError(
        f"The folder {str(folder)!r} holds a run of another configuration ({shown}); "
        "name another folder, or repeat the first configuration to go on with it."
    )


def _begun(folder: Path) -> bool:
    """Whether an episode was finished."""
    log = folder / "episodes.jsonl"
    drop_torn_line(log)
    return log.exists() and log.stat().st_size > 0


def _grows(was: dict[str, Any], now: dict[str, Any]) -> bool:
    before, after = was.get("config.episodes"), now["config.episodes"]
    return isinstance(before, int) and before < after


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    was, now = _flat(old), _flat(new)
    names = sorted((was.keys() | now.keys()) - _PLACES)
    return [k for k in names if was.get(k) != now.get(k)]


def _flat(meta: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in meta.items():
        if not prefix and key in _KEPT:
            continue
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
