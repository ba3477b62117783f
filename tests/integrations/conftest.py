"""Programs of the environments that ``make integrations`` makes, one for each trainer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from folders import ROOT
from served import answers_for, serve

import sqlbench as sb

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def fake(tmp_path_factory):
    """An OpenAI-compatible server that answers with gold queries, and at times with none."""
    folder = tmp_path_factory.mktemp("fake")
    with serve(folder, answers_for(sb.load_suite("marketplace"))) as served:
        yield served.url


@pytest.fixture
def run_in(tmp_path: Path) -> Run:
    """Run a program of one of the environments, in a folder of the test's own."""

    def run(name: str, program: str, *arguments: str, **env: str):
        place = Path(os.environ.get("SQLBENCH_INTEGRATIONS", ROOT / ".venv")) / name / "bin"
        if not (place / program).exists():
            text = f"no {place / program}: run `make integrations`"
            if os.environ.get("CI"):
                pytest.fail(text)
            pytest.skip(text)
        told = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **env}
        out = subprocess.run(
            [str(place / program), *arguments],
            cwd=tmp_path, env=told, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert out.returncode == 0, out.stdout[-3000:] + out.stderr[-3000:]
        return out

    return run
