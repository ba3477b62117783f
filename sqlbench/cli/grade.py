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
    fail_under: Annotated[
        str | None,
        typer.Option(help="For CI: exit with 2 if a file's share ends below this, e.g. right=0.7."),
    ] = None,
) -> None:
    """Grade prediction files: tables by hardness and database, reasons, paired comparison."""
    from sqlbench.grading.breakdown import breakdown_text, only_one_text
    from sqlbench.grading.grade import grade as grade_one
    from sqlbench.grading.grade import grade_many
    from sqlbench.grading.graded import GradedFiles
    from sqlbench.grading.leaderboard import share
    from sqlbench.grading.predictions import read_predictions
    from sqlbench.grading.report import comparison_text, grade_text
    from sqlbench.runs.threshold import check_threshold, parse_threshold
    from sqlbench.suites import load_suite

    threshold = None if fail_under is None else parse_threshold(fail_under)
    loaded = load_suite(suite)
    several = len(predictions) > 1
    stem = "-".join(p.stem for p in predictions)
    folder = out or Path("results") / f"grade-{stem}-{metric}"
    if several:
        graded = grade_many(
            loaded, predictions, metric, neighbours=neighbours, seed=seed, out=folder
        )
        for one in graded:
            whole = f"{grade_text(one)}\n\n{breakdown_text(one, loaded)}"
            _write(folder / one.name / "report.md", whole)
        read = [read_predictions(p, loaded) for p in predictions]
        text = f"{comparison_text(graded)}\n\n{only_one_text(graded, loaded, read)}"
    else:
        one = grade_one(
            loaded, predictions[0], metric, neighbours=neighbours, seed=seed, out=folder
        )
        graded = GradedFiles([one])
        text = f"{grade_text(graded[0])}\n\n{breakdown_text(graded[0], loaded)}"
    _write(folder / "report.md", text)
    print(text)
    print(f"\nVerdicts: {folder}{'/*' if several else ''}/verdicts.jsonl")
    if threshold is not None:
        for one in graded:
            right = share(int(one.frame["correct"].sum()), len(one.frame))
            check_threshold({"right": right, "any": right}, *threshold)


def _write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")
