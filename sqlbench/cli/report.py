"""``sqlbench report``: a run as a notebook and as HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run_dir: Annotated[Path, typer.Argument(help="The run's folder.")],
) -> None:
    """Execute the notebook on a run with papermill, and export HTML that opens offline."""
    from sqlbench.reports.index import write_index
    from sqlbench.reports.report import write_report

    written = write_report(run_dir)
    print(f"Report: {written}")
    print(f"All runs beside it: {write_index(written.parent.parent)}")
