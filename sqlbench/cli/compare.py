"""``sqlbench compare``: policies side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from sqlbench.cli.calling import with_calling
from sqlbench.cli.stopping import stoppable
from sqlbench.models.calling.options import Calling
from sqlbench.runs.config import RunConfig, make_config, parse_seeds

_DEFAULT = RunConfig()


@with_calling
def compare(
    *,
    calling: Calling,
    policies: Annotated[
        str,
        typer.Option(
            help="Specs, separated by commas; 'all' stands for every policy (all eight fixed "
            "arms, and the oracle where the model is simulated)."
        ),
    ] = "linucb,table,rules,random",
    seeds: Annotated[str, typer.Option(help="At least two: a range 0-9, or a list 0,1,5.")] = "0-4",
    episodes: Annotated[int, typer.Option(help="Episodes a run.")] = 1000,
    suite: Annotated[str, typer.Option(help="See sqlbench suites.")] = _DEFAULT.suite,
    task: Annotated[str | None, typer.Option(help="Ask only this task's questions.")] = None,
    model: Annotated[str, typer.Option(help="As for sqlbench run.")] = _DEFAULT.model,
    feedback: Annotated[
        str,
        typer.Option(
            help="oracle, execution, or always: one repair whatever happened, which gives fixed, "
            "broken and net."
        ),
    ] = _DEFAULT.feedback,
    lag: Annotated[int, typer.Option(help="As for sqlbench run.")] = _DEFAULT.lag,
    max_attempts: Annotated[int, typer.Option(help="Attempts an episode, 1 to 5.")] = (
        _DEFAULT.max_attempts
    ),
    hindsight: Annotated[
        float, typer.Option(help="What an earlier step of a success gains; 0 switches it off.")
    ] = _DEFAULT.hindsight,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="The policy that paired differences are taken against. Default: random if it is "
            "among them, else the last."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes. Default: one a core.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="The folder of the runs and tables; gone on with if it exists.")
    ] = Path("results/compare"),
) -> None:
    """Compare policies on the same questions and random numbers: rates, costs, differences.

    A budget is that of all runs together. Limits per minute hold for each worker by itself.
    """
    from sqlbench.grids.compare import compare as run_comparison
    from sqlbench.grids.compare import comparison_table
    from sqlbench.grids.grid import processes

    if calling.cache is not None:
        calling = replace(calling, cache=Path(calling.cache).absolute())
    variants = {
        spec: make_config(
            suite=suite,
            task=task,
            model=model,
            policy=spec,
            episodes=episodes,
            lag=lag,
            feedback=feedback,
            max_attempts=max_attempts,
            hindsight=hindsight,
        )
        for spec in parse_policies(policies, simulated=model.partition(":")[0] == "simulated")
    }
    with stoppable():
        comparison = run_comparison(
            variants,
            parse_seeds(seeds),
            out / "runs",
            baseline=baseline,
            workers=processes(workers),
            calling=calling,
        )
    comparison.runs.to_csv(out / "runs.csv", index=False)
    comparison.summary.to_csv(out / "summary.csv", index=False)
    print(comparison_table(comparison))
    print(f"\nTables: {out / 'runs.csv'}, {out / 'summary.csv'}")


def parse_policies(text: str, *, simulated: bool = True) -> list[str]:
    """Return the specs of a comma-separated list, each once, with ``all`` spelled out."""
    from sqlbench.policies import POLICY_NAMES

    specs: list[str] = []
    for spec in (part.strip() for part in text.split(",") if part.strip()):
        every = [n for n in POLICY_NAMES if simulated or n != "oracle"]
        specs += every if spec == "all" else [spec]
    return list(dict.fromkeys(specs))
