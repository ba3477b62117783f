"""Auditors that others wrote find the environment as it is, and no false pass in it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

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
