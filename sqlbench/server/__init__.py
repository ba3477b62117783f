"""The environment as an OpenEnv server (extra ``openenv``)."""

from __future__ import annotations

from sqlbench.episodes.returns import REWARDS
from sqlbench.server.app import create_app
from sqlbench.server.bench import ServerConfig
from sqlbench.server.run import serve

__all__ = ["REWARDS", "ServerConfig", "create_app", "serve"]
