"""``sqlbench sweep``: a grid of runs, here or on a Dask cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqlbench.cli import calling as options
from sqlbench.models.options import Calling

_CALLING = Calling()


def sweep(
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
    cache: options.Cache = None,
    cache_mode: options.CacheMode = "auto",
    max_requests_per_minute: options.MaxRequests = None,
    max_tokens_per_minute: options.MaxTokens = None,
    connect_seconds: options.ConnectSeconds = _CALLING.connect_seconds,
    first_token_seconds: options.FirstTokenSeconds = _CALLING.first_token_seconds,
    answer_seconds: options.AnswerSeconds = _CALLING.answer_seconds,
    retries: options.Retries = _CALLING.retries,
    stream: options.Stream = False,
    prices: options.Prices = None,
) -> None:
    """Run a grid of configurations, each once, and print one table. Killed, it goes on.

    Limits per minute hold for each worker by itself.
    """
    from sqlbench.cluster import connect
    from sqlbench.grid import plan, processes
    from sqlbench.sweep import TABLE, load_grid, run_sweep, status, sweep_text

    configs = load_grid(grid)
    calling = Calling(
        cache=cache.absolute() if cache is not None else None,
        cache_mode=cache_mode,  # type: ignore[arg-type]
        max_requests_per_minute=max_requests_per_minute,
        max_tokens_per_minute=max_tokens_per_minute,
        connect_seconds=connect_seconds,
        first_token_seconds=first_token_seconds,
        answer_seconds=answer_seconds,
        retries=retries,
        stream=stream,
        prices=prices,
    )
    if dry_run:
        states = status(plan(configs, out / "runs"))
        calls = int((states["episodes"] - states["done"]).sum())
        most = sum(c.episodes * c.max_attempts for c in configs)
        print(states.to_string(index=False))
        print(f"\n{len(configs)} runs, {calls:,} to {most:,} calls (see sqlbench run --dry-run)")
        return
    if dask is None:
        pool = processes(workers)
    else:
        cluster = connect(dask, configs, out)
        where = "the sweep's folder" if cluster.shared else "folders of their own"
        print(f"{cluster.workers} workers, writing to {where}. Dashboard: {cluster.dashboard}")
        pool = cluster.executors()
    table = run_sweep(configs, out, workers=pool, calling=calling)
    print(sweep_text(table))
    print(f"\nTable: {out / TABLE}; runs: {out / 'runs'}")
