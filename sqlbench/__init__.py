"""sqlbench: a workbench for repairing the SQL of language models.

When an LLM's SQL fails, which repair prompt should be tried next?

The names below are loaded on first use, so that ``import sqlbench`` stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Action": "environment.environment",
    "Observation": "environment.environment",
    "RewardInfo": "environment.environment",
    "SQLAgentEnv": "environment.environment",
    "Episode": "episodes.episode",
    "Step": "episodes.episode",
    "learn": "policies.learning",
    "run_experiment": "runs.experiment",
    "Run": "runs.run",
    "RunConfig": "runs.config",
    "load_suite": "suites",
    "load_model": "models",
    "make_policy": "policies",
    "register_policy": "policies",
    "SQLBenchError": "exceptions",
    "check_parameters": "reports.parameters",
}
# What needs an extra is no part of `from sqlbench import *`.
_EXTRAS = {"make_environment": "server"}
_MODULES = {
    "analysis": "analysis",
    "grading": "grading",
    "plots": "plots",
    "sweep": "grids.sweep",
    "widgets": "widgets",
}

__all__ = ["__version__", "versions", *_HOMES, *_MODULES]

if TYPE_CHECKING:
    from sqlbench import analysis as analysis
    from sqlbench import grading as grading
    from sqlbench import plots as plots
    from sqlbench import widgets as widgets
    from sqlbench.environment.environment import Action as Action
    from sqlbench.environment.environment import Observation as Observation
    from sqlbench.environment.environment import RewardInfo as RewardInfo
    from sqlbench.environment.environment import SQLAgentEnv as SQLAgentEnv
    from sqlbench.episodes.episode import Episode as Episode
    from sqlbench.episodes.episode import Step as Step
    from sqlbench.exceptions import SQLBenchError as SQLBenchError
    from sqlbench.grids import sweep as sweep
    from sqlbench.models import load_model as load_model
    from sqlbench.policies import make_policy as make_policy
    from sqlbench.policies import register_policy as register_policy
    from sqlbench.policies.learning import learn as learn
    from sqlbench.reports.parameters import check_parameters as check_parameters
    from sqlbench.runs.config import RunConfig as RunConfig
    from sqlbench.runs.experiment import run_experiment as run_experiment
    from sqlbench.runs.run import Run as Run
    from sqlbench.server import make_environment as make_environment
    from sqlbench.suites import load_suite as load_suite


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"sqlbench.{_MODULES[name]}")
    home = _HOMES.get(name) or _EXTRAS.get(name)
    if home is not None:
        return getattr(importlib.import_module(f"sqlbench.{home}"), name)
    raise AttributeError(f"module 'sqlbench' has no attribute {name!r}")


def versions() -> str:
    """Return the versions that results depend on, on one line."""
    import platform
    import sqlite3

    import numpy

    return (
        f"sqlbench {__version__}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, NumPy {numpy.__version__}"
    )


def __dir__() -> list[str]:
    return sorted([*__all__, *_EXTRAS])
