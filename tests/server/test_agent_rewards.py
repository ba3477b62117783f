"""`sqlbench serve --agent` as its options ask: what is paid, and what is known without a gold."""

from __future__ import annotations

import socket
import threading
from importlib import resources

import pytest
import uvicorn
from serving import Served, call
from typer.testing import CliRunner

import sqlbench as sb
from sqlbench.cli import app
from sqlbench.episodes.returns import REWARDS
from sqlbench.server import ServerConfig, create_app

QUESTION = "simple_01"
FACTS = {
    "SELECT emial FROM customers": "There is no column emial; the nearest: ",
    "SELECT name FROM customers WHERE country = 'germany'": (
        "customers.country does not hold 'germany'; the nearest that it holds"
    ),
}


@pytest.fixture(scope="module")
def gold():
    text = sb.load_suite("marketplace").question(QUESTION).gold
    return text.strip().rstrip(";")


@pytest.fixture(scope="module", params=["final", "score"])
def paying(request):
    """A server that pays so, and one of the two tells what the signals know.

    The command's own, on a socket of a thread of this process: a process more takes seconds.
    """
    reward = request.param
    command = ["serve", "--agent", "--reward", reward, *(["--signals"] * (reward == "final"))]
    asked: list[ServerConfig] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sqlbench.server.serve", lambda config, host, port: asked.append(config))
        done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    gate = create_app(*asked)
    listening = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(gate, log_level="error"))
    thread = threading.Thread(target=running.run, args=([listening],))
    thread.start()
    yield Served(None, f"http://127.0.0.1:{listening.getsockname()[1]}"), reward
    running.should_exit = True
    thread.join(timeout=60)
    assert not thread.is_alive()
    gate.close()


def played(served: Served, *queries: str) -> list[dict]:
    """The answers to an episode's queries."""
    with served.connect() as ws:
        call(ws, "reset", {"question_id": QUESTION})
        answers = [call(ws, "step", {"sql": sql})["data"] for sql in queries]
    assert [a["done"] for a in answers] == [False] * (len(queries) - 1) + [True]
    return answers


def test_an_episode_pays_as_its_reward_says(paying, gold):
    served, reward = paying
    near = f"SELECT * FROM ({gold}) UNION ALL SELECT * FROM (SELECT * FROM ({gold}) LIMIT 1)"
    right = played(served, "SELEC", near, gold)
    wrong = played(served, *[near] * 4, "SELEC")
    score = right[1]["observation"]["task_score"]
    assert 0.05 < score <= 0.75
    # The floor and the ceiling of the seed's clamped score are 0.05 and 0.95.
    expected = {
        "final": ([0, 0, 0.8], [0, 0, 0, 0, pytest.approx(score * 2 / 3)]),
        "score": ([0.05, score, 0.95], [score] * 4 + [0.05]),
    }[reward]
    assert ([a["reward"] for a in right], [a["reward"] for a in wrong]) == expected
    # Why one of the two is not for adding up.
    right_return, wrong_return = (sum(a["reward"] for a in answers) for answers in (right, wrong))
    assert (right_return > wrong_return) == (reward == "final")


def test_facts_and_evidence_are_fields_of_what_an_agent_sees(paying, gold):
    served, reward = paying
    first, second, last = (a["observation"] for a in played(served, *FACTS, gold))
    if reward != "final":  # no signals are served
        assert all(seen["facts"] == seen["evidence"] == [] for seen in (first, second, last))
        assert first["doubt"] is None
        return
    for seen, fact in zip((first, second), FACTS.values(), strict=True):
        assert any(said.startswith(fact) for said in seen["facts"]), seen["facts"]
        assert all(isinstance(said, str) and said for said in seen["evidence"])
    assert "customers.email" in first["facts"][0] and "'Germany'" in second["facts"][0]
    assert second["evidence"], "an empty result speaks against an answer"
    assert last["facts"] == [] and last["doubt"] < 0.5 < second["doubt"] < first["doubt"]
    with served.connect() as ws:
        call(ws, "reset", {"question_id": QUESTION})
        seen = [call(ws, "step", {"sql": next(iter(FACTS))})["data"] for _ in range(6)]
    assert [a["done"] for a in seen] == [False] * 4 + [True] * 2
    *_, ended, over = (a["observation"] for a in seen)
    assert ended["evidence"] and ended["facts"]
    assert (over["evidence"], over["facts"]) == (ended["evidence"], ended["facts"])


@pytest.mark.parametrize("reward", REWARDS)
def test_the_page_says_what_each_reward_is(reward):
    page = (resources.files("sqlbench.server") / "page.html").read_text(encoding="utf-8")
    assert f'\n  {reward}: "' in page
