"""The name by which verifiers finds sqlbench: ``vf-eval sqlbench-verifiers``.

Verifiers imports a task set by the name of a top-level module; what it is made of lies in
`sqlbench.doors`.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from sqlbench.doors.extras import need
from sqlbench.episodes.context import MAX_ATTEMPTS

need("verifiers", "verifiers")
_CLASSIC = tuple(int(part) for part in version("verifiers").split(".")[:2]) < (0, 2)

if _CLASSIC:
    from sqlbench.doors.verifiers_classic import SQLMultiTurnEnv

    __all__ = ["SQLMultiTurnEnv", "load_environment"]
else:
    from sqlbench.doors.verifiers_tasks import ChatHarness, SQLEnv, SQLEnvConfig, SQLTaskset

    __all__ = ["ChatHarness", "SQLEnv", "SQLEnvConfig", "SQLTaskset", "load_environment"]


def load_environment(
    suite: str = "marketplace",
    split: str | None = None,
    log: str | None = None,
    max_attempts: int = MAX_ATTEMPTS,
) -> Any:
    """Return the environment.

    Parameters
    ----------
    suite : str
        What is asked.
    split : str or None
        ``train``, ``dev``, ``test``, or None for all.
    log : str or None
        A run's folder in which every finished episode is kept.
    max_attempts : int
        1 to 5.
    """
    if _CLASSIC:
        from sqlbench.doors.verifiers_classic import load

        return load(suite, split, log, max_attempts)
    taskset = {"id": "sqlbench-verifiers", "suite": suite, "split": split}
    return SQLEnv(SQLEnvConfig(taskset=taskset, log=log, max_attempts=max_attempts))
