"""``sqlbench grade``: the verdicts of the official evaluators on prediction files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlbench.grading.beside import Asked
    from sqlbench.grading.graded import Graded
    from sqlbench.grading.predictions import Predictions
    from sqlbench.suites.base import Suite


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
    without_gold: Annotated[
        bool,
        typer.Option(
            "--without-gold",
            help="Write how doubtful each prediction is, which needs no gold: doubts.jsonl. Where "
            "the suite has golds, grade too and draw risk against coverage.",
        ),
    ] = False,
    soft_f1: Annotated[bool, typer.Option("--soft-f1", help="Give BIRD's Soft-F1, too.")] = False,
    r_ves: Annotated[
        bool, typer.Option("--r-ves", help="Give BIRD's R-VES, too: a timing of this machine.")
    ] = False,
    extra_columns: Annotated[
        bool,
        typer.Option("--extra-columns", help="Say what is right if columns too many are forgiven."),
    ] = False,
    accept: Annotated[
        Path | None,
        typer.Option(
            help="A YAML file: question ids, each with a query or a list of queries. Say what is "
            "right if these are accepted besides the golds."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that grade; by default one a core. Same verdicts, same bytes."
        ),
    ] = None,
    fail_under: Annotated[
        str | None,
        typer.Option(help="For CI: exit with 2 if a file's share ends below this, e.g. right=0.7."),
    ] = None,
) -> None:
    """Grade prediction files: tables by hardness and database, reasons, paired comparison."""
    from sqlbench.grading.beside import Asked, load_accepted
    from sqlbench.grading.breakdown import breakdown_text, only_one_text
    from sqlbench.grading.grade import grade as grade_one
    from sqlbench.grading.grade import grade_many
    from sqlbench.grading.graded import GradedFiles
    from sqlbench.grading.leaderboard import share
    from sqlbench.grading.predictions import read_predictions
    from sqlbench.grading.report import comparison_text, grade_text
    from sqlbench.runs.threshold import check_threshold, parse_threshold
    from sqlbench.suites import load_suite

    at_work = len(os.sched_getaffinity(0)) if workers is None else workers
    threshold = None if fail_under is None else parse_threshold(fail_under)
    loaded = load_suite(suite)
    several = len(predictions) > 1
    stem = "-".join(p.stem for p in predictions)
    folder = out or Path("results") / f"grade-{stem}-{metric}"
    if without_gold:
        _doubts(suite, predictions, metric, folder)
        return
    accepted = {} if accept is None else load_accepted(accept, loaded)
    asked = Asked(soft_f1, r_ves, extra_columns, accepted)
    if several:
        graded = grade_many(
            loaded,
            predictions,
            metric,
            neighbours=neighbours,
            seed=seed,
            out=folder,
            workers=at_work,
        )
        read = [read_predictions(p, loaded) for p in predictions]
        text = f"{comparison_text(graded)}\n\n{only_one_text(graded, loaded, read)}"
        for one, file in zip(graded, read, strict=True):
            whole = f"{grade_text(one)}\n\n{breakdown_text(one, loaded)}"
            if asked.anything:
                beside = _beside(one, loaded, file, asked, folder / one.name)
                whole, text = f"{whole}\n\n{beside}", f"{text}\n\n{one.name}. {beside}"
            _write(folder / one.name / "report.md", whole)
    else:
        one = grade_one(
            loaded,
            predictions[0],
            metric,
            neighbours=neighbours,
            seed=seed,
            out=folder,
            workers=at_work,
        )
        graded = GradedFiles([one])
        text = f"{grade_text(graded[0])}\n\n{breakdown_text(graded[0], loaded)}"
        if asked.anything:
            file = read_predictions(predictions[0], loaded)
            text += f"\n\n{_beside(one, loaded, file, asked, folder)}"
    _write(folder / "report.md", text)
    print(text)
    print(f"\nVerdicts: {folder}{'/*' if several else ''}/verdicts.jsonl")
    if threshold is not None:
        for one in graded:
            right = share(int(one.frame["correct"].sum()), len(one.frame))
            check_threshold({"right": right, "any": right}, *threshold)


def _beside(
    graded: Graded, suite: Suite, predictions: Predictions, asked: Asked, folder: Path
) -> str:
    """Measure what was asked for, write it, and return its table."""
    from sqlbench.grading.beside import beside_text, measure

    table = measure(graded, suite, predictions, asked)
    table.to_csv(folder / "beside.csv", index=False)
    return beside_text(table, asked)


def _doubts(suite: str, predictions: list[Path], metric: str, folder: Path) -> None:
    """Write the doubts of files and, where there are golds, what they are worth."""
    from sqlbench.grading.doubts import doubt_all, doubts_text, write_doubts
    from sqlbench.grading.grade import grade as grade_one
    from sqlbench.grading.metrics import find_metric
    from sqlbench.suites import load_suite

    find_metric(metric)
    loaded = load_suite(suite)
    curves, texts = {}, []
    try:
        graded = all(question.gold is not None for question in loaded.questions())
        for path in predictions:
            place = folder / path.stem if len(predictions) > 1 else folder
            verdicts: dict[int, bool | None] = {}
            if graded:  # first: it takes a folder of its own
                made = grade_one(suite, path, metric, out=place)
                verdicts = {grade.index: grade.correct for grade in made.grades}
            place.mkdir(parents=True, exist_ok=True)
            doubted = doubt_all(loaded, path)
            write_doubts(doubted, place / "doubts.jsonl")
            if not graded:
                texts.append(doubts_text(path.stem, doubted))
                continue
            known = [d for d in doubted if verdicts.get(d.index) is not None]
            wrong = [not verdicts[d.index] for d in known]
            texts.append(doubts_text(path.stem, known, wrong))
            curves[path.stem] = [d.doubt for d in known], wrong
    finally:
        loaded.close()
    if curves:
        from matplotlib.figure import Figure

        from sqlbench.plots.grading import risk_coverage

        figure = Figure(figsize=(8, 4), layout="constrained")
        risk_coverage(curves, figure.add_subplot())
        figure.savefig(folder / "risk_coverage.png")
    text = "\n\n".join(texts)
    _write(folder / "doubts.md", text)
    print(f"{text}\n\nDoubts: {folder}{'/*' if len(predictions) > 1 else ''}/doubts.jsonl")


def _write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")
