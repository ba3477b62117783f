"""Modules of this wing that are run as commands: `python -m sqlbench.evidence.NAME`."""

from __future__ import annotations

import subprocess
import sys

import pytest
from folders import ROOT


@pytest.mark.parametrize("name", ["systems", "calibrate"])
def test_what_is_not_there_is_told_in_one_sentence(name, tmp_path):
    command = [sys.executable, "-m", f"sqlbench.evidence.{name}", "--spider", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("sqlbench: "), done.stderr
    assert str(tmp_path) in done.stderr and "Traceback" not in done.stderr
