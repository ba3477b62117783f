"""Bind a socket, say where, and serve until stopped."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import socket
import sys

from sqlbench.exceptions import ConfigError
from sqlbench.server.app import create_app
from sqlbench.server.bench import ServerConfig
from sqlbench.server.gate import MAX_REQUEST_BYTES

PING_GRACE_SECONDS = 30.0


def serve(config: ServerConfig, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    config : ServerConfig
        What is served.
    host : str
        The address to bind; anything but loopback needs a token.
    port : int
        The port; 0 takes a free one.

    Raises
    ------
    ConfigError
        If the address cannot be bound, or needs a token.
    """
    import uvicorn

    if config.token is None and not _binds_loopback(host):
        raise ConfigError(
            f"Without a token the server binds to loopback only, not to {host!r}; "
            "set --token, or SQLBENCH_TOKEN."
        )
    listener = _listen(host, port)  # before the slow part: a port in use is said at once
    app = create_app(config)
    bound = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    suite, model = (
        part if isinstance(part, str) else part.spec for part in (config.suite, config.model)
    )
    whom = (
        "to agents that bring their own model"
        if config.agent
        else f"with model {model} and policy {config.policy}"
    )
    print(
        f"Serving {suite} {whom} at http://{shown}:{bound}",
        flush=True,
    )

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            app.close()  # here: what follows is the signal again, and it ends the process

    server = Server(
        uvicorn.Config(
            app,
            log_level="warning",
            # A frame that the gate refuses with a sentence; a much larger one closes the socket.
            ws_max_size=4 * MAX_REQUEST_BYTES,
            # Deflating an observation costs more than sending it.
            ws_per_message_deflate=False,
            # A client that computes answers no ping: its session lives as long as it was promised.
            ws_ping_timeout=config.session_timeout + PING_GRACE_SECONDS,
            timeout_graceful_shutdown=5,
        )
    )
    gc.freeze()  # what was loaded stays: no collection need look through it again
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it anew once all is closed
        server.run(sockets=[listener])
    print("Stopped.", file=sys.stderr)


def _binds_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise ConfigError(f"A port is a number from 0 to 65535, not {port!r}.")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}; "
            "choose another --port or --host."
        ) from None
