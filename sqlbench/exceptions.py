"""What can go wrong for a user of sqlbench, one sentence a class.

Every error carries the offending value and renders one clear sentence. The command line prints
that sentence and exits with code 2. What goes wrong for the *agent* (its SQL fails) is no
exception to the user: see `sqlbench.databases.base.QueryError`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SQLBenchError(Exception):
    """Root of all errors that a user can mend."""


class UnknownNameError(SQLBenchError, ValueError):
    """Raised when a task, question, action, policy, model or suite does not exist.

    Parameters
    ----------
    kind : str
        What was looked up, for example ``"task"``.
    value : object
        The name that is not known.
    valid : iterable of str
        The names that are.
    """

    def __init__(self, kind: str, value: object, valid: Iterable[str]) -> None:
        self.kind, self.value, self.valid = kind, value, list(valid)
        super().__init__(kind, value, self.valid)

    def __str__(self) -> str:
        shown = ", ".join(self.valid[:30]) + (", …" if len(self.valid) > 30 else "")
        near = difflib.get_close_matches(str(self.value), self.valid, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"Unknown {self.kind} {self.value!r}; valid are: {shown or '(none)'}.{hint}"


class ConfigError(SQLBenchError, ValueError):
    """Raised when a value has the wrong form: the message names it and what was expected."""


class SuiteError(SQLBenchError, ValueError):
    """Raised when a suite's files are missing or malformed."""


class RunFolderError(SQLBenchError, ValueError):
    """Raised when a run folder holds another configuration, is in use, or is damaged."""


class ModelSetupError(SQLBenchError, RuntimeError):
    """Raised before the first episode when a model cannot be used (missing key, bad URL)."""


class WorkerError(SQLBenchError, RuntimeError):
    """Raised when the worker processes of a grid die again and again.

    Parameters
    ----------
    deaths : int
        How often in a row, without progress.
    folder : str
        Where the first cell that is still owed lies.
    """

    def __init__(self, deaths: int, folder: str) -> None:
        self.deaths, self.folder = deaths, folder
        super().__init__(deaths, folder)

    def __str__(self) -> str:
        return (
            f"Worker processes died {self.deaths} times in a row without finishing an episode "
            f"(first cell owed: {self.folder!r}); is there memory enough? What was finished is "
            "kept: run the same command again."
        )


class DatabaseFailure(SQLBenchError, RuntimeError):
    """Raised when a database itself fails: a refused or broken connection, a server that stops.

    It says nothing about the SQL that was running: like a model's failure it is recorded, and
    never scored as wrong SQL.
    """


class MissingExtraError(SQLBenchError, ImportError):
    """Raised when an optional dependency is needed and not installed.

    Parameters
    ----------
    feature : str
        What needs it.
    extra : str
        The extra that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        self.feature, self.extra = feature, extra
        super().__init__(feature, extra)

    def __str__(self) -> str:
        return f"{self.feature} needs an extra: run  pip install 'sqlbench[{self.extra}]'"
