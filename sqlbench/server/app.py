"""The ASGI app: openenv's own, and around it a gate, a page, the stream, and clear errors."""

from __future__ import annotations

from functools import partial
from importlib import resources
from typing import Any

from sqlbench.environment.wire import (
    SQLAction,
    SQLAgentAction,
    SQLAgentObservation,
    SQLObservation,
    SQLState,
    sentence,
)
from sqlbench.server.bench import ServerConfig, Workbench

# `sqlbench.environment.wire` has said what is missing where openenv is not installed.
from fastapi import FastAPI, Request  # isort: skip
from fastapi.exceptions import RequestValidationError  # isort: skip
from fastapi.responses import HTMLResponse, JSONResponse  # isort: skip
from openenv.core.env_server import create_app as openenv_app  # isort: skip
from openenv.core.env_server.types import ConcurrencyConfig  # isort: skip

from sqlbench.exceptions import SQLBenchError
from sqlbench.server.gate import Gate
from sqlbench.server.sessions import ENV_NAME, SessionError, SQLEnvironment
from sqlbench.server.short_way import SEEN_SECONDS
from sqlbench.server.streaming import add_stream_route

# The page's own script and style, its own requests, and nothing from anywhere else.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; frame-ancestors 'self'; base-uri 'none'"
)


def create_app(config: ServerConfig | None = None) -> Gate:
    """Return the ASGI app of a server.

    Parameters
    ----------
    config : ServerConfig, optional
        What is served; the defaults need no key and no network.

    Raises
    ------
    SQLBenchError
        If a spec does not exist, or the model cannot be used.
    """
    config = config or ServerConfig()
    bench = Workbench(config)
    app: FastAPI = openenv_app(
        partial(SQLEnvironment, bench),
        SQLAgentAction if config.agent else SQLAction,
        SQLAgentObservation if config.agent else SQLObservation,
        env_name=ENV_NAME,
        state_cls=SQLState,
        concurrency_config=ConcurrencyConfig(
            max_concurrent_envs=config.max_sessions,
            session_timeout=config.session_timeout + SEEN_SECONDS,
        ),
    )
    app.add_exception_handler(SQLBenchError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_form)
    add_stream_route(app, bench)
    page = (resources.files("sqlbench.server") / "page.html").read_text(encoding="utf-8")

    @app.get("/info", tags=["Environment Info"], summary="What is served")
    async def info() -> dict[str, Any]:
        return bench.info()

    @app.get("/", include_in_schema=False)
    async def root() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": _PAGE_POLICY})

    # Room for the sockets of sessions that have timed out, and for those told that it is full.
    gate = Gate(
        app,
        config.token,
        max_sockets=2 * config.max_sessions + 16,
        action=SQLAgentAction if config.agent else SQLAction,
    )
    gate.close = bench.close
    return gate


async def _refuse(request: Request, error: Exception) -> JSONResponse:
    status = 409 if isinstance(error, SessionError) else 400
    return JSONResponse({"detail": str(error)}, status)


async def _refuse_form(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return JSONResponse({"detail": sentence(list(error.errors()))}, 422)
