"""``sqlbench advise``: whether a repair bandit is likely to pay for a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def advise(
    predictions: Annotated[
        list[Path],
        typer.Argument(help="Prediction files of one model, in the forms that `grade` takes."),
    ],
    suite: Annotated[str, typer.Option(help="What was asked: spider:DIR, bird:DIR, FILE.yaml.")],
    metric: Annotated[str, typer.Option(help="What right means, as for grade.")] = "exact",
    signals: Annotated[
        bool, typer.Option(help="Measure the signals of wrong answers, some milliseconds each.")
    ] = True,
    seeds: Annotated[str, typer.Option(help="Of the simulation, at least two.")] = "0-19",
    failures: Annotated[int, typer.Option(help="How many are repaired in the simulation.")] = 1000,
    out: Annotated[Path | None, typer.Option(help="Write the page to this file too.")] = None,
) -> None:
    """Say what a model does wrong, and when a repair bandit would pay (simulated)."""
    from sqlbench.checks import check_whole
    from sqlbench.evidence.advice import advise as advise_on
    from sqlbench.evidence.first_answers import measure_first_answers
    from sqlbench.exceptions import ConfigError
    from sqlbench.paths import located
    from sqlbench.runs.config import parse_seeds
    from sqlbench.suites import load_suite

    numbers = parse_seeds(seeds)
    check_whole("failures", failures, 1)
    if len(set(numbers)) < 2:
        raise ConfigError(f"Intervals are over seeds: give at least 2, like 0-19, not {seeds!r}.")
    loaded = load_suite(suite)
    try:
        answers = measure_first_answers(loaded, predictions, metric, signals=signals, progress=True)
    finally:
        loaded.close()
    text = advise_on(answers, seeds=numbers, decisions=failures).text()
    if out is not None:
        place = located(out)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text + "\n", encoding="utf-8")
    print(text)
    if out is not None:
        print(f"\nWritten: {out}")
