"""An answer as a model really sends it costs no run and no table, with pyarrow or without.

`make test` runs this file once more where pyarrow can be imported: pandas keeps texts in Arrow
then, which takes no half of a character.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json

import pandas as pd
import pytest
from scripted import Scripted

import sqlbench as sb
from sqlbench import analysis
from sqlbench.evidence.traces import load_repairs
from sqlbench.grading.grade import grade
from sqlbench.words import carried, carried_values

HALF = "```sql\nSELECT '\ud83d', \"\udc00x\" FROM nowhere -- \N{PILE OF POO}\n```"
ARROW = importlib.util.find_spec("pyarrow") is not None


@pytest.fixture(scope="module")
def lost(tmp_path_factory):
    """A run of answers that hold half a character, gone on with once."""
    folder = tmp_path_factory.mktemp("half")
    for episodes in (2, 4):
        run = asyncio.run(
            sb.run_experiment(
                "marketplace", Scripted(HALF), "random", episodes=episodes, progress=False,
                out=folder,
            )
        )  # fmt: skip
    return run


def test_a_run_of_half_characters_writes_its_summary_and_is_read_again(lost):
    assert json.loads((lost.folder / "summary.json").read_text())["episodes"] == 4
    for run in (lost, sb.Run.open(lost.folder)):
        steps = run.steps
        assert len(steps) == 20 and steps["sql"].str.contains("\N{REPLACEMENT CHARACTER}").all()
        assert steps["sql"].str.contains("\N{PILE OF POO}").all()
        assert steps["sql"].dtype == pd.Series(["a"]).dtype
    assert all("\ud83d" in step.sql for e in sb.Run.open(lost.folder).log for step in e.steps)


def test_every_table_and_card_of_it_can_be_made(lost):
    assert "| first" in analysis.run_table(lost)
    for table in (analysis.repair_table, analysis.reward_curve, analysis.arm_shares):
        assert table(lost) is not None
    assert lost.card() is not None and lost.log[0].card() is not None
    assert lost.steps.to_csv(index=False).encode() and lost.steps.groupby("sql").size().sum() == 20


def test_verdicts_on_half_characters_are_tables_too(tmp_path):
    suite = sb.load_suite("marketplace")
    questions = [q.id for q in suite]
    lines = [json.dumps({"question_id": q, "sql": HALF.split("\n")[1]}) for q in questions]
    (tmp_path / "half.jsonl").write_text("\n".join(lines))
    graded = grade(suite, tmp_path / "half.jsonl", progress=False)
    assert not graded.frame["correct"].any() and graded.frame["message"].notna().any()


def test_stored_repairs_with_half_characters_are_read(tmp_path):
    record = {"model": "m", "method": "x", "schema_shown": "y", "question_index": 1}
    record |= {"before_class": "a", "outcome": "b", "before": "\ud83d"}
    (tmp_path / "r.jsonl").write_text(json.dumps(record) + "\n")
    assert load_repairs(tmp_path / "r.jsonl")["before"][0] == "\N{REPLACEMENT CHARACTER}"


def test_a_text_that_can_be_carried_stays_as_it_is():
    for text in ("", "SELECT 1", "käse", "\N{PILE OF POO}", "a\x00b"):
        assert carried(text) is text
    assert carried("\ud83d\ude00") == "\N{GRINNING FACE}"
    assert carried_values({"a": ["\ud83d", 1, None]}) == {
        "a": ["\N{REPLACEMENT CHARACTER}", 1, None]
    }


@pytest.mark.skipif(not ARROW, reason="pyarrow is not there")
def test_pandas_keeps_texts_in_arrow_here(lost):
    assert lost.steps["sql"].dtype.storage == "pyarrow"
