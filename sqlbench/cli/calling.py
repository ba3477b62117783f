"""The options of the commands that call a model: how it is called, never what comes out."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from sqlbench.models.calling.options import Calling

# The fields of `Calling` that have an option, in the order in which help shows them.
_OPTIONS: dict[str, Any] = {
    "cache": Annotated[
        Path | None,
        typer.Option(
            help="The response store, a SQLite file that runs may share. Default: one in the "
            "run's folder for a model behind an endpoint, none for the simulated model."
        ),
    ],
    "cache_mode": Annotated[
        str,
        typer.Option(
            help="auto (call out for what is not stored), replay (never call out), record (always "
            "call out, and replace), off."
        ),
    ],
    "max_requests_per_minute": Annotated[
        int | None, typer.Option("--max-requests-per-minute", help="What the provider allows.")
    ],
    "max_tokens_per_minute": Annotated[
        int | None, typer.Option("--max-tokens-per-minute", help="What the provider allows.")
    ],
    "connect_seconds": Annotated[float, typer.Option(help="Time limit until a call is connected.")],
    "first_token_seconds": Annotated[
        float, typer.Option(help="Time limit until a streamed answer begins.")
    ],
    "answer_seconds": Annotated[float, typer.Option(help="Time limit until an answer is whole.")],
    "retries": Annotated[
        int, typer.Option(help="How often a call that failed in passing is repeated.")
    ],
    "stream": Annotated[bool, typer.Option("--stream", help="Have the answers streamed.")],
    "budget": Annotated[
        float | None,
        typer.Option(
            help="What all of it may cost, in the currency of the prices. It stops before that is "
            "passed; repeat the command with a larger one to go on."
        ),
    ],
    "max_calls": Annotated[
        int | None, typer.Option(help="How many requests may be sent; stops likewise.")
    ],
    "prices": Annotated[
        Path | None,
        typer.Option(help="A TOML file of prices; default: sqlbench/models/calling/prices.toml."),
    ],
}


def with_calling(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each field of `Calling`.

    Parameters
    ----------
    command : callable
        Takes the `Calling` that they make as its parameter ``calling``.
    """
    default = Calling()
    given = inspect.signature(command)
    hints = get_type_hints(command, include_extras=True)

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        calling = Calling(**{name: values.pop(name) for name in _OPTIONS})
        command(**values, calling=calling)

    own = [p.replace(annotation=hints[n]) for n, p in given.parameters.items() if n != "calling"]
    options = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=getattr(default, name), annotation=kind
        )
        for name, kind in _OPTIONS.items()
    ]
    everything = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + options
    wrapped.__signature__ = given.replace(parameters=everything)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in everything} | {"return": None}
    return wrapped
