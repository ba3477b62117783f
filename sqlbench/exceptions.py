"""What can go wrong for a user of sqlbench, one sentence a class.

Every error carries the offending value and renders one clear sentence. The command line prints
that sentence and exits with code 2. What goes wrong for the *agent* (its SQL fails) is no
exception to the user: see `sqlbench.databases.base.QueryError`.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from pathlib import Path


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
        self.kind, self.value, self.valid = kind, value, [str(name) for name in valid]
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


class RunInUseError(RunFolderError):
    """Raised when another process is writing the run."""


class ClusterError(SQLBenchError, RuntimeError):
    """Raised when a cluster cannot be reached, or its workers cannot run what they are given."""


class ModelSetupError(SQLBenchError, RuntimeError):
    """Raised before the first episode when a model cannot be used (missing key, bad URL)."""


class StoreError(SQLBenchError, RuntimeError):
    """Raised when a response store cannot be read or written."""


class UnseenRequestError(StoreError):
    """Raised in replay when a request was never stored: the message names question and attempt."""


class BudgetReachedError(SQLBenchError, RuntimeError):
    """Raised when the next call might pass the budget: the run stops, and can be gone on with.

    Parameters
    ----------
    state : str
        How far it came.
    option : str
        The option to raise.
    """

    def __init__(self, state: str, option: str) -> None:
        self.state, self.option = state, option
        super().__init__(state, option)

    def __str__(self) -> str:
        flag = self.option.replace("_", "-")
        return (
            f"Stopped: {self.state}. What was finished is kept; "
            f"repeat the command with a larger --{flag} to go on."
        )


class NothingLeftError(SQLBenchError, RuntimeError):
    """Raised when every episode was lost to a model or a database: the message says why."""


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
        # By the checkout's or wheel's path: an index knows another project by the name "sqlbench".
        checkout = Path(__file__).resolve().parents[1]
        if (checkout / "pyproject.toml").is_file():
            what, where = f"-e '{checkout}[{self.extra}]'", ""
        else:
            what = f"'WHEEL[{self.extra}]'"
            where = "  (WHEEL: the sqlbench_repair-….whl that sqlbench was installed from)"
        pip = f"{sys.executable} -m pip install"
        return f"{self.feature} needs an extra: run  {pip} {what}{where}"
