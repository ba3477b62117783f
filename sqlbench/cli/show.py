"""``sqlbench show``: one episode as a readable transcript, or a run question by question."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def show(
    run_dir: Annotated[Path, typer.Argument(help="The run's folder.")],
    episode: Annotated[int | None, typer.Argument(help="The episode's number, from 0.")] = None,
    questions: Annotated[
        bool,
        typer.Option(
            "--questions", help="A line a question: asked, right at first, right at last."
        ),
    ] = False,
    unsolved: Annotated[
        bool,
        typer.Option("--never-solved", help="With --questions: only those that never ended right."),
    ] = False,
    prompt: Annotated[
        bool, typer.Option("--prompt", help="Print exactly what was sent at each attempt.")
    ] = False,
) -> None:
    """Show one episode: prompts, SQL, errors, scores, rewards, and the gold beside a wrong answer.

    With --questions, what came of each question instead.
    """
    from sqlbench.exceptions import ConfigError
    from sqlbench.reports.gold import gold_text
    from sqlbench.reports.transcript import find_episode, transcript
    from sqlbench.runs.missing import why_missing
    from sqlbench.runs.run import Run
    from sqlbench.suites import load_suite

    run = Run.open(run_dir)
    if questions or unsolved:
        from sqlbench.reports.questions import questions_text

        print(questions_text(run, only_unsolved=unsolved))
        return
    if episode is None:
        raise ConfigError("Name an episode by its number, or ask for --questions.")
    suite = load_suite(run.config.suite, run.config.database)
    if suite.content_hash != run.meta["suite_hash"]:
        print("sqlbench: the suite has changed since this run.", file=sys.stderr)
    print(transcript(run, episode, suite, prompts=prompt))
    if why_missing(run, episode) is not None:
        return  # there is no answer that the gold could stand beside
    if beside := gold_text(run, find_episode(run, episode), suite):
        print(beside)
