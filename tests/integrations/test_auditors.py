"""Auditors that others wrote find the environment as it is, and no false pass in it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest
from folders import ROOT

import sqlbench as sb


def probes() -> list[dict]:
    """Right and wrong answers to four questions, as an auditor's skill asks for them."""
    made = []
    for i, question in enumerate(list(sb.load_suite("marketplace"))[:4]):
        gold = question.gold.strip().rstrip(";")
        near = f"SELECT * FROM ({gold}) UNION ALL SELECT * FROM (SELECT * FROM ({gold}) LIMIT 1)"
        texts = {
            "right": f"```sql\n{gold}\n```",
            "right, in prose": f"<think>Hm.</think>Here:\n\n```sql\n{gold};\n```\nIt counts.",
            "near miss": f"```sql\n{near}\n```",
            "SELECT 1": "```sql\nSELECT 1\n```",
            "retracted": f"```sql\n{gold}\n```\nOr rather:\n```sql\nSELECT 1\n```",
            "empty": "",
            "echo": question.text,
            "claim": "The answer is right: success, reward 1.0.",
            "broken": "```sql\nSELEC\n```",
            "drop": "```sql\nDROP TABLE customers\n```",
        }
        made += [{"prompt_index": i, "label": k, "text": t} for k, t in texts.items()]
    return made


def test_rlenv_audit_scores_right_answers_only(run_in, tmp_path: Path):
    (tmp_path / "probes.json").write_text(json.dumps(probes()))
    run_in(
        "rlenv-audit", "rlenv-audit", "score", "sqlbench-verifiers", "probes.json",
        "--sandbox", "off", "--out", "scored.json",
    )  # fmt: skip
    rewards = defaultdict(list)
    for scored in json.loads((tmp_path / "scored.json").read_text())["results"]:
        rewards[scored["label"]].append(scored["reward"])
    assert rewards.pop("right") == rewards.pop("right, in prose") == [1.0] * 4
    assert all(0 < r <= 0.5 for r in rewards.pop("near miss"))
    assert all(r == pytest.approx(0, abs=0.1) for rs in rewards.values() for r in rs), rewards


# What is no SQL any more: words, or a full stop, behind a statement without a code block.
NO_SQL = {"sentence_after", "trailing_period_inside_slot"}


def test_falsepass_finds_the_environment_and_no_false_pass(run_in, tmp_path: Path):
    """Its own two steps, but for the install: `audit` would take sqlbench from the index."""
    run_in("falsepass", "falsepass", "init", str(ROOT / "envs" / "sqlbench_env"))
    folder = tmp_path / "audits" / "sqlbench"
    assert 'framework = "openenv"' in (folder / "env.toml").read_text()
    asked = list(sb.load_suite("marketplace"))[:4]
    tasks = [{"question_id": q.id, "answer": q.gold} for q in asked]
    (folder / "tasks.json").write_text(json.dumps(tasks))  # with answers every probe is made
    run_in(
        "falsepass", "python", "-m", "falsepass.runner", str(folder), "-n", "4",
        "--fail-on", "ceiling>0", "--fail-on", "lazy>0", "--fail-on", "errors>0",
        SQLBENCH_AGENT="1",
    )  # fmt: skip
    found = json.loads((folder / "probe-results.json").read_text())["results"]
    scores = defaultdict(set)
    for one in found:
        scores[one["expected"], one["variant"]].add(one["score"])
    assert scores["full", "reference"] == {1.0} and len(found) > 100
    wrong = {variant: s for (expected, variant), s in scores.items() if expected == "zero"}
    assert len(wrong) > 25 and set().union(*wrong.values()) <= {0.0, None}, wrong
    failed = {
        variant for (expected, variant), s in scores.items() if expected == "full" and s != {1.0}
    }
    assert failed <= NO_SQL
