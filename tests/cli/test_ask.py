"""`sqlbench ask`: one question to one's own database, on each engine."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from dataclasses import dataclass

import psycopg
import pytest
from ducks import duckdb_file
from json_server import serve_json
from postgres_server import SECRET

from sqlbench.cli import main
from sqlbench.cli.ask import result_table
from sqlbench.databases import QueryResult
from sqlbench.environment.environment import SQLAgentEnv
from sqlbench.exceptions import ConfigError, SuiteError
from sqlbench.runs.experiment import run_experiment
from sqlbench.suites import load_suite
from sqlbench.suites.adhoc import adhoc_suite

TABLE = "CREATE TABLE products (id integer PRIMARY KEY, title text, price integer)"
ROWS = "INSERT INTO products VALUES (1, 'Kettle', 20), (2, 'Lamp', NULL)"


@pytest.fixture(scope="module")
def endpoint():
    """An OpenAI-compatible server that answers with what it was told to, in turn."""
    answers: list[str] = []
    prompts: list[str] = []

    def answer(path: str, body: bytes) -> object:
        prompts.append(json.dumps(json.loads(body)["messages"]))
        return {
            "id": "1", "object": "chat.completion", "created": 0, "model": "any",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {
                "role": "assistant", "content": f"```sql\n{answers.pop(0)}\n```"}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }  # fmt: skip

    with serve_json(answer) as address:
        yield f"{address}/v1", answers, prompts


@pytest.fixture(scope="module", params=["sqlite", "duckdb", "parquet", "postgres"])
def database(request, postgres, tmp_path_factory):
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("ask") / "shop.sqlite"
        connection = sqlite3.connect(path)
        connection.executescript(f"{TABLE}; {ROWS}")
        connection.close()
        yield str(path)
        return
    if request.param in ("duckdb", "parquet"):
        folder = tmp_path_factory.mktemp(request.param)
        rows = f"{TABLE}; {ROWS}"
        if request.param == "duckdb":
            yield str(duckdb_file(folder / "shop.duckdb", rows))
        else:
            export = f"COPY products TO '{folder / 'products.parquet'}'"
            duckdb_file(tmp_path_factory.mktemp("made") / "shop.duckdb", f"{rows}; {export}")
            yield str(folder)
        return
    with psycopg.connect(postgres.owner.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA bench AUTHORIZATION bench; SET ROLE bench;"
                           f"SET search_path TO bench; {TABLE}; {ROWS}")  # fmt: skip
        yield postgres.bench
        connection.execute("DROP SCHEMA bench CASCADE")


@dataclass
class Printed:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def ask(monkeypatch, capsys):
    """Run the command line in this process, as `sqlbench ask …` would."""

    def run(*arguments, endpoint=None) -> Printed:
        for name in ("API_BASE_URL", "API_KEY", "HF_TOKEN", "MODEL_NAME"):
            monkeypatch.delenv(name, raising=False)
        if endpoint:
            monkeypatch.setenv("OPENAI_BASE_URL", endpoint)
            monkeypatch.setenv("OPENAI_API_KEY", "any")
        monkeypatch.setattr(sys, "argv", ["sqlbench", "ask", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Printed(int(ended.value.code or 0), printed.out, printed.err)

    return run


def test_a_question_is_repaired_until_rows_come(ask, database, endpoint):
    url, answers, prompts = endpoint
    answers[:] = [
        "SELECT titel FROM products",
        "SELECT title FROM products WHERE price > 99",
        "SELECT title, price FROM products ORDER BY id",
    ]
    result = ask("What do we sell?", "--database", database, "--model", "openai:any", endpoint=url)
    assert result.returncode == 0, result.stderr
    out = result.stdout
    assert "Attempt 1: generate" in out and "no_such_column" in out
    assert "Attempt 2: fix_column" in out and "empty_result" in out
    assert "| title  | price |" in out and "| Lamp   | NULL  |" in out
    assert "2 rows. Nobody has checked whether they answer the question." in out
    assert "titel" in prompts[-2] and "CREATE TABLE" in prompts[-1]
    assert SECRET not in out + result.stderr and "s3cr3t" not in out + "".join(prompts)


def test_where_no_query_returns_rows_the_exit_code_says_so(ask, database, endpoint):
    url, answers, _ = endpoint
    answers[:] = ["DELETE FROM products", "DROP TABLE products"]
    result = ask("Hm?", "--database", database, "--max-attempts", "2", endpoint=url)
    assert result.returncode == 1
    assert "not authorized" in result.stdout
    assert "No query returned rows in 2 attempts." in result.stderr
    answers[:] = ["SELECT count(*) FROM products"]
    assert "| 2 " in ask("How many?", "--database", database, endpoint=url).stdout


async def test_an_environment_takes_a_suite_made_from_a_database(database):
    suite = adhoc_suite(database, ["What is dear?", "What is cheap?"])
    env = SQLAgentEnv(suite, model=_silent(), policy="rules", feedback="execution")
    assert env.reset().question == "What is dear?"
    from sqlbench.environment.environment import Action

    _, info = await env.step(Action(custom_sql="SELECT title FROM products WHERE price > 99"))
    assert not info.success and not info.done
    _, info = await env.step(Action(custom_sql="SELECT title FROM products ORDER BY id"))
    assert info.success and info.done and env.result.rows == [("Kettle",), ("Lamp",)]
    assert env.episode.steps[-1].reason == "no_gold"
    suite.close()


def _silent():
    class Silent:
        spec, simulated = "silent", False

    return Silent()


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_known_question_is_answered_by_the_simulated_model(ask, engine, postgres):
    place = ["--database", postgres.bench] if engine == "postgres" else []
    result = ask("simple_01", "--suite", "marketplace", "--model", "simulated", *place)
    assert result.returncode == 0, result.stderr
    assert "simulated" in result.stdout and "the gold query's" in result.stdout
    text = (
        "In how many different cities (by name alone) do we hold at least one work address that "
        "has no postcode? Return that single number."
    )
    assert ask(text, "--suite", "marketplace", "--model", "simulated", *place).returncode == 0


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_stored_first_answer_is_repaired_by_another_model(ask, engine, postgres, tmp_path):
    place = ["--database", postgres.bench] if engine == "postgres" else []
    suite = load_suite("marketplace")
    stored = {q.id: "SELECT 1" for q in suite} | {"simple_02": "SELECT citi FROM adresses"}
    path = tmp_path / "first.jsonl"
    path.write_text(
        "".join(json.dumps({"question_id": i, "pred": sql}) + "\n" for i, sql in stored.items())
    )
    asked = ["--suite", "marketplace", "--model", f"predictions:{path}", *place]
    result = ask("simple_02", *asked, "--repair-model", "simulated")
    assert result.returncode == 0, result.stderr
    assert "SELECT citi FROM adresses" in result.stdout and "no_such_table" in result.stdout
    assert "(simulated)" in result.stdout and ", the same as the gold query's." in result.stdout
    result = ask("simple_01", *asked, "--max-attempts", "1")
    assert result.returncode == 0 and "not the same as the gold" in result.stdout
    result = ask("simple_01", *asked)
    assert result.returncode == 2 and "name a model for the repairs" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Q"], "Name what to ask"),
        (["Q", "--database", "nowhere.sqlite"], "nowhere.sqlite does not exist"),
        (["Q", "--database", "mysql://u:s3cr3t@h/d"], "There is no database for mysql://"),
        (["Q", "--database", "postgresql://u:s3cr3t@127.0.0.1:1/d"], "cannot be reached"),
        (["Q", "--suite", "marketplace", "--model", "simulated"], "Unknown question 'Q'"),
        ([" ", "--database", "x.sqlite"], "A question must be a text"),
        (["Q", "--database", "x.sqlite", "--seed", "-1"], "seed=-1 will not do"),
        (["Q", "--database", "x.sqlite", "--rows", "-1"], "rows is at least 0, not -1"),
        (["Q", "--database", "x.sqlite", "--temperature", "nan"], "temperature=nan will not do"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_two(ask, arguments, message):
    result = ask(*arguments)
    assert result.returncode == 2 and message in result.stderr
    assert "Traceback" not in result.stderr and "s3cr3t" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_simulated_model_says_that_it_cannot_answer_without_gold(ask, database):
    result = ask("Q", "--database", database, "--model", "simulated")
    assert result.returncode == 2 and "answers from gold queries" in result.stderr


def test_a_database_without_tables_is_refused(tmp_path):
    path = tmp_path / "empty.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (a)")
    connection.execute("DROP TABLE t")
    connection.close()
    with pytest.raises(SuiteError, match="no table"):
        adhoc_suite(str(path), ["Q"])
    with pytest.raises(ConfigError, match="not empty"):
        adhoc_suite(str(path), [])
    with pytest.raises(ConfigError, match=r"a list of texts: \['How many\?'\]"):
        adhoc_suite(str(path), "How many?")


def test_a_table_shows_what_it_leaves_out_and_nothing_that_steers_a_terminal():
    rows = [(None, "a\x1b[31mb"), ("x" * 100, 2), (3, "z")]
    table = result_table(QueryResult(("a", "b"), rows, truncated=True), 2)
    assert "NULL" in table and "\x1b" not in table and "x" * 59 + "…" in table
    assert table.endswith("(1 more row, and then some: the result was cut off)")


def test_a_suite_file_takes_a_postgres_url(postgres, tmp_path):
    with psycopg.connect(postgres.owner.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA files AUTHORIZATION bench; SET ROLE bench;"
                           f"SET search_path TO files; {TABLE}; {ROWS}")  # fmt: skip
        try:
            path = tmp_path / "shop.yaml"
            path.write_text(
                f"database: {postgres.bench}\ntasks:\n- id: simple_queries\n  difficulty: easy\n"
                "  questions:\n  - id: q1\n    text: How many products are there?\n"
                "    gold: SELECT COUNT(*) FROM files.products\n"
            )
            suite = load_suite(str(path))
            (database,) = suite.databases.values()
            assert database.dialect == "postgres" and "files.products" in database.schema().prompt()
            assert database.execute(suite.question("q1").gold).rows == [(2,)]
            run = asyncio.run(run_experiment(suite, "simulated", "rules", episodes=4,
                                             out=tmp_path / "run", progress=False))  # fmt: skip
            assert len(run.log) == 4 and run.meta["versions"]["postgres"]
            for file in (tmp_path / "run").iterdir():
                assert b"s3cr3t" not in file.read_bytes()
            suite.close()
        finally:
            connection.execute("DROP SCHEMA files CASCADE")


def test_a_suite_file_with_a_broken_url_names_the_line_and_no_password(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text(
        "database: postgresql://u:s3cr3t@h/d?nonsense=1\ntasks:\n- id: t\n  difficulty: easy\n"
        "  questions:\n  - {id: q, text: Q}\n"
    )
    with pytest.raises(SuiteError, match="line 1: The PostgreSQL URL cannot be read") as caught:
        load_suite(str(path))
    assert "s3cr3t" not in str(caught.value)
