"""``sqlbench evaluate``: what other policies would have brought, from ordinary logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run_dirs: Annotated[
        list[Path], typer.Argument(help="Folders of runs whose policy had an epsilon above 0.")
    ],
    policies: Annotated[
        str,
        typer.Option(
            help="Comma-separated specs of policies as they are before they learn; 'learned' is "
            "what the first run's policy had learned at its end, without its epsilon."
        ),
    ] = "rules,random",
    outcome: Annotated[
        str, typer.Option(help="success (did the first repair mend it?) or reward.")
    ] = "success",
) -> None:
    """Estimate policies' first repairs off-policy: IPS, SNIPS, direct method, doubly robust."""
    from sqlbench.evidence.offpolicy import LoggedDecisions, evaluate_policies
    from sqlbench.exceptions import UnknownNameError
    from sqlbench.policies.registry import split_specs
    from sqlbench.runs.run import Run
    from sqlbench.stats import interval_text
    from sqlbench.words import markdown_table

    if outcome not in ("success", "reward"):
        raise UnknownNameError("outcome", outcome, ("success", "reward"))
    runs = [Run.open(folder) for folder in run_dirs]
    logged = LoggedDecisions.from_runs(runs, outcome)  # type: ignore[arg-type]
    specs = split_specs(policies)
    frame, warnings = evaluate_policies(logged, runs[0], specs)
    mark = " (simulated model)" if logged.simulated else ""
    print(f"{logged.name}{mark}: {len(logged.questions)} first repairs, {outcome}\n")
    print(
        markdown_table(
            ["policy", "estimator", "value [95%, by question]", "effective sample size"],
            [
                [
                    r["policy"],
                    r["estimator"],
                    interval_text(r["value"], r["low"], r["high"], ".3f"),
                    f"{r['ess']:.0f} of {r['n']}",
                ]
                for r in frame.to_dict("records")
            ],
        )
    )
    for warning in warnings:
        print(f"Note: {warning}")
