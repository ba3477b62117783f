"""``sqlbench compare``: policies, models, prompts or any other choices side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from sqlbench.cli.calling import with_calling
from sqlbench.cli.stopping import stoppable
from sqlbench.exceptions import ConfigError
from sqlbench.models.calling.options import Calling
from sqlbench.runs.config import RunConfig, make_config, parse_seeds

_DEFAULT = RunConfig()
_POLICIES = "linucb,table,rules,random"


@with_calling
def compare(
    *,
    calling: Calling,
    policies: Annotated[
        str | None,
        typer.Option(
            help="Specs, separated by commas; 'all' stands for every policy (all eight fixed "
            "arms, and the oracle where the model is simulated). "
            f"Default: {_POLICIES}; linucb where something else varies."
        ),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help="A field of a run and its values: model=openai:a,openai:b, prompts=default,DIR, "
            "samples=1,5, metric=…, temperature=…. Several times: every combination."
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="At least two: a range 0-9, or a list 0,1,5.")] = "0-4",
    episodes: Annotated[int, typer.Option(help="Episodes a run.")] = 1000,
    suite: Annotated[str, typer.Option(help="See sqlbench suites.")] = _DEFAULT.suite,
    task: Annotated[str | None, typer.Option(help="Ask only this task's questions.")] = None,
    model: Annotated[str, typer.Option(help="As for sqlbench run.")] = _DEFAULT.model,
    repair_model: Annotated[str | None, typer.Option(help="As for sqlbench run.")] = None,
    metric: Annotated[str, typer.Option(help="As for sqlbench run.")] = _DEFAULT.metric,
    temperature: Annotated[float, typer.Option(help="As for sqlbench run.")] = _DEFAULT.temperature,
    prompts: Annotated[Path | None, typer.Option(help="As for sqlbench run.")] = None,
    samples: Annotated[int, typer.Option(help="As for sqlbench run.")] = _DEFAULT.samples,
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
    """Compare policies, models, prompts or other choices on the same questions, in pairs.

    Rates, differences and costs, and question by question who gets what.

    A budget is that of all runs together. Limits per minute hold for each worker by itself.
    """
    from sqlbench.grids.compare import compare as run_comparison
    from sqlbench.grids.compare import comparison_table
    from sqlbench.grids.grid import processes
    from sqlbench.grids.paired import by_question
    from sqlbench.grids.variants import make_variants, parse_vary

    if calling.cache is not None:
        calling = replace(calling, cache=Path(calling.cache).absolute())
    varied = parse_vary(vary or [])
    if policies is not None or not varied:
        if "policy" in varied:
            raise ConfigError("Name the policies once: with --policies, or with --vary policy=….")
        simulated = model.partition(":")[0] == "simulated"
        specs = parse_policies(policies or _POLICIES, simulated=simulated)
        varied = ({} if varied and len(specs) == 1 else {"policy": specs}) | varied
        policy = specs[0]
    else:
        policy = _DEFAULT.policy
    base = make_config(
        suite=suite,
        task=task,
        model=model,
        repair_model=repair_model,
        policy=policy,
        episodes=episodes,
        lag=lag,
        feedback=feedback,
        max_attempts=max_attempts,
        metric=metric,
        temperature=temperature,
        hindsight=hindsight,
        samples=samples,
        prompts=None if prompts is None else str(prompts),
    )
    variants = make_variants(base, varied)
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
    by_question(comparison).to_csv(out / "questions.csv")
    print(comparison_table(comparison))
    tables = ", ".join(str(out / f"{name}.csv") for name in ("runs", "summary", "questions"))
    print(f"\nTables: {tables}")


def parse_policies(text: str, *, simulated: bool = True) -> list[str]:
    """Return the specs of a comma-separated list, each once, with ``all`` spelled out."""
    from sqlbench.policies import POLICY_NAMES
    from sqlbench.policies.registry import split_specs

    specs: list[str] = []
    for spec in split_specs(text):
        every = [n for n in POLICY_NAMES if simulated or n != "oracle"]
        specs += every if spec == "all" else [spec]
    return list(dict.fromkeys(specs))
