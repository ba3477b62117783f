"""``sqlbench profile``: a simulator profile from prediction files."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer


def profile(
    predictions: Annotated[
        list[Path],
        typer.Argument(
            help="Prediction files of one model, in the forms that `grade` takes. Several files "
            "are several answers to each question, and tell how far questions lie apart."
        ),
    ],
    suite: Annotated[str, typer.Option(help="What was asked: spider:DIR, bird:DIR, FILE.yaml.")],
    out: Annotated[Path, typer.Option(help="The profile, FILE.toml.")],
    metric: Annotated[str, typer.Option(help="What right means, as for grade.")] = "exact",
    name: Annotated[str | None, typer.Option(help="What the model is called.")] = None,
) -> None:
    """Measure how a model's first answers fail, for --model simulated:FILE.toml."""
    from sqlbench.evidence.first_answers import measure_first_answers
    from sqlbench.evidence.profile_file import check_place, profile_text, write_profile
    from sqlbench.suites import load_suite

    check_place(out)
    loaded = load_suite(suite)
    try:
        answers = measure_first_answers(loaded, predictions, metric, progress=True)
    finally:
        loaded.close()
    text = profile_text(answers, name)
    write_profile(text, out)
    print(text)
    print(f"Written: {out}\nUse it: sqlbench run --model {quote(f'simulated:{out}')}")
