"""``sqlbench signals``: the weights of doubt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

signals = typer.Typer(
    help="Train the weights of doubt on graded answers of your own, and look into a file of them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@signals.command("train")
def train(
    predictions: Annotated[
        list[Path], typer.Argument(help="Prediction files, in the forms that `grade` takes.")
    ],
    suite: Annotated[str, typer.Option(help="What was asked: spider:DIR, bird:DIR, FILE.yaml.")],
    out: Annotated[Path, typer.Option(help="Where the weights go; see `check --weights`.")],
    metric: Annotated[str, typer.Option(help="What right means, as for grade.")] = "exact",
    seed: Annotated[int, typer.Option(help="Of the trees.")] = 0,
) -> None:
    """Grade prediction files, measure their answers, and learn from both. Needs scikit-learn."""
    from sqlbench.grading.taught import teach
    from sqlbench.paths import located
    from sqlbench.signals.doubt import save_weights
    from sqlbench.suites import load_suite

    loaded = load_suite(suite)
    try:
        weights = teach(loaded, predictions, metric, seed=seed)
    finally:
        loaded.close()
    save_weights(weights, located(out))
    print(_about(weights.about))
    print(f"\nWritten: {out}")


@signals.command("show")
def show(
    weights: Annotated[
        Path | None, typer.Argument(help="A file of weights; default: those of the package.")
    ] = None,
) -> None:
    """Print what a file of weights was learned from, and its cross-validated figures."""
    from sqlbench.signals.doubt import load_weights

    print(_about(load_weights(weights).about))


def _about(about: dict[str, object]) -> str:
    from sqlbench.words import markdown_table

    rows: list[tuple[str, object]] = []
    for name, value in about.items():
        inner = value.items() if isinstance(value, dict) else ()
        rows += [(f"{name}: {k}", v) for k, v in inner] or [(name, value)]
    return markdown_table(["weights of doubt", ""], rows)
