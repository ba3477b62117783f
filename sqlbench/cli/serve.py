"""``sqlbench serve``: the environment as an OpenEnv server."""

from __future__ import annotations

from typing import Annotated

import typer

from sqlbench.cli.stopping import stoppable


def serve(
    suite: Annotated[
        str, typer.Option(help="What is asked, as in `run`.", envvar="SQLBENCH_SUITE")
    ] = "marketplace",
    model: Annotated[
        str, typer.Option(help="Who answers, as in `run`.", envvar="SQLBENCH_MODEL")
    ] = "simulated",
    repair_model: Annotated[
        str | None,
        typer.Option(
            help="Who makes every attempt after the first, as in `run`.",
            envvar="SQLBENCH_REPAIR_MODEL",
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            help="Put the marketplace on another engine, as in `run`.", envvar="SQLBENCH_DATABASE"
        ),
    ] = None,
    policy: Annotated[
        str,
        typer.Option(
            help="Who chooses repairs for the action 'auto', as in `run`; it learns from every "
            "episode that ends.",
            envvar="SQLBENCH_POLICY",
        ),
    ] = "linucb",
    reward: Annotated[
        str,
        typer.Option(
            help="What OpenEnv's reward is: gain (what an attempt added), final (all at the end), "
            "shaped (the breakdown's sum) or score (0.05 to 0.95, not for adding up).",
            envvar="SQLBENCH_REWARD",
        ),
    ] = "gain",
    agent: Annotated[
        bool,
        typer.Option(
            "--agent",
            help="For agents that bring their own model: an action is SQL, no model is served.",
            envvar="SQLBENCH_AGENT",
        ),
    ] = False,
    signals: Annotated[
        bool,
        typer.Option(
            "--signals",
            help="Tell with each observation how doubtful the answer is, and why.",
            envvar="SQLBENCH_SIGNALS",
        ),
    ] = False,
    log: Annotated[
        str | None,
        typer.Option(
            help="Keep every finished episode in this folder, as a run.", envvar="SQLBENCH_LOG"
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to bind; all but loopback need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = 8000,
    max_sessions: Annotated[
        int, typer.Option(help="Sessions at a time.", envvar="SQLBENCH_MAX_SESSIONS")
    ] = 64,
    session_timeout: Annotated[
        float,
        typer.Option(
            help="Seconds without a step after which a session is closed.",
            envvar="SQLBENCH_SESSION_TIMEOUT",
        ),
    ] = 600.0,
    token: Annotated[
        str | None,
        typer.Option(
            help="A secret that every request must then carry. Better given as an environment "
            "variable: a command line can be read by others.",
            envvar="SQLBENCH_TOKEN",
        ),
    ] = None,
) -> None:
    """Serve the environment over OpenEnv, to any OpenEnv client."""
    from sqlbench.server import ServerConfig
    from sqlbench.server import serve as run_server

    config = ServerConfig(
        suite=suite,
        model=model,
        repair_model=repair_model,
        database=database,
        policy=policy,
        agent=agent,
        reward=reward,
        signals=signals,
        log=log,
        max_sessions=max_sessions,
        session_timeout=session_timeout,
        token=token,
    )
    with stoppable():  # else SIGTERM would end it before an embedded database is stopped
        run_server(config, host, port)
