"""``sqlbench grade``: the verdicts of the official evaluators on prediction files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def grade(
    suite: Annotated[str, typer.Option(help="spider:DIR, bird:DIR, or a suite of your own.")],
    predictions: Annotated[
        list[Path],
        typer.Option(
            help="A prediction file: Spider's text, BIRD's JSON, or JSONL. Give it several times "
            "to compare files in pairs."
        ),
    ],
    metric: Annotated[
        str, typer.Option(help="exact, spider, spider-keep-distinct or bird.")
    ] = "exact",
    out: Annotated[
        Path | None,
        typer.Option(
            help="The folder for verdicts.jsonl and the tables (a folder a file in it, for "
            "several). Killed, grading into it goes on where it was. "
            "Default: results/grade-FILE-METRIC."
        ),
    ] = None,
    neighbours: Annotated[
        int,
        typer.Option(
            help="Grade matches on so many neighbour databases too, and report those that fail "
            "there as lucky."
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the neighbours.")] = 0,
) -> None:
    """Grade prediction files: tables by hardness and database, reasons, paired comparison."""
    from sqlbench.grading.grade import grade as grade_one
    from sqlbench.grading.grade import grade_many
    from sqlbench.grading.report import comparison_text, grade_text

    several = len(predictions) > 1
    stem = "-".join(p.stem for p in predictions)
    folder = out or Path("results") / f"grade-{stem}-{metric}"
    if several:
        graded = grade_many(
            suite, predictions, metric, neighbours=neighbours, seed=seed, out=folder
        )
        for one in graded:
            _write(folder / one.name / "report.md", grade_text(one))
        text = comparison_text(graded)
    else:
        text = grade_text(
            grade_one(suite, predictions[0], metric, neighbours=neighbours, seed=seed, out=folder)
        )
    _write(folder / "report.md", text)
    print(text)
    print(f"\nVerdicts: {folder}{'/*' if several else ''}/verdicts.jsonl")


def _write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")
