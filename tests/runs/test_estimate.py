"""What a run would still cost."""

from __future__ import annotations

import asyncio

import pytest

import sqlbench as sb
from sqlbench.exceptions import RunFolderError
from sqlbench.models import Calling
from sqlbench.runs.config import make_config
from sqlbench.runs.estimate import estimate_run


def test_a_folder_with_a_run_of_other_settings_is_refused_as_the_run_would_be(tmp_path):
    asyncio.run(sb.run_experiment("marketplace", episodes=3, out=tmp_path, progress=False))

    def calls(**given):
        return estimate_run(make_config(**given), Calling(), out=tmp_path).calls

    assert calls(episodes=3) == (0, 0) and calls(episodes=5)[0] == 2
    for other in ({"episodes": 3, "lag": 15}, {"episodes": 2}):
        with pytest.raises(RunFolderError, match="a run of another configuration"):
            calls(**other)
