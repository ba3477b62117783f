"""``sqlbench collect``: a repair table, with the outcome of every repair."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from sqlbench.cli.calling import with_calling
from sqlbench.cli.stopping import run_stoppable
from sqlbench.models.calling.options import Calling


@with_calling
def collect(
    *,
    calling: Calling,
    out: Annotated[
        Path,
        typer.Option(help="The table's folder; a collection of the same options there goes on."),
    ],
    suite: Annotated[str, typer.Option(help="As for sqlbench run.")] = "marketplace",
    model: Annotated[str, typer.Option(help="As for sqlbench run.")] = "simulated",
    samples: Annotated[
        int, typer.Option(help="How often each repair of a failing first answer is called.")
    ] = 1,
    answers: Annotated[int, typer.Option(help="First answers for each question.")] = 1,
    task: Annotated[
        str | None, typer.Option(help="Ask only this task's questions. Default: all.")
    ] = None,
    seed: Annotated[int, typer.Option(help="All randomness derives from it.")] = 0,
    temperature: Annotated[float, typer.Option(help="The model's sampling temperature.")] = 0.1,
    concurrency: Annotated[int, typer.Option(help="Calls in flight; never changes a result.")] = 1,
    prompts: Annotated[
        Path | None,
        typer.Option(help="A folder of .txt files that override the package's prompts."),
    ] = None,
) -> None:
    """Call all 8 repairs and a new answer for each failing first answer. Killed, it goes on."""
    from sqlbench.evidence.collect import collect as collect_table

    table = run_stoppable(
        collect_table(
            suite,
            model,
            out,
            samples=samples,
            answers=answers,
            task=task,
            seed=seed,
            temperature=temperature,
            prompts=prompts,
            concurrency=concurrency,
            say=print,
            calling=calling,
        )
    )
    mark = " (simulated model)" if table.simulated else ""
    print(f"Repair table{mark}: {len(table)} rows, {len(table.arms)} arms, in {out}")
    for note in table.notes:
        print(f"Note: {note}")
    print(f"Next: sqlbench replay {quote(str(out))} --policies linucb,table,rules --seeds 0-99")
