"""sqlbench's text-to-SQL repair environment, as an OpenEnv package."""

from sqlbench.client import SQLAction, SQLBenchEnv, SQLObservation, SQLState

__all__ = ["SQLAction", "SQLBenchEnv", "SQLObservation", "SQLState", "make_environment"]


def __getattr__(name: str) -> object:
    # The client's users need no server.
    if name != "make_environment":
        raise AttributeError(name)
    from sqlbench.server import make_environment

    return make_environment
