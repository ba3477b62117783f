"""Profiles of the simulated model: what is refused, and the oracle that reads them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS, RepairAction
from sqlbench.exceptions import ConfigError
from sqlbench.models import Message
from sqlbench.models.simulated.profile import load_profile, profile_names
from sqlbench.policies.oracle import OraclePolicy

MESSAGES: tuple[Message, ...] = ({"role": "user", "content": "How many orders are there?"},)
A = RepairAction


def test_every_built_in_profile_loads_and_says_that_it_is_an_assumption() -> None:
    assert {"default", "drift"} < set(profile_names())
    hashes = set()
    for name in ("default", "drift"):
        profile = load_profile(name)
        assert profile.source == "assumption" and profile.description
        assert set(profile.repair) == set(ErrorClass)
        hashes.add(profile.hash)
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("success = 1.4", r"success is 1\.4; expected a number in \[0, 1\]"),
        ("success = 'high'", r"success is 'high'; expected a number in \[0, 1\]"),
        ("succes = 0.4", "has the unknown key 'succes'; expected: base, break_rate"),
        ("[first_attempt]\ntypo = 1", r"unknown key 'first_attempt\.typo'"),
        ("[repair.other]\nfix_table = 0.1", r"repair\.other\.rewrite_full is missing"),
        ("[drift]\nat = 0.5", r"drift\.repair is missing"),
        ("[drift]\nat = 2\nrepair = {}", r"drift\.at is 2; expected a number in \[0, 1\]"),
        ("repair = 3", "repair is 3; expected a table"),
        ("difficulty_spread = true", "difficulty_spread is True; expected a number"),
        ("description = ''", "description is ''; expected a text"),
        ("success = ", "is not valid TOML"),
    ],
)
def test_a_bad_profile_is_refused_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"base = 'default'\n{text}\n")
    with pytest.raises(ConfigError, match=said) as caught:
        load_profile(str(path))
    assert "mine.toml" in str(caught.value) and "\n" not in str(caught.value)


def test_a_profile_of_ones_own_changes_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("base = 'default'\nsuccess = 0.9\n[first_attempt]\nwrong_result = 5\n")
    mine, default = load_profile(str(path)), load_profile("default")
    assert mine.success == 0.9 and mine.first_attempt[ErrorClass.WRONG_RESULT] == 5
    assert mine.repair == default.repair
    assert mine.hash != default.hash


def test_the_oracle_chooses_the_best_arm_and_knows_the_drift() -> None:
    rng = np.random.default_rng(1)
    oracle = OraclePolicy(load_profile("drift"))
    wrong = Context(ErrorClass.WRONG_RESULT, 2)
    decision = oracle.select(wrong, rng)
    assert decision.action == A.REWRITE_CTE and decision.propensity == 1.0
    assert decision.scores == pytest.approx(oracle.profile.repair[ErrorClass.WRONG_RESULT])
    late = oracle.snapshot(0.75)
    assert late.select(wrong, rng).action == A.ADD_GROUPBY
    assert oracle.select(wrong, rng).action == A.REWRITE_CTE
    repeated = Context(ErrorClass.WRONG_RESULT, 3, A.REWRITE_CTE, False, 2)
    assert oracle.select(repeated, rng).action == A.REWRITE_FULL


def test_the_oracle_breaks_ties_uniformly(tmp_path: Path) -> None:
    path = tmp_path / "flat.toml"
    row = "\n".join(f"{arm} = {0.4 if i < 2 else 0.1}" for i, arm in enumerate(ARMS))
    path.write_text(f"base = 'default'\n[repair.other]\n{row}\n")
    oracle, rng = OraclePolicy(load_profile(str(path))), np.random.default_rng(2)
    decisions = [oracle.select(Context(ErrorClass.OTHER, 2), rng) for _ in range(400)]
    chosen = Counter(d.action for d in decisions)
    assert set(chosen) == set(ARMS[:2]) and min(chosen.values()) > 150
    assert {d.propensity for d in decisions} == {0.5}
