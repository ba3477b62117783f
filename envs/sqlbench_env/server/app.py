"""What OpenEnv starts: `app` for an ASGI server, `main` for the script ``server``.

Everything is configured by environment variables: SQLBENCH_SUITE, SQLBENCH_DATABASE,
SQLBENCH_MODEL, SQLBENCH_REPAIR_MODEL, SQLBENCH_POLICY, SQLBENCH_AGENT, SQLBENCH_REWARD,
SQLBENCH_LOG, SQLBENCH_MAX_SESSIONS, SQLBENCH_SESSION_TIMEOUT and SQLBENCH_TOKEN, without which the
server answers its own machine only.
"""

from __future__ import annotations

import sys
from typing import Any


def main() -> None:
    """Run ``sqlbench serve`` with this script's options."""
    from sqlbench.cli import main as sqlbench

    sys.argv = ["sqlbench", "serve", *sys.argv[1:]]
    sqlbench()


def __getattr__(name: str) -> Any:
    # Made when an ASGI server asks for it, so that `main` does not load the suite twice.
    if name != "app":
        raise AttributeError(name)
    from sqlbench.server import ServerConfig, create_app

    return create_app(ServerConfig.from_environment())


if __name__ == "__main__":
    main()
