"""The marketplace on PostgreSQL: SQLite's answers, its own faults, its own failures."""

from __future__ import annotations

import dataclasses
import json

import psycopg
import pytest
from postgres_server import SECRET

from sqlbench.databases import QueryError
from sqlbench.episodes.errors import ErrorClass, classify_error
from sqlbench.episodes.repair import Prompts, RepairAction
from sqlbench.exceptions import ConfigError, DatabaseFailure, SuiteError
from sqlbench.grading import Golds, compare
from sqlbench.models.simulated.faults import Faults
from sqlbench.models.simulated.simulated import SimulatedModel
from sqlbench.runs.experiment import MAX_LOST, run_experiment
from sqlbench.runs.run import Run
from sqlbench.suites import Suite, load_suite
from sqlbench.suites.marketplace.postgres import schema_name, translate


@pytest.fixture(scope="module")
def suite(postgres):
    suite = load_suite("marketplace", postgres.bench)
    yield suite
    suite.close()


@pytest.fixture(scope="module")
def model(suite):
    return SimulatedModel(suite)


def test_all_sixty_golds_agree_on_both_engines(suite):
    lite = load_suite("marketplace")
    here, there = Golds(suite), Golds(lite)
    differing = []
    for question in lite:
        want, got = there.get(question), here.get(suite.question(question.id))
        agree = want.ordered == got.ordered and want.tie == got.tie
        # By `exact`: the official metrics compare floats to the last bit, and count the order of
        # rows wherever the gold says ORDER BY, in a window too.
        agree = agree and compare(want, got.result).match and compare(got, want.result).match
        if not agree:
            differing.append(question.id)
    assert len(lite) == len(suite) == 60
    assert differing == []


def test_tables_columns_and_rows_are_those_of_sqlite(suite):
    mine = suite.databases["marketplace"].schema().tables
    others = load_suite("marketplace").databases["marketplace"].schema().tables
    assert [(t.name, [c.name for c in t.columns], t.row_count) for t in mine] == [
        (t.name, [c.name for c in t.columns], t.row_count) for t in others
    ]
    assert [{(k.columns, k.ref_table, k.ref_columns) for k in t.foreign_keys} for t in mine] == [
        {(k.columns, k.ref_table, k.ref_columns) for k in t.foreign_keys} for t in others
    ]
    columns = {(t.name, c.name): c.comment for t in mine for c in t.columns}
    assert columns["vendors", "tier"] == "gold, silver or bronze"


def test_text_sorts_by_bytes_as_in_sqlite(suite):
    rows = suite.databases["marketplace"].execute(
        "SELECT DISTINCT collation_name FROM information_schema.columns"
        f" WHERE table_schema = '{schema_name()}' AND data_type = 'text'"
    )
    assert rows.rows == [("C",)]


def test_the_data_is_loaded_once(postgres, suite):
    with psycopg.connect(postgres.owner.url, autocommit=True) as connection:
        place = f'"{schema_name()}".orders'
        oid = connection.execute(f"SELECT '{place}'::regclass::oid").fetchone()
        load_suite("marketplace", postgres.bench).close()
        assert connection.execute(f"SELECT '{place}'::regclass::oid").fetchone() == oid


