"""sqlbench's text-to-SQL repair environment, as an OpenEnv package."""

from sqlbench.client import SQLAction, SQLBenchEnv, SQLObservation, SQLState

__all__ = ["SQLAction", "SQLBenchEnv", "SQLObservation", "SQLState"]
