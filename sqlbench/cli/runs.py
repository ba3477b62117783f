"""``sqlbench runs``: what lies in a folder of runs."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from sqlbench.exceptions import ConfigError

ACTIONS = "diff RUN RUN, or tag RUN TAG…"


def runs(
    folder: Annotated[Path, typer.Argument(help="A folder of runs, e.g. results.")],
    action: Annotated[
        list[str] | None,
        typer.Argument(help="Nothing: list them. diff A B: set two side by side. tag RUN TAG…"),
    ] = None,
) -> None:
    """List the runs of a folder, compare two of them, or tag one (-- tag RUN -TAG unties a tag)."""
    from sqlbench.reports.run_list import diff_text, pick_run, runs_text, tag_run
    from sqlbench.runs.run import Run

    match action or []:
        case []:
            print(runs_text(folder))
        case ["diff", first, second]:
            opened = [Run.open(pick_run(folder, name)) for name in (first, second)]
            print(diff_text(*opened))
        case ["tag", name, *tags] if tags:
            print(f"{name}: {', '.join(tag_run(pick_run(folder, name), tags)) or 'no tags'}")
        case other:
            line = f"sqlbench runs {quote(str(folder))}"
            raise ConfigError(f"{line} takes {ACTIONS}, not {' '.join(other)!r}.")
