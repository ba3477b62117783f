"""Databases behind a sandbox: one protocol, which SQLite, PostgreSQL and DuckDB implement."""

from sqlbench.databases.base import (
    Column,
    Database,
    ForeignKey,
    QueryError,
    QueryResult,
    Schema,
    Table,
)
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.databases.sqlite_limits import Limits

__all__ = [
    "Column",
    "Database",
    "ForeignKey",
    "Limits",
    "QueryError",
    "QueryResult",
    "SQLiteDatabase",
    "Schema",
    "Table",
]
