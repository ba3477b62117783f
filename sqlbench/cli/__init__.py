"""The command line: a thin shell over the package.

A user's mistake is one sentence on standard error and exit code 2; a budget that is used up, 3; a
run, sweep or comparison all of whose episodes were lost, 1.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from typing import Annotated

import typer

from sqlbench import __version__
from sqlbench.cli.commands import Commands
from sqlbench.cli.stopped import Stopped
from sqlbench.exceptions import BudgetReachedError, NothingLeftError, SQLBenchError
from sqlbench.paths import base_folder

app = typer.Typer(
    name="sqlbench",
    cls=Commands,
    help="When an LLM's SQL fails, which repair prompt should be tried next? "
    "Run text-to-SQL episodes, report on them, and look into them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Its version.")
    ] = False,
) -> None:
    pass


_format_code = warnings.formatwarning


def _format_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Return a warning of ours as a sentence, without the line of code that gave it."""
    if category is not UserWarning:
        return _format_code(message, category, filename, lineno, line)
    return f"sqlbench: {message}\n"


def _end_where_own_code_raised(error: Exception) -> None:
    from sqlbench.cli.own_code import own_failure

    said = own_failure(error)
    if said is not None:
        print(said, file=sys.stderr)
        sys.exit(2)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a locale may lack · and ×
    warnings.formatwarning = _format_warning
    os.chdir(base_folder())  # elsewhere only where a notebook's cell runs the command
    try:
        app()
    except BudgetReachedError as error:
        print(f"sqlbench: {error}", file=sys.stderr)
        sys.exit(3)
    except NothingLeftError as error:
        print(f"sqlbench: {error}", file=sys.stderr)
        sys.exit(1)
    except SQLBenchError as error:
        print(f"sqlbench: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        _end_where_own_code_raised(error)
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        what = "The output" if error.filename is None else repr(str(error.filename))
        print(
            f"sqlbench: {what} cannot be used: {error.strerror}. What was finished is kept.",
            file=sys.stderr,
        )
        sys.exit(2)
    except Exception as error:
        _end_where_own_code_raised(error)
        raise
    except KeyboardInterrupt:
        print("sqlbench: stopped; what was finished is kept.", file=sys.stderr)
        sys.exit(130)
    except Stopped as stopped:
        print("\nsqlbench: stopped; what was finished is kept.", file=sys.stderr)
        sys.exit(stopped.exit_code)
