"""What ends a command that was told to stop."""

from __future__ import annotations


class Stopped(BaseException):
    """The run was told to stop, and what was finished is kept; typer would swallow Ctrl-C's own.

    Parameters
    ----------
    signum : int
        The signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.exit_code = 128 + signum
