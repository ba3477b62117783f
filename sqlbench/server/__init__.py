"""The environment as an OpenEnv server (extra ``openenv``)."""

from __future__ import annotations

from dataclasses import replace

from sqlbench.episodes.returns import REWARDS
from sqlbench.server.app import create_app
from sqlbench.server.bench import ServerConfig, Workbench
from sqlbench.server.run import serve
from sqlbench.server.sessions import SQLEnvironment

__all__ = ["REWARDS", "ServerConfig", "create_app", "make_environment", "serve"]


def make_environment(config: ServerConfig | None = None) -> SQLEnvironment:
    """Return one session's environment, as OpenEnv's tools drive it in process.

    Parameters
    ----------
    config : ServerConfig, optional
        What is served; by default what the environment's variables say, to agents that bring their
        own model.
    """
    return SQLEnvironment(Workbench(config or replace(ServerConfig.from_environment(), agent=True)))