def test_a_schema_of_that_name_that_is_not_ours_is_left_alone(postgres, suite, monkeypatch):
    import sqlbench.suites.marketplace.postgres as module

    with psycopg.connect(postgres.owner.url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA somebody_elses")
        monkeypatch.setattr(module, "schema_name", lambda: "somebody_elses")
        try:
            with pytest.raises(SuiteError, match="was not made by sqlbench"):
                load_suite("marketplace", postgres.bench)
        finally:
            connection.execute("DROP SCHEMA somebody_elses")


def test_a_role_that_may_not_load_it_is_told_what_to_do(postgres, monkeypatch):
    import sqlbench.suites.marketplace.postgres as module

    monkeypatch.setattr(module, "schema_name", lambda: "not_yet")
    with pytest.raises(SuiteError, match="GRANT CREATE ON DATABASE"):
        load_suite("marketplace", postgres.reader.url)


@pytest.mark.parametrize(
    ("spec", "database", "message"),
    [
        ("marketplace", "shop.sqlite", "pg-embedded"),
        ("spider:somewhere", "pg-embedded", "Only the suite 'marketplace'"),
    ],
)
def test_a_database_that_does_not_fit_is_one_sentence(spec, database, message):
    with pytest.raises(ConfigError, match=message):
        load_suite(spec, database)


def test_translation_keeps_the_order_of_nulls():
    assert "NULLS FIRST" in translate("SELECT a FROM t ORDER BY a")


# ---- prompts and faults


def test_prompts_name_the_dialect_and_what_differs(suite):
    question = suite.question("simple_15")
    facts = {
        "schema": suite.schema_text(question), "dialect": "postgres", "question": question.text,
        "evidence": "",
    }  # fmt: skip
    prompts = Prompts.load()
    assert "PostgreSQL" in prompts.generate(**facts)[0]["content"]
    told = prompts.repair(RepairAction.CHANGE_DIALECT, attempts=[_attempt()], token=None, **facts)
    for word in ("PostgreSQL has no strftime()", "to_char", "::type"):
        assert word in told[0]["content"]


@pytest.mark.parametrize(
    "advice",
    [
        "to_char(d::date, 'YYYY-MM')", "extract(year FROM d::date)",
        "date_trunc('month', d::date)", "d::date + interval '7 days'", "string_agg(x, ',')",
        "coalesce()", "round(x::numeric, 2)", "a::date - b::date",
    ],
)  # fmt: skip
def test_what_the_dialects_note_advises_runs_where_dates_are_text(suite, advice):
    question = suite.question("simple_15")
    told = Prompts.load().repair(
        RepairAction.CHANGE_DIALECT, attempts=[_attempt()], token=None, question="?", evidence="",
        schema="", dialect="postgres",
    )  # fmt: skip
    assert advice in told[0]["content"]
    run = advice.replace("coalesce()", "coalesce(x, '')")
    database = suite.database(question)
    numeric = "numeric" in advice
    rows = database.execute(
        f"SELECT {run} FROM (SELECT joined_on AS d, joined_on AS a, '2020-01-01' AS b, "
        f"{'loyalty_points' if numeric else 'name'} AS x FROM customers) AS c"
    ).rows
    assert rows and rows[0][0] is not None


def test_a_date_function_on_text_is_an_error_that_a_cast_mends(suite):
    database = suite.database(suite.question("simple_15"))
    for call in ("to_char(joined_on, 'YYYY')", "extract(year FROM joined_on)", "joined_on - '7'"):
        with pytest.raises(QueryError) as caught:
            database.execute(f"SELECT {call} FROM customers")
        assert classify_error(caught.value) == ErrorClass.DATATYPE_MISMATCH


def _attempt():
    from sqlbench.episodes.repair import FailedAttempt

    return FailedAttempt("generate", "SELECT strftime('%Y', ordered_on) FROM orders", "no")


PLANTABLE = [c for c in ErrorClass if c != ErrorClass.TIMEOUT]


def test_faults_fail_as_they_claim_on_postgres(suite, model):
    database = suite.databases["marketplace"]
    for question_id in ("simple_15", "join_05", "complex_17"):
        faults: Faults = model.faults
        planted = faults.get(suite.question(question_id))
        missing = {c for c in PLANTABLE if not planted.variants(c)}
        assert missing <= {ErrorClass.AMBIGUOUS_COLUMN}
        assert planted.is_right(planted.answer)
        for error_class in set(PLANTABLE) - missing:
            for sql in planted.variants(error_class):
                try:
                    rows = database.execute(sql).rows
                except QueryError as error:
                    assert error.sqlstate and classify_error(error) == error_class
                else:
                    assert error_class == (
                        ErrorClass.WRONG_RESULT if rows else ErrorClass.EMPTY_RESULT
                    )


def test_faults_are_of_postgres_own_kind(suite, model):
    states = set()
    for question_id in ("simple_15", "join_05"):
        planted = model.faults.get(suite.question(question_id))
        for error_class in PLANTABLE:
            for sql in planted.variants(error_class):
                try:
                    suite.databases["marketplace"].execute(sql)
                except QueryError as error:
                    states.add(error.sqlstate)
    # grouping, types, cardinality: what SQLite lets pass
    assert states >= {"42803", "42883", "21000", "42703", "42P01", "42601"}
    assert states & {"22P02", "22007", "42846", "42804"}


# ---- experiments


async def test_a_run_keeps_no_password_and_can_be_resumed(postgres, suite, model, tmp_path):
    settings = {"policy": "rules", "progress": False, "task": "simple_queries"}
    whole = await run_experiment(suite, model, episodes=20, out=tmp_path / "a", **settings)
    again = await run_experiment("marketplace", "simulated", database=postgres.bench,
                                 episodes=20, out=tmp_path / "b", **settings)  # fmt: skip
    assert [e.record() for e in whole.log] == [e.record() for e in again.log]
    assert whole.config.database.startswith("postgresql://bench@/postgres?host=")
    assert whole.meta["versions"]["postgres"][0].isdigit()
    assert "on postgresql://bench@" in whole.label
    for path in (tmp_path / "b").iterdir():
        for form in (SECRET, "s3cr3t"):
            assert form.encode() not in path.read_bytes(), path
    assert Run.open(tmp_path / "b").config == whole.config


@pytest.mark.slow
async def test_a_policy_learns_on_postgres_as_on_sqlite(suite, model):
    settings = {"episodes": 240, "progress": False, "seed": 0}
    learned = await run_experiment(suite, model, "linucb", **settings)
    drawn = await run_experiment(suite, model, "random", **settings)
    there = await run_experiment("marketplace", "simulated", "linucb", **settings)

    def repaired(run: Run) -> float:
        return run.summary["rates"]["repaired"]["rate"]

    assert repaired(learned) > repaired(drawn) + 0.05
    assert abs(repaired(learned) - repaired(there)) < 0.05
    assert learned.summary["rates"]["first"] == there.summary["rates"]["first"]


class Flaky:
    """A database that fails when it is told to; everything else is the real one's."""

    def __init__(self, database, fails) -> None:
        self.database, self.fails, self.calls = database, fails, 0

    def __getattr__(self, name):
        return getattr(self.database, name)

    async def run(self, sql):
        self.calls += 1
        if self.fails(self.calls):
            raise DatabaseFailure("The connection to PostgreSQL broke, and broke again.")
        return await self.database.run(sql)


def flaky(suite: Suite, fails) -> Suite:
    databases = {name: Flaky(d, fails) for name, d in suite.databases.items()}
    return dataclasses.replace(suite, databases=databases)


async def test_a_database_that_fails_is_recorded_and_never_scored(suite, model, tmp_path):
    settings = {
        "policy": "rules", "episodes": 20, "progress": False, "task": "simple_queries",
    }  # fmt: skip
    broken = await run_experiment(
        flaky(suite, lambda n: n == 7), model, out=tmp_path / "run", **settings
    )
    assert len(broken.log) == 19 and len(broken.failed) == 1
    (failure,) = [json.loads(x) for x in (tmp_path / "run/failures.jsonl").open()]
    assert failure["error_class"] == "database_error" and failure["kind"] == "connection"
    assert broken.summary["database_errors"] == 1 and broken.summary["model_errors"] == 0
    resumed = await run_experiment(suite, model, out=tmp_path / "run", **settings)
    assert len(resumed.log) == 20 and not resumed.failed
    whole = await run_experiment(suite, model, **settings)
    key = lambda e: e.index  # noqa: E731
    assert [e.record() for e in sorted(resumed.log, key=key)] == [e.record() for e in whole.log]


async def test_a_database_that_stays_away_stops_the_run(suite, model, tmp_path):
    with pytest.raises(DatabaseFailure, match="broke again"):
        await run_experiment(
            flaky(suite, lambda n: n > 3), model, "rules", episodes=50, out=tmp_path / "run",
            progress=False,
        )  # fmt: skip
    lines = (tmp_path / "run/failures.jsonl").read_text().splitlines()
    assert len(lines) == MAX_LOST
