"""The options of the commands that call a model: how it is called, never what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Cache = Annotated[
    Path | None,
    typer.Option(
        help="The response store, a SQLite file that runs may share. Default: one in the run's "
        "folder for a model behind an endpoint, none for the simulated model."
    ),
]
CacheMode = Annotated[
    str,
    typer.Option(
        help="auto (call out for what is not stored), replay (never call out), record (always call "
        "out, and replace), off."
    ),
]
MaxRequests = Annotated[
    int | None, typer.Option("--max-requests-per-minute", help="What the provider allows.")
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens-per-minute", help="What the provider allows.")
]
ConnectSeconds = Annotated[float, typer.Option(help="Time limit until a call is connected.")]
FirstTokenSeconds = Annotated[
    float, typer.Option(help="Time limit until a streamed answer begins.")
]
AnswerSeconds = Annotated[float, typer.Option(help="Time limit until an answer is whole.")]
Retries = Annotated[int, typer.Option(help="How often a call that failed in passing is repeated.")]
Stream = Annotated[bool, typer.Option("--stream", help="Have the answers streamed.")]
Budget = Annotated[
    float | None,
    typer.Option(
        help="What the run may cost, in the currency of the prices. It stops before it is passed; "
        "repeat the command with a larger one to go on."
    ),
]
MaxCalls = Annotated[
    int | None, typer.Option(help="How many requests the run may send; stops likewise.")
]
Prices = Annotated[
    Path | None, typer.Option(help="A TOML file of prices; default: sqlbench/models/prices.toml.")
]
