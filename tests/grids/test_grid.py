"""A grid takes workers that can work, and leaves nothing open behind them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from answering import answering, whole
from folders import ROOT

from sqlbench.exceptions import ConfigError
from sqlbench.grids.sweep import make_grid, run_sweep


def test_a_sweep_and_a_comparison_leave_no_connection_open(tmp_path):
    """Said by aiohttp when it is collected: on standard error, at the end of the process."""
    code = (
        "import sys; from sqlbench.grids.sweep import make_grid, run_sweep\n"
        "from sqlbench.grids.compare import compare\n"
        "from sqlbench.grids.grid import processes\n"
        "grid = {'model': 'openai:m', 'policy': ['random', 'rules'], 'episodes': 2,\n"
        "        'max_attempts': 1}\n"
        "configs = make_grid(grid)\n"
        "run_sweep(configs, sys.argv[1] + '/s', workers=processes(1), progress=False)\n"
        "compare({'a': configs[0]}, [0, 1], sys.argv[1] + '/c', workers=processes(1),\n"
        "        progress=False)\n"
    )
    with answering(lambda request: (200, whole("SELECT 1"))) as endpoint:
        out = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True,
            env={**os.environ, "OPENAI_BASE_URL": endpoint.url, "OPENAI_API_KEY": "k",
                 "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert out.returncode == 0, out.stderr
    assert "Unclosed" not in out.stderr and len(endpoint.requests) == 8


def test_workers_that_are_none_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"workers is processes\(N\), or a Cluster, and not 2"):
        run_sweep(make_grid({"episodes": 1}), tmp_path, workers=2, progress=False)
