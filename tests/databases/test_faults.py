"""One fault, one class and one token on every engine: tests/data/faults.tsv is the table."""

from __future__ import annotations

from itertools import combinations

import pytest
from fault_table import Fault, faults

from sqlbench.databases import Database, QueryError
from sqlbench.episodes.errors import classify_error, classify_message, extract_offending_token

ENGINES = ("sqlite", "postgres", "duckdb")


def test_the_table_has_each_fault_once_and_most_on_all_engines() -> None:
    on = {engine: [f.name for f in faults(engine)] for engine in ENGINES}
    for names in on.values():
        assert len(names) == len(set(names)) >= 60
    for one, other in combinations(ENGINES, 2):
        assert len(set(on[one]) & set(on[other])) >= 60


@pytest.mark.parametrize("fault", faults("sqlite"), ids=lambda fault: fault.name)
def test_sqlite_raises_a_fault_by_its_class_and_token(sqlite: Database, fault: Fault) -> None:
    assert seen(sqlite, fault.sql) == (fault.error_class, fault.token)


@pytest.mark.parametrize("fault", faults("postgres"), ids=lambda fault: fault.name)
def test_postgresql_raises_a_fault_by_its_class_and_token(
    postgresql: Database, fault: Fault
) -> None:
    assert seen(postgresql, fault.sql) == (fault.error_class, fault.token)


@pytest.mark.parametrize("fault", faults("duckdb"), ids=lambda fault: fault.name)
def test_duckdb_raises_a_fault_by_its_class_and_token(duckdb: Database, fault: Fault) -> None:
    assert seen(duckdb, fault.sql) == (fault.error_class, fault.token)


@pytest.mark.parametrize("fault", faults("duckdb"), ids=lambda fault: fault.name)
def test_a_message_of_duckdb_says_its_class_by_itself(duckdb: Database, fault: Fault) -> None:
    if fault.name == "unknown column in HAVING":
        pytest.skip("DuckDB says of it what it says of a column that is not grouped")
    with pytest.raises(QueryError) as caught:
        duckdb.execute(fault.sql)
    assert classify_message(caught.value.message) == fault.error_class


def seen(database: Database, sql: str) -> tuple[str, str | None]:
    with pytest.raises(QueryError) as caught:
        database.execute(sql)
    return str(classify_error(caught.value)), extract_offending_token(caught.value, sql)
