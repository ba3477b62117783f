"""``sqlbench run``: an experiment from the command line."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from sqlbench.cli.calling import with_calling
from sqlbench.cli.stopping import run_stoppable
from sqlbench.models.calling.options import Calling
from sqlbench.runs.config import RunConfig
from sqlbench.words import counted

_DEFAULT = RunConfig()


@with_calling
def run(
    *,
    calling: Calling,
    suite: Annotated[
        str, typer.Option(help="marketplace (built in), spider:DIR, bird:DIR, or FILE.yaml.")
    ] = _DEFAULT.suite,
    task: Annotated[
        str | None,
        typer.Option(help="Ask only this task's questions, e.g. join_queries. Default: all."),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            help="Put the marketplace on another engine: duckdb, pg-embedded (a PostgreSQL server "
            "from a wheel), or postgresql://USER:PASSWORD@HOST/DATABASE. Default: SQLite."
        ),
    ] = None,
    allow_superuser: Annotated[
        bool, typer.Option(help="Let SQL from a model run as a PostgreSQL superuser.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            help="simulated, simulated:PROFILE, openai:NAME (any OpenAI-compatible endpoint: "
            "set OPENAI_BASE_URL and OPENAI_API_KEY, or API_BASE_URL and HF_TOKEN), or "
            "predictions:FILE (a prediction file's first answers; see --repair-model)."
        ),
    ] = _DEFAULT.model,
    repair_model: Annotated[
        str | None,
        typer.Option(help="Who makes every attempt after the first. Default: the model itself."),
    ] = None,
    policy: Annotated[
        str,
        typer.Option(
            help="Who chooses repairs: linucb, lints, epsilon-greedy, ucb1, table, rules, random, "
            "resample, fixed:ARM, oracle (simulated model only); with parameters, e.g. "
            "'linucb?alpha=1.0&epsilon=0.05'."
        ),
    ] = _DEFAULT.policy,
    episodes: Annotated[int, typer.Option(help="How many episodes.")] = _DEFAULT.episodes,
    seed: Annotated[
        int, typer.Option(help="All randomness derives from it; the same seed, the same run.")
    ] = _DEFAULT.seed,
    lag: Annotated[
        int,
        typer.Option(
            help="How many episodes the policy's knowledge lies behind; shapes the results. "
            "0 is strictly one after another."
        ),
    ] = _DEFAULT.lag,
    hindsight: Annotated[
        float, typer.Option(help="What an earlier step of a success gains; 0 switches it off.")
    ] = _DEFAULT.hindsight,
    concurrency: Annotated[
        int, typer.Option(help="Requests in flight (at most lag + 1); never changes a result.")
    ] = 1,
    max_attempts: Annotated[
        int, typer.Option(help="Attempts an episode, 1 to 5.")
    ] = _DEFAULT.max_attempts,
    feedback: Annotated[
        str,
        typer.Option(
            help="What ends an episode: oracle (the right result), execution (any result with "
            "rows), always (one repair, whatever happened), signals (little doubt)."
        ),
    ] = _DEFAULT.feedback,
    metric: Annotated[
        str,
        typer.Option(
            help="When two results agree: exact, spider, spider-keep-distinct, bird, as for grade."
        ),
    ] = _DEFAULT.metric,
    temperature: Annotated[
        float, typer.Option(help="The model's sampling temperature.")
    ] = _DEFAULT.temperature,
    samples: Annotated[
        int,
        typer.Option(
            help="Independent first answers a question; the first one is repaired, all of them "
            "give pass@k."
        ),
    ] = _DEFAULT.samples,
    choose: Annotated[
        str,
        typer.Option(
            help="Which of the samples is repaired: first, agreement (the result most of them "
            "have), or doubt (agreement, doubt and order together)."
        ),
    ] = _DEFAULT.choose,
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="A finished run's folder, or its policy.npz: the policy starts with what it "
            "learned there."
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(help="A folder of .txt files that override the package's prompts."),
    ] = None,
    ground: Annotated[
        str | None,
        typer.Option(
            help="on or off: whether repair prompts tell what the database holds instead (nearest "
            "names, values that are there, join paths). Default: on, unless the model is simulated."
        ),
    ] = None,
    max_doubt: Annotated[
        float,
        typer.Option(help="The doubt from which on --feedback signals goes on repairing."),
    ] = _DEFAULT.max_doubt,
    audit: Annotated[
        bool,
        typer.Option(
            "--audit",
            help="Measure the doubt of every attempt: gives the gated rate, and with --feedback "
            "always what keeping the old answer or taking the new one by their doubts brings.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The run's folder; a run of the same configuration there is gone on with. "
            "Default: results/SUITE-MODEL-POLICY-sSEED."
        ),
    ] = None,
    fail_under: Annotated[
        str | None,
        typer.Option(help="For CI: exit with 2 if a rate ends below a share, e.g. any=0.7."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only print the number of calls and about what they cost."),
    ] = False,
) -> None:
    """Run episodes, and keep them in a folder. Killed, it goes on where it was."""
    from sqlbench.analysis import run_table
    from sqlbench.runs.experiment import run_experiment
    from sqlbench.runs.missing import failure_lines
    from sqlbench.runs.summary import rates
    from sqlbench.runs.threshold import check_threshold, parse_threshold
    from sqlbench.suites import load_suite

    threshold = None if fail_under is None else parse_threshold(fail_under)
    loaded = load_suite(suite, database, allow_superuser=allow_superuser)
    engine = "duckdb" if database == "duckdb" else "postgres"
    place = f"{suite}-{engine}" if database else suite
    models = f"{model}+{repair_model}" if repair_model else model
    folder = out or default_folder(place, models, policy, seed)
    if dry_run:
        from sqlbench.runs.config import make_config
        from sqlbench.runs.estimate import estimate_run

        config = make_config(
            suite=suite,
            database=database,
            task=task,
            model=model,
            repair_model=repair_model,
            policy=policy,
            episodes=episodes,
            seed=seed,
            lag=lag,
            hindsight=hindsight,
            feedback=feedback,
            max_attempts=max_attempts,
            metric=metric,
            temperature=temperature,
            samples=samples,
            choose=choose,
            prompts=None if prompts is None else str(prompts),
            start_from=None if start_from is None else str(start_from),
            ground=ground,
            max_doubt=max_doubt,
            signals=audit,
        )
        print(estimate_run(config, calling, out=folder).table())
        return
    finished = run_stoppable(
        run_experiment(
            loaded,
            model,
            policy,
            repair_model=repair_model,
            episodes=episodes,
            task=task,
            seed=seed,
            lag=lag,
            hindsight=hindsight,
            concurrency=concurrency,
            feedback=feedback,  # type: ignore[arg-type]
            max_attempts=max_attempts,
            metric=metric,
            temperature=temperature,
            samples=samples,
            choose=choose,  # type: ignore[arg-type]
            prompts=prompts,
            start_from=start_from,
            ground=ground,  # type: ignore[arg-type]
            max_doubt=max_doubt,
            signals=audit,
            out=folder,
            calling=calling,
        )
    )
    print(run_table(finished))
    if finished.failed:
        lost, all_of = len(finished.failed), finished.config.episodes
        print(f"\n{lost} of {counted(all_of, 'episode')} failed. Repeat the command to try again:")
        print("\n".join(f"  {line}" for line in failure_lines(finished.failed)))
    print(f"\nRun folder: {folder}\nNext: sqlbench report {quote(str(folder))}")
    if not finished.log:
        raise typer.Exit(1)  # nothing came of it: a script should not go on
    if threshold is not None:
        check_threshold(rates(finished), *threshold)


def default_folder(suite: str, model: str, policy: str, seed: int) -> Path:
    """Return the folder of a run that was given none."""
    name = f"{suite}-{model}-{policy}-s{seed}"
    return Path("results") / "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
