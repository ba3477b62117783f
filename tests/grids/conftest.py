"""The sweep that others are compared with, run once."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sweeps import GRID


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """On a busy machine a scheduler and three workers take long to start."""
    monkeypatch.setattr("sqlbench.grids.cluster.CONNECT_SECONDS", 120.0)
    monkeypatch.setattr("sqlbench.grids.cluster.WORKER_SECONDS", 180.0)


@pytest.fixture(scope="session")
def local(tmp_path_factory):
    """The sweep, run here by two processes."""
    folder = tmp_path_factory.mktemp("local")
    (folder / "grid.yaml").write_text(GRID)
    command = [sys.executable, "-m", "sqlbench", "sweep", folder / "grid.yaml", "--workers", "2"]
    done = subprocess.run([*command, "--out", folder / "out"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout
