"""A real model behind a real server: what the path promises. Nothing here is about accuracy."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest

import sqlbench as sb
from sqlbench.episodes.errors import ErrorClass
from sqlbench.exceptions import SQLBenchError
from sqlbench.models import Completion, ModelRequest
from sqlbench.models.endpoint.local_server import LocalServer, find_model
from sqlbench.models.endpoint.openai import OpenAIModel

pytestmark = pytest.mark.slow
try:
    find_model()
except SQLBenchError as error:
    if os.environ.get("CI"):
        raise
    pytest.skip(str(error), allow_module_level=True)

SUITE = """\
database: shop.sqlite
tasks:
- id: simple_queries
  difficulty: easy
  questions:
  - id: q1
    text: For each maker with at least two products above the average price, give the maker's
      name, the median price and the share of its products in all products.
    gold: SELECT 'a question that no 135M model answers', 1, 2, 3, 4, 5, 6, 7
"""


@pytest.fixture(scope="module")
def server():
    with LocalServer() as running, pytest.MonkeyPatch.context() as patch:
        for name in ("API_BASE_URL", "API_KEY", "HF_TOKEN", "OPENAI_API_KEY"):
            patch.delenv(name, raising=False)
        for name, value in running.environment({}).items():
            patch.setenv(name, value)
        yield running


@pytest.fixture
def suite(tmp_path):
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
        connection.executescript(
            "CREATE TABLE products (title TEXT, price INTEGER, maker TEXT);"
            "INSERT INTO products VALUES ('pen', 5, 'Ada'), ('cup', 12, 'Bo');"
        )
    (tmp_path / "shop.yaml").write_text(SUITE)
    return sb.load_suite(str(tmp_path / "shop.yaml"))


def request(seed, temperature=1.5):
    return ModelRequest(
        messages=({"role": "user", "content": "Tell me a short story about a database."},),
        question_id="q1", repeat=0, attempt=1, action="generate", seed=seed,
        temperature=temperature,
    )  # fmt: skip


async def test_plain_and_streamed_answers_agree_and_usage_is_recorded(server):
    model = OpenAIModel("smollm2?max_tokens=24")
    await model.complete(request(1))  # from here on the server has read the prompt
    plain = await model.complete(request(1))
    pieces, whole = [], None
    async for piece in model.stream(request(1)):
        if isinstance(piece, Completion):
            whole = piece
        else:
            pieces.append(piece)
    await model.aclose()
    assert whole is not None and "".join(pieces) == whole.text == plain.text
    assert len(pieces) > 1
    assert plain.usage == whole.usage
    assert plain.usage.prompt_tokens > 10 and 0 < plain.usage.completion_tokens <= 24
    assert plain.finish_reason == whole.finish_reason and plain.latency > 0


async def test_seeds_are_passed_on(server):
    model = OpenAIModel("smollm2?max_tokens=12")
    await model.complete(request(0))
    texts = {seed: (await model.complete(request(seed))).text for seed in (1, 2, 3)}
    again = (await model.complete(request(2))).text
    await model.aclose()
    assert len(set(texts.values())) > 1 and again == texts[2]


async def test_bad_sql_is_classified_and_the_episode_given_up_after_five_attempts(server, suite):
    run = await sb.run_experiment(
        suite, "openai:smollm2?max_tokens=48", "rules", episodes=1, progress=False
    )
    assert not run.failed and not run.simulated and run.caveat == ""
    (episode,) = run.log
    assert not episode.success and len(episode.steps) == 5
    for step in episode.steps:
        assert step.error_class in set(ErrorClass) and step.error_message
        assert step.prompt_tokens > 50 and 0 < step.completion_tokens <= 48
    assert run.summary["model_calls"] == 5 and run.summary["rates"]["any"]["count"] == 0


async def test_streamed_steps_show_the_answer_as_it_comes(server, suite):
    env = sb.SQLAgentEnv(suite, "openai:smollm2?max_tokens=32", "rules")
    env.reset()
    types = [event["type"] async for event in env.step_streaming()]
    assert types[0] == "attempt_start" and types.count("sql_chunk") > 1
    assert types.index("sql_complete") < types.index("executing") < types.index("rl_reward")


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request, tmp_path):
    """A database of one's own on either engine, without anything else in it."""
    script = "CREATE TABLE products (title TEXT, price INTEGER)"
    rows = "INSERT INTO products VALUES ('pen', 5), ('cup', 12)"
    if request.param == "sqlite":
        path = tmp_path / "mine.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(f"{script}; {rows}")
        yield str(path)
        return
    owner = request.getfixturevalue("postgres").owner.url
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE DATABASE shop")
        try:
            with psycopg.connect(owner, dbname="shop") as inside:
                inside.execute(f"{script}; {rows}; GRANT SELECT ON products TO sqlbench_reader")
            yield request.getfixturevalue("postgres").reader.url.replace("/postgres?", "/shop?")
        finally:
            connection.execute("DROP DATABASE shop WITH (FORCE)")


def test_a_question_to_ones_own_database_is_answered_by_a_real_model(server, shop):
    """Any SQL will do, or none: the attempts are real, and so is the exit code."""
    asked = ["ask", "--database", shop, "--model", "openai:smollm2?max_tokens=48"]
    out = subprocess.run(
        [sys.executable, "-m", "sqlbench", *asked, "--max-attempts", "1", "How many products?"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert "Model: openai:smollm2" in out.stdout and "Attempt 1: generate" in out.stdout
    if out.returncode == 0:
        assert "Nobody has checked whether they answer the question." in out.stdout
    else:
        assert out.returncode == 1, out.stderr
        assert "No query returned rows in 1 attempt." in out.stderr


def listening(url):
    parts = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((parts.hostname, parts.port)) == 0


def start(*command):
    process = subprocess.Popen(
        [sys.executable, "-m", "sqlbench.models.endpoint.local_server", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A background job of a shell ignores SIGINT, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    url = process.stderr.readline().split()[-1]
    return process, url


def stopped(url):
    deadline = time.monotonic() + 60
    while listening(url) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not listening(url)


def test_the_command_finds_the_server_and_its_exit_code_is_passed_on():
    script = (
        "import os, sys, urllib.request as r;"
        "print(r.urlopen(os.environ['OPENAI_BASE_URL'] + '/models').status); sys.exit(7)"
    )
    process, url = start(sys.executable, "-c", script)
    printed, _ = process.communicate(timeout=120)
    assert (process.returncode, printed) == (7, "200\n")
    assert stopped(url)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_the_server_is_stopped_however_its_starter_ends(number):
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    process, url = start(sys.executable, "-c", script)
    child = int(process.stdout.readline())
    assert listening(url)
    process.send_signal(number)
    process.wait(timeout=60)
    assert stopped(url)
    if number == signal.SIGKILL:
        os.kill(child, signal.SIGKILL)  # nobody was left to end it
    process.communicate()


def test_what_the_command_started_ends_with_it():
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    process, url = start("sh", "-c", f"{sys.executable} -c '{script}' && true")
    grandchild = int(process.stdout.readline())
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM and stopped(url)
    with pytest.raises(ProcessLookupError):
        for _ in range(600):
            os.kill(grandchild, 0)
            time.sleep(0.1)


def test_a_command_that_does_not_exist_stops_the_server_too():
    process, url = start("/nowhere/command")
    # Not by communicate(): it reads past what readline() took from the pipe with the first line.
    error = process.stderr.read()
    process.communicate(timeout=120)
    assert process.returncode == 127 and "/nowhere/command" in error.splitlines()[-1]
    assert stopped(url)
