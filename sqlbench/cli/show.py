"""``sqlbench show``: one episode as a readable transcript."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def show(
    run_dir: Annotated[Path, typer.Argument(help="The run's folder.")],
    episode: Annotated[int, typer.Argument(help="The episode's number, from 0.")],
    prompt: Annotated[
        bool, typer.Option("--prompt", help="Print exactly what was sent at each attempt.")
    ] = False,
) -> None:
    """Show one episode: prompts, SQL, errors, scores and rewards."""
    from sqlbench.reports.transcript import transcript
    from sqlbench.runs.run import Run
    from sqlbench.suites import load_suite

    run = Run.open(run_dir)
    suite = load_suite(run.config.suite, run.config.database)
    if suite.content_hash != run.meta["suite_hash"]:
        print("sqlbench: the suite has changed since this run.", file=sys.stderr)
    print(transcript(run, episode, suite, prompts=prompt))
