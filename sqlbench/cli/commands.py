"""Which commands there are; each is imported when it is asked for, so that ``--help`` is quick."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

# Their modules in `sqlbench.cli`, and what the list of commands says of them.
COMMANDS = {
    "run": "Run episodes, and keep them in a folder.",
    "report": "Write a run's report: a page that opens offline.",
    "show": "Show one episode, or a run question by question.",
    "runs": "List the runs of a folder, compare two, tag one.",
    "export": "Get a run or sweep out: CSV, Parquet, LaTeX, MLflow, Inspect.",
    "compare": "Compare policies, models or prompts on the same questions.",
    "sweep": "Run a grid of configurations, and print one table.",
    "collect": "Make a repair table: all 8 repairs of each first failure.",
    "replay": "Replay policies on a repair table, with their regret.",
    "teach": "Teach a policy a repair table, for a run to start from.",
    "evaluate": "Estimate policies off-policy, from logs alone.",
    "grade": "Grade prediction files as the official evaluators do.",
    "profile": "Make a simulator profile from prediction files.",
    "advise": "Say whether a repair bandit would pay for a model.",
    "check": "Say how doubtful an answer is, without gold or model.",
    "choose": "Choose among stored answers, without gold or model.",
    "signals": "Train the weights of doubt on graded answers.",
    "ask": "Ask a database a question.",
    "serve": "Serve the environment over OpenEnv.",
    "suites": "List, check, mutate and begin suites.",
}


_RUN_SQL = ["run", "compare", "sweep", "collect", "grade", "check", "choose", "ask", "serve"]


def load(name: str) -> Any:
    """Return a command as click has it."""
    found = getattr(importlib.import_module(f"sqlbench.cli.{name}"), name)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name)(found)
    command = typer.main.get_command(alone)
    if name in _RUN_SQL:
        command.params.append(_no_memo())
    return command


def _switch_off(wanted: bool) -> bool:
    if wanted:
        from sqlbench.databases.memo import switch_off

        switch_off()
    return wanted


def _only(
    no_memo: Annotated[
        bool,
        typer.Option(
            "--no-memo",
            callback=_switch_off,
            help="Run every statement, also one whose outcome on this database is known.",
        ),
    ] = False,
) -> None:
    """Have the option that `_no_memo` takes from here."""


def _no_memo() -> Any:
    alone = typer.Typer(add_completion=False)
    alone.command()(_only)
    option = typer.main.get_command(alone).params[0]
    option.expose_value = False
    return option


class Commands(TyperGroup):
    """The group of all commands."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return their names."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return one of them, imported now; None if there is none of that name."""
        return load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
