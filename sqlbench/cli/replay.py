"""``sqlbench replay``: policies on a repair table, exactly and without a model call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.evidence.repair_table import RepairTable
    from sqlbench.html import Grid


def replay(
    table: Annotated[
        Path,
        typer.Argument(
            help="The folder that `sqlbench collect` filled, or a file of real records "
            "(bird_gpt35_repair_table.jsonl)."
        ),
    ],
    policies: Annotated[
        str, typer.Option(help="Comma-separated specs, e.g. 'linucb,table,rules,fixed:fix_column'.")
    ] = "linucb,lints,epsilon-greedy,ucb1,table,rules,random",
    seeds: Annotated[str, typer.Option(help="E.g. 0-99, or 1,2,5; at least two.")] = "0-99",
    decisions: Annotated[
        int | None,
        typer.Option(help="First repairs that each seed makes. Default: one pass over the table."),
    ] = None,
    hold_out: Annotated[
        bool,
        typer.Option(
            "--hold-out-databases",
            help="Learn on all databases but one and decide on that one, for each database.",
        ),
    ] = False,
    changes: Annotated[
        bool,
        typer.Option(
            "--changes",
            help="Learn from what a repair changed (its outcome less that of 'keep', which is "
            "known once the first answer is graded) and not from how it ended.",
        ),
    ] = False,
    earlier: Annotated[
        Path | None,
        typer.Option(
            help="Records that every policy is told before it begins: another repair table with "
            "these arms, or counts of repairs (repair_counts.csv), the table's own taken off."
        ),
    ] = None,
    bird: Annotated[
        Path | None,
        typer.Option(
            help="A BIRD folder with some of the table's databases: there the signals of "
            "'features=class,signals' see results, elsewhere the texts alone."
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Decide on the rows of this database only.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the summary to this file too.")] = None,
) -> None:
    """Replay any policy's first repair on a repair table, with its regret."""
    from sqlbench.evidence.earlier import load_earlier, told
    from sqlbench.evidence.table_files import load_table
    from sqlbench.exceptions import ConfigError, UnknownNameError
    from sqlbench.policies.registry import split_specs
    from sqlbench.runs.config import parse_seeds
    from sqlbench.suites import load_suite

    specs = split_specs(policies)
    suite = load_suite(f"bird:{bird}") if bird is not None else None
    loaded = load_table(
        table,
        signals=any("signals" in spec.partition("features=")[2] for spec in specs),
        databases=suite.databases if suite is not None else None,
    )
    before = load_earlier(earlier, loaded) if earlier is not None else None
    if only is not None:
        if only not in loaded.db_ids:
            raise UnknownNameError("database", only, sorted(set(loaded.db_ids)))
        loaded = loaded.take(i for i, name in enumerate(loaded.db_ids) if name == only)
    if changes:
        loaded, before = loaded.changes(), before.changes() if before is not None else None
    numbers = parse_seeds(seeds)
    if hold_out and decisions is not None:
        raise ConfigError("--decisions does not go with --hold-out-databases: it asks each once.")
    frame = (
        _held_out(loaded, specs, numbers, before)
        if hold_out
        else _replayed(loaded, specs, numbers, decisions, before)
    )
    for sentence in told(before):
        print(f"\n{sentence.text}")
    for note in (*loaded.notes, *(before.notes if before is not None else ())):
        print(f"Note: {note}")
    if csv is not None:
        csv.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(csv, index=False)
        print(f"Written: {csv}")


def _replayed(
    table: RepairTable,
    specs: list[str],
    seeds: list[int],
    decisions: int | None,
    earlier: RepairTable | None,
) -> pd.DataFrame:
    from sqlbench.evidence.replay import replay as replay_table

    found = replay_table(table, specs, seeds, decisions, earlier=earlier, progress=True)
    frame = found.summary()
    print(f"{table.label}, {found.rows.shape[1]:,} first repairs × {len(seeds)} seeds\n")
    print(_markdown(found.grid()))
    print()
    for name, value in found.bounds().items():
        print(f"{name}: {value:.1%}")
    print("Regret: against the best policy on the error class, on mean outcomes.")
    return frame


def _held_out(
    table: RepairTable, specs: list[str], seeds: list[int], earlier: RepairTable | None
) -> pd.DataFrame:
    from sqlbench.evidence.crossvalidate import cross_validate

    found = cross_validate(table, specs, seeds, earlier=earlier)
    frame = found.summary()
    databases = len(set(table.db_ids))
    print(f"{table.label}; each of {databases} databases held out once, {len(seeds)} seeds\n")
    print(_markdown(found.grid()))
    return frame


def _markdown(grid: Grid) -> str:
    from sqlbench.words import markdown_table

    return markdown_table(list(map(str, grid.header)), grid.rows)
