"""The typed client, under the name that OpenEnv's tools look for."""

from sqlbench.client import SQLBenchEnv

__all__ = ["SQLBenchEnv"]
