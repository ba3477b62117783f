"""Signals in a run: the same bytes at every concurrency, and the same knowledge on both engines."""

from __future__ import annotations

import asyncio

import pytest

import sqlbench as sb
from sqlbench.environment.doubting import know
from sqlbench.episodes.context import SIGNAL_FEATURES
from sqlbench.suites import Question

POLICY = "linucb?features=class,signals"
FILES = ("episodes.jsonl", "policy.npz", "summary.json", "run.json")


def test_a_run_that_sees_signals_has_the_same_bytes_at_every_concurrency(tmp_path):
    suite = sb.load_suite("marketplace")
    written = []
    for concurrency in (1, 6):
        folder = tmp_path / str(concurrency)
        run = asyncio.run(
            sb.run_experiment(
                suite, "simulated", POLICY, episodes=30, lag=5, concurrency=concurrency,
                out=folder, progress=False,
            )
        )  # fmt: skip
        repaired = [s for e in run.log for s in e.steps[:-1]]
        assert repaired and all(len(s.known.features) == len(SIGNAL_FEATURES) for s in repaired)
        assert len({s.known.features for s in repaired}) > 5, "they tell attempts apart"
        written.append([(folder / name).read_bytes() for name in FILES])
    assert written[0] == written[1]


@pytest.fixture(scope="module")
def server_suite(postgres):
    suite = sb.load_suite("marketplace", postgres.bench)
    yield suite
    suite.close()


def test_what_is_known_on_a_server_is_what_is_known_on_a_file(server_suite):
    asked = "Which customers from Germany never gave us a phone number?"
    sql = "SELECT name FROM customers WHERE country = 'germany' AND phone IS NULL"
    found = []
    for suite in (server_suite, sb.load_suite("marketplace")):
        database = suite.databases["marketplace"]
        question = Question("q", asked, None, "marketplace", "simple_queries")
        found.append(asyncio.run(know(question, sql, database, database.execute(sql))))
    there, here = found
    assert any("'Germany'" in line for line in there.facts)
    assert "The result has no rows." in there.evidence
    assert (there.doubt, there.facts) == (here.doubt, here.facts)
    assert len(there.features) == len(SIGNAL_FEATURES)
