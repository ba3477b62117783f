"""``sqlbench choose``: among stored answers to each question, the one to take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def choose(
    file: Annotated[
        Path,
        typer.Argument(
            help='Answers, a question a line: {"index": 0, "candidates": ["SELECT …", …]}, in the '
            "model's order; optional: source. JSONL, or JSONL.gz."
        ),
    ],
    suite: Annotated[str, typer.Option(help="Whose questions they answer, as for grade.")],
    rule: Annotated[
        str,
        typer.Option(
            "--choose",
            help="first: the first that ran; agreement: the result that most have; doubt: what the "
            "signals say of each, agreement and the model's order.",
        ),
    ] = "doubt",
    metric: Annotated[
        str | None,
        typer.Option(
            help="Grade all answers by this metric after the choice, and print what share of the "
            "first, of the chosen and of any is right."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the choices here as JSONL, not to standard output.")
    ] = None,
) -> None:
    """Choose among stored answers, without a gold query or a model call.

    Each line that is written is one choice: source, question_id, index (from 0) and pred, so that
    a file of one source is a prediction file for grade.
    """
    import json
    import sys

    from tqdm.auto import tqdm

    from sqlbench.grading.chosen import choice_figures, choice_text, choose_all, read_candidates
    from sqlbench.grading.metrics import find_metric
    from sqlbench.signals.choice import check_rule
    from sqlbench.suites import load_suite

    check_rule(rule)
    if metric is not None:
        find_metric(metric)
    loaded = load_suite(suite)
    try:
        candidates = read_candidates(file, loaded)
        chosen = list(
            tqdm(
                choose_all(loaded, candidates, rule, metric=metric),
                total=len(candidates),
                desc=rule,
                disable=None,
            )
        )
    finally:
        loaded.close()
    lines = [
        json.dumps(
            {
                "source": c.candidates.source,
                "question_id": c.candidates.question_id,
                "chosen": c.choice.index,
                "pred": c.choice.chosen.sql,
                "doubt": c.choice.chosen.doubt,
                "agreeing": c.choice.agreeing[c.choice.index],
                "of": len(c.choice.candidates),
            },
            ensure_ascii=False,
        )
        for c in chosen
    ]
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif metric is None:
        print("\n".join(lines))
    if metric is not None:
        print(choice_text(choice_figures(chosen)))
        failed = sum(c.right is None for c in chosen)
        if failed:
            print(f"{failed} not graded: their gold fails.", file=sys.stderr)
