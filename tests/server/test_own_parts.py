"""A part of the user's own that raises: the client learns what, and the server says where."""

from __future__ import annotations

from pathlib import Path

from folders import ROOT
from serving import call, serve

POLICY = """
from sqlbench.policies import ScoredPolicy

class Policy(ScoredPolicy):
    def scores(self, context):
        return {}["x"]
"""


def test_a_policy_that_raises_is_told_with_its_type_and_its_place(tmp_path: Path) -> None:
    (tmp_path / "parts_of_mine.py").write_text(POLICY, encoding="utf-8")
    log = tmp_path / "stderr"
    path = f"{ROOT}:{tmp_path}"
    with (
        log.open("wb") as stderr,
        serve("--policy", "parts_of_mine:Policy", stderr=stderr, PYTHONPATH=path) as served,
        served.connect() as ws,
    ):
        answer = call(ws, "reset", {})
        for _ in range(5):
            if answer["type"] == "observation":
                answer = call(ws, "step", {"custom_sql": "SELECT nothing"})
        assert answer["data"]["message"].startswith("KeyError: 'x' "), answer
        assert call(ws, "state")["type"] == "state", "the session goes on"
    said = log.read_text(encoding="utf-8")
    assert "parts_of_mine.py" in said and "line 6, in scores" in said
