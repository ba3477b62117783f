"""A policy of one's own whose scores are no numbers is told so in one sentence, wherever it is."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from sqlbench.cli import main
from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS
from sqlbench.exceptions import ConfigError
from sqlbench.policies import Decision, ScoredPolicy

CONTEXT = Context(ErrorClass.SYNTAX_ERROR, 2)
POLICIES = """
import numpy as np
from sqlbench.episodes.repair import ARMS
from sqlbench.policies import Decision, RandomPolicy, ScoredPolicy

class Divided(ScoredPolicy):
    def scores(self, context):
        return np.full(8, np.nan)

class Bare(RandomPolicy):
    def select(self, context, rng):
        return Decision(ARMS[0], dict.fromkeys(ARMS, float("nan")), 1.0)
"""


class Given(ScoredPolicy):
    def __init__(self, given):
        super().__init__()
        self.given = given

    def scores(self, context):
        return self.given


@pytest.mark.parametrize(
    "scores", [np.full(8, np.nan), [0.0] * 7 + [float("nan")], np.zeros(7), 1.0], ids=repr
)
def test_scores_that_are_no_number_for_each_arm_are_refused(scores):
    policy = Given(scores)
    for ask in (policy.probabilities, lambda c: policy.select(c, np.random.default_rng(0))):
        with pytest.raises(ConfigError, match=r"Given gave the scores .* 8 numbers, one for each"):
            ask(CONTEXT)


def test_scores_without_bound_are_scores():
    chosen = Given([-np.inf, np.inf, *[0.0] * 6]).select(CONTEXT, np.random.default_rng(0))
    assert isinstance(chosen, Decision) and chosen.action == ARMS[1]


@pytest.mark.parametrize("name", ["Divided", "Bare"])
def test_a_run_of_it_ends_in_one_sentence(name, tmp_path, monkeypatch, capsys):
    (tmp_path / "nan_policies.py").write_text(POLICIES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    line = f"sqlbench run --policy nan_policies:{name} --episodes 40 --out run"
    monkeypatch.setattr(sys, "argv", line.split())
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2 and said.startswith(f"sqlbench: The policy {name} gave the score")
    assert "nan" in said
    monkeypatch.delitem(sys.modules, "nan_policies")
