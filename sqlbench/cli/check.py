"""``sqlbench check``: how doubtful an answer is, why, and what the database holds instead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlbench.signals.base import Diagnosis


def check(
    question: Annotated[str, typer.Argument(help="What was asked.")],
    sql: Annotated[
        str, typer.Argument(help="The SQL that is to answer it; - reads it from stdin.")
    ],
    database: Annotated[
        str,
        typer.Option(
            help="A SQLite or DuckDB file, a folder or pattern of Parquet and CSV files, "
            "postgresql://USER:PASSWORD@HOST/DATABASE, or pg-embedded."
        ),
    ],
    max_doubt: Annotated[
        float, typer.Option(help="Exit with code 1 if the doubt is above this, 0 to 1.")
    ] = 0.5,
    hint: Annotated[
        str, typer.Option(help="What helps to read the question (BIRD's evidence).")
    ] = "",
    weights: Annotated[
        Path | None, typer.Option(help="Weights that `sqlbench signals train` wrote.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the diagnosis as JSON.")] = False,
    allow_superuser: Annotated[
        bool, typer.Option(help="Let SQL from a model run as a PostgreSQL superuser.")
    ] = False,
) -> None:
    """Say how doubtful an answer is without a gold query or a model: doubt, evidence and facts.

    The SQL runs in the sandbox: nothing in the database can be changed by it. Exit code 1 if the
    doubt is above --max-doubt.
    """
    import sys

    from sqlbench.databases.base import outcome_of
    from sqlbench.exceptions import ConfigError
    from sqlbench.signals.diagnose import diagnose
    from sqlbench.signals.doubt import load_weights
    from sqlbench.suites.adhoc import open_database

    if not 0 <= max_doubt <= 1:
        raise ConfigError(f"max_doubt is a probability from 0 to 1, not {max_doubt!r}.")
    known = load_weights(weights)
    statement = sys.stdin.read() if sql == "-" else sql
    opened = open_database(database, allow_superuser=allow_superuser)
    try:
        outcome = outcome_of(opened, statement)
        text = f"{question}\n{hint}" if hint else question
        found = diagnose(text, statement, opened, outcome, weights=known)
    finally:
        opened.close()
    print(json.dumps(found.as_dict(), ensure_ascii=False) if as_json else _text(found))
    if found.doubt > max_doubt:
        raise typer.Exit(1)


def _text(found: Diagnosis) -> str:
    from sqlbench.cli.ask import plain
    from sqlbench.signals.facts import sentences

    lines = [f"Doubt: {found.doubt:.2f}"]
    for title, said in (("Evidence", found.evidence), ("Facts", sentences(found.facts))):
        if said:
            lines += ["", f"{title}:", *(f"- {text}" for text in said)]
    return plain("\n".join(lines))
