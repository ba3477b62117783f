"""``sqlbench sweep``: a grid of runs, here or on a Dask cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from sqlbench.cli.calling import with_calling
from sqlbench.cli.stopping import stoppable
from sqlbench.models.calling.options import Calling
from sqlbench.words import counted


@with_calling
def sweep(
    *,
    calling: Calling,
    grid: Annotated[
        Path,
        typer.Argument(
            help="A YAML file: fields of a run (suite, model, policy, seed, episodes, lag, …), "
            "each with one value or a list; every combination is a run."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="The sweep's folder; gone on with if it exists.")
    ] = Path("results/sweep"),
    dask: Annotated[
        str | None,
        typer.Option(help="The scheduler of a Dask cluster, e.g. tcp://HOST:8786. Default: here."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Local worker processes. Default: one a core.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the cells and the number of calls.")
    ] = False,
) -> None:
    """Run a grid of configurations, each once, and print one table. Killed, it goes on.

    A budget is the whole sweep's. Limits per minute hold for each worker by itself.
    """
    from sqlbench.cli.sweep_table import live_table
    from sqlbench.grids.cells import plan
    from sqlbench.grids.cluster import connect
    from sqlbench.grids.grid import processes
    from sqlbench.grids.sweep import TABLE, load_grid, run_sweep, sweep_text
    from sqlbench.grids.sweep_status import Sweep

    configs = load_grid(grid)
    if dry_run:
        planned = Sweep(plan(configs, out / "runs", replace(calling, offline=True)), out)
        print(planned)
        owed = planned.status
        owed = owed[owed["state"] != "finished"]
        most = sum(c.config.episodes * c.config.max_attempts for c in planned.cells)
        calls = int((owed["episodes"] - owed["done"]).sum())
        print(f"\n{calls:,} to {most:,} calls (see sqlbench run --dry-run)")
        return
    if calling.cache is not None:
        calling = replace(calling, cache=Path(calling.cache).absolute())
    if dask is None:
        pool = processes(workers)
    else:
        cluster = connect(dask, configs, out)
        where = "the sweep's folder" if cluster.shared else "folders of their own"
        found = counted(cluster.workers, "worker")
        print(f"{found}, writing to {where}. Dashboard: {cluster.dashboard}")
        pool = cluster.executors(calling)
    with stoppable(), live_table() as watch:
        table = run_sweep(configs, out, workers=pool, calling=calling, progress=False, watch=watch)
    print(sweep_text(table))
    print(f"\nTable: {out / TABLE}; runs: {out / 'runs'}")
    if not table["episodes"].any():
        raise typer.Exit(1)  # nothing came of it: a script should not go on
