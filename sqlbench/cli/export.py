"""``sqlbench export``: runs for spreadsheets, papers and other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or a sweep's or comparison's.")],
    form: Annotated[
        str, typer.Option("--format", help="csv, parquet, latex, mlflow or inspect.")
    ] = "csv",
    out: Annotated[
        Path | None, typer.Option(help="Where to. Default: export in the folder.")
    ] = None,
) -> None:
    """Write a run, or all runs of a folder, as tables or in another tool's format."""
    from sqlbench.reports.export import export as write

    for path in write(folder, form, out):
        print(path)
