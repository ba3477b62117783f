"""Anything can vary: models and prompts on a server, each compared in one command."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
from json_server import serve_json
from typer.testing import CliRunner

from sqlbench.cli import app
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.grids.cells import plan
from sqlbench.grids.variants import differ_only_in_learning, make_variants, parse_vary
from sqlbench.runs.config import RunConfig

SUITE = """
database: shop.sqlite
tasks:
- id: simple_queries
  difficulty: easy
  questions:
"""


def test_a_single_field_names_variants_by_its_values_and_several_by_all():
    one = make_variants(RunConfig(), parse_vary(["samples=1,5"]))
    assert list(one) == ["1", "5"] and one["5"].samples == 5
    two = make_variants(RunConfig(), parse_vary(["samples=1,5", "max-attempts=5,1"]))
    assert list(two)[1] == "samples=1, max_attempts=1" and len(two) == 4
    prompts = make_variants(RunConfig(prompts="x"), {"prompts": ["default", "y"]})
    assert prompts["default"].prompts is None and prompts["y"].prompts == "y"


@pytest.mark.parametrize(
    ("texts", "error", "said"),
    [
        (["modle=a,b"], UnknownNameError, "Did you mean 'model'"),
        (["seed=0,1"], UnknownNameError, "seed"),
        (["model"], ConfigError, "takes a field and its values"),
        (["model=a", "model=b"], ConfigError, "twice"),
        (["model=a,a"], ConfigError, "twice"),
        (["samples=many"], ConfigError, "samples='many'"),
    ],
)
def test_what_cannot_vary_is_refused(texts, error, said):
    with pytest.raises(error, match=re.escape(said)):
        make_variants(RunConfig(), parse_vary(texts))


def test_only_learning_needs_several_seeds():
    base = RunConfig()
    assert differ_only_in_learning(list(make_variants(base, {"policy": ["a", "b"]}).values()))
    assert not differ_only_in_learning(list(make_variants(base, {"model": ["a", "b"]}).values()))


def test_prompts_make_a_cell_by_what_they_say_and_not_by_where_they_lie(tmp_path):
    for name, text in (
        ("one", "Be brief. $schema"),
        ("two", "Be brief. $schema"),
        ("three", "$schema"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "system.txt").write_text(text)
    configs = [RunConfig(prompts=str(tmp_path / n)) for n in ("one", "two", "three")]
    one, two, three = plan([*configs], tmp_path / "out")
    (default,) = plan([RunConfig()], tmp_path / "out")
    assert one.folder == two.folder and len({one.folder, three.folder, default.folder}) == 3


@pytest.fixture
def shop(tmp_path):
    """A suite of twelve questions, and a server whose model `good` answers, as does a hint."""
    import sqlite3

    with sqlite3.connect(tmp_path / "shop.sqlite") as database:
        database.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, price INTEGER)")
        database.executemany("INSERT INTO item VALUES (?, ?)", [(i, 10 * i) for i in range(1, 13)])
    questions = "".join(
        f"  - id: q{i}\n    text: What does item {i} cost?\n"
        f"    gold: SELECT price FROM item WHERE id = {i}\n" for i in range(1, 13)
    )  # fmt: skip
    (tmp_path / "shop.yaml").write_text(SUITE.lstrip() + questions)
    for name, text in (("plain", "SQL for $dialect. $schema"), ("hint", "HINT. $schema")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "system.txt").write_text(text)
    return tmp_path


def _answer(path, body):
    asked = json.loads(body)
    said = " ".join(m["content"] for m in asked["messages"])
    item = int(re.search(r"item (\d+) cost", said).group(1))
    knows = asked["model"] == "good" or "HINT" in said or item <= 3
    sql = f"SELECT price FROM item WHERE id = {item if knows else 13 - item + (item == 6)}"
    message = {"role": "assistant", "content": f"```sql\n{sql}\n```"}
    usage = {"prompt_tokens": 50, "completion_tokens": 10, "total_tokens": 60}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}


@pytest.mark.parametrize(
    ("vary", "better", "worse"),
    [
        ("model=openai:bad,openai:good", "openai:good", "openai:bad"),
        ("prompts={0}/plain,{0}/hint", "{0}/hint", "{0}/plain"),
    ],
)
def test_two_models_and_two_prompts_are_compared_in_one_command(
    shop, vary, better, worse, monkeypatch
):
    better, worse = better.format(shop), worse.format(shop)
    with serve_json(_answer) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        (shop / "prices.toml").write_text("\n".join(
            f'["{m}"]\nprompt = 1.0\ncompletion = 2.0' for m in ("good", "bad")
        ))  # fmt: skip
        result = CliRunner().invoke(app, [
            "compare", "--suite", str(shop / "shop.yaml"), "--vary", vary.format(shop),
            "--model", "openai:bad", "--episodes", "12", "--seeds", "0", "--workers", "1",
            "--max-attempts", "1", "--out", str(shop / "out"),
            "--prices", str(shop / "prices.toml"),
        ], catch_exceptions=False)  # fmt: skip
    assert result.exit_code == 0, result.output
    summary = pd.read_csv(shop / "out" / "summary.csv").set_index("policy")
    assert list(summary.index) == [better, worse], "the better one first"
    assert summary.loc[better, "any"] == 1.0 and summary.loc[worse, "any"] < 0.5
    assert (summary["episodes"] == 12).all(), "on the same denominator"
    questions = pd.read_csv(shop / "out" / "questions.csv")
    assert len(questions) == 12 and questions[better].mean() == 1.0
    assert "McNemar p" in result.output and "cost a solved question" in result.output
    assert "First answers differ between the variants" in result.output
