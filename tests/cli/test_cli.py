"""The command line: what it prints, and that a user's mistake is one sentence and exit code 2."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from sqlbench import __version__ as sqlbench_version


def sqlbench(*arguments, env=None, cwd=None):
    clean = {k: v for k, v in os.environ.items() if k not in KEYS} | (env or {})
    return subprocess.run(
        [sys.executable, "-m", "sqlbench", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=clean,
        cwd=cwd,
        timeout=300,
    )


KEYS = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "API_BASE_URL", "API_KEY", "HF_TOKEN", "MODEL_NAME")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    result = sqlbench("run", "--episodes", 40, "--policy", "rules", "--out", folder)
    assert result.returncode == 0, result.stderr
    return folder, result.stdout


def test_run_prints_the_table_and_where_it_is(finished):
    folder, printed = finished
    assert "(simulated model)" in printed
    for word in ("first", "field", "any", "repaired", "model calls", str(folder)):
        assert word in printed
    assert {p.name for p in folder.iterdir()} >= {
        "run.json", "episodes.jsonl", "failures.jsonl", "timings.jsonl", "policy.npz",
        "summary.json", "prompts.json",
    }  # fmt: skip


def test_a_run_is_judged_by_the_metric_that_it_names(tmp_path):
    """BIRD takes rows as a set: a dropped DISTINCT is right by it, and wrong by ours."""
    shop = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(shop)) as connection:
        connection.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1), (1), (2)")
    (tmp_path / "shop.yaml").write_text(
        "database: shop.sqlite\ntasks:\n- id: t\n  difficulty: easy\n  questions:\n"
        "  - {id: q, text: Name each value, gold: SELECT DISTINCT a FROM t}\n"
    )
    (tmp_path / "first.jsonl").write_text('{"question_id": "q", "pred": "SELECT a FROM t"}\n')
    told = ["--suite", "shop.yaml", "--model", "predictions:first.jsonl", "--max-attempts", 1]
    for metric, right in (("exact", 0), ("bird", 1)):
        run = ["run", *told, "--episodes", 1, "--metric", metric, "--out", metric]
        assert sqlbench(*run, cwd=tmp_path).returncode == 0
        summary = json.loads((tmp_path / metric / "summary.json").read_text())
        assert summary["rates"]["any"]["count"] == right
        assert (
            json.loads((tmp_path / metric / "run.json").read_text())["config"]["metric"] == metric
        )


def test_no_wall_clock_fact_is_in_the_log(finished):
    line = json.loads((finished[0] / "episodes.jsonl").read_text().splitlines()[0])
    assert not {"latency", "elapsed", "time"} & (line.keys() | line["steps"][0].keys())
    timing = json.loads((finished[0] / "timings.jsonl").read_text().splitlines()[0])
    assert timing["episode"] == 0 and len(timing["elapsed"]) == len(line["steps"])


def test_show_tells_an_episode_and_its_prompts(finished):
    plain = sqlbench("show", finished[0], 3).stdout
    assert "Attempt 1: generate" in plain and "reward" in plain and "simulated" in plain
    assert "CREATE TABLE" not in plain
    assert "CREATE TABLE" in sqlbench("show", finished[0], 3, "--prompt").stdout


def test_suites_lists_kinds_and_tasks():
    assert "marketplace" in sqlbench("suites").stdout
    listed = sqlbench("suites", "marketplace", "--questions").stdout
    assert "| join_04" in listed and "60 questions on 1 database" in listed


def test_the_version_is_printed():
    assert sqlbench("--version").stdout.strip() == sqlbench_version


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--suite", "nope"], "Unknown suite 'nope'"),
        (["run", "--suite", "spider:/nowhere"], "'/nowhere/dev.json' does not exist"),
        (["run", "--task", "nope"], "Unknown task 'nope'; valid are: simple_queries"),
        (["run", "--model", "nope"], "Unknown model 'nope'"),
        (["run", "--model", "simulated:nope"], "'nope'"),
        (["run", "--model", "openai:"], "Unknown model 'openai:'"),
        (["run", "--prices", "/nowhere"], "prices in /nowhere cannot be read"),
        (["run", "--metric", "bir"], "Unknown metric 'bir'; valid are: exact, spider"),
        (["run", "--policy", "linucbb"], "Unknown policy 'linucbb'"),
        (["run", "--policy", "linucb?alfa=1"], "Did you mean 'alpha'?"),
        (["run", "--policy", "linucb?alpha=much"], "is a number, not 'much'"),
        (["run", "--policy", "fixed:nope"], "'nope'"),
        (["run", "--feedback", "nope"], "nope"),
        (["run", "--episodes", "0"], "episodes=0"),
        (["run", "--prompts", "/nowhere"], "'/nowhere' does not exist"),
        (["run", "--model", "openai:any"], "set HF_TOKEN"),
        (["run", "--temperature", "inf"], "temperature=inf will not do"),
        (["report", "/nowhere"], "holds no run: there is no such folder"),
        (["report", "/dev/null"], "'/dev/null' is a file; name the folder of a run"),
        (["show", "/nowhere", "0"], "holds no run"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(arguments, sentence, tmp_path):
    result = sqlbench(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.rglob("episodes.jsonl")), "nothing is begun that cannot be done"


def test_an_unknown_episode_is_one_sentence(finished):
    result = sqlbench("show", finished[0], 4000)
    assert result.returncode == 2 and "0 to 39" in result.stderr


def test_a_locale_without_the_signs_that_are_printed_ends_no_command(finished):
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    result = sqlbench("show", finished[0], 0, env=ascii_only)
    assert result.returncode == 0, result.stderr
    assert "Episode 0 of marketplace ? simulated" in result.stdout


def test_a_refused_connection_is_one_sentence(tmp_path):
    env = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    result = sqlbench("run", "--model", "openai:any", "--out", tmp_path / "r", env=env)
    assert result.returncode == 2
    assert "http://127.0.0.1:9/v1" in result.stderr and "cannot be reached" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_of_another_run_is_refused(finished):
    before = (finished[0] / "episodes.jsonl").read_bytes()
    result = sqlbench("run", "--episodes", 39, "--policy", "rules", "--out", finished[0])
    assert result.returncode == 2 and "config.episodes was 40, now 39" in result.stderr
    assert (finished[0] / "episodes.jsonl").read_bytes() == before


def test_spider_runs_on_what_is_there_and_names_what_is_missing(spider_dir, tmp_path):
    result = sqlbench(
        "run", "--suite", f"spider:{spider_dir}", "--model", "simulated", "--episodes", 300,
        "--seed", 0, "--out", tmp_path / "r",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "'wta_1' is missing" in result.stdout and "62 questions" in result.stdout
    log = [json.loads(line) for line in (tmp_path / "r" / "episodes.jsonl").open()]
    assert len(log) == 300
    assert len({e["db_id"] for e in log}) == 19


def test_a_database_whose_changes_lie_beside_it_is_told_in_one_sentence(tmp_path):
    writer = sqlite3.connect(tmp_path / "shop.sqlite")
    writer.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    writer.execute("INSERT INTO t VALUES (2)")
    writer.commit()
    (tmp_path / "shop.yaml").write_text(
        "database: shop.sqlite\ntasks:\n- id: t\n  difficulty: easy\n  questions:\n"
        "  - {id: q, text: How many, gold: SELECT COUNT(*) FROM t}\n"
    )
    with closing(writer):
        done = sqlbench("suites", "check", "shop.yaml", cwd=tmp_path)
    assert done.returncode == 0
    (said,) = {line for line in done.stderr.splitlines() if "shop.sqlite-wal" in line}
    assert said.startswith("sqlbench: The database ") and "Warning" not in done.stderr
    assert "is read without the changes in shop.sqlite-wal" in said
