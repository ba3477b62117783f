"""TRL's door, without TRL and without openenv, which it never needs."""

from __future__ import annotations

import json
import subprocess
import sys

from folders import ROOT

# Both are as good as not installed: an import of either is an error, and not only noticed after.
PLAYED = """
import asyncio, json, sys
sys.modules["openenv"] = sys.modules["trl"] = None
import sqlbench as sb
from sqlbench.doors.trl import SQLTool, rows

data = rows(split="dev")
suite = sb.load_suite("marketplace")
gold = suite.question(data[0]["question_id"]).gold

class Quick(SQLTool):
    max_attempts = 3

tool = Quick()
assert tool.get_reward() == 0.0
tool.reset(**data[0])
told = [asyncio.run(tool.run_sql(sql)) for sql in ("SELEC", gold)]
right = tool.get_reward()
tool.reset(**data[1])
asyncio.run(tool.run_sql("SELEC"))
wrong = tool.get_reward()
assert gold not in json.dumps(data)
named = [n for n, m in sys.modules.items() if n.partition(".")[0] in ("openenv", "trl") and m]
print(json.dumps([len(data), [m["role"] for m in data[0]["prompt"]], told, right, wrong, named]))
"""


def test_it_works_where_neither_openenv_nor_trl_is_there():
    done = subprocess.run(
        [sys.executable, "-c", PLAYED], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    n, roles, told, right, wrong, named = json.loads(done.stdout)
    assert (n, roles) == (12, ["system", "user"])
    assert "syntax error" in told[0] and told[1].endswith("its rows answer the question.")
    assert (right, wrong, named) == (0.9, 0.0, [])
