"""Where results go, whatever names the folder."""

from pathlib import Path

import pytest

import sqlbench as sb
from sqlbench.paths import out_folder


async def test_a_folder_that_papermill_gives_as_a_number_is_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = await sb.run_experiment("marketplace", "simulated", "random", episodes=2, out=20250105)
    assert (tmp_path / "20250105" / "run.json").is_file()
    assert len(run.episodes) == 2


@pytest.mark.parametrize("out", [2.5, True, None, ["a"], {}])
def test_what_is_no_folder_is_refused_in_one_sentence(out):
    with pytest.raises(TypeError, match=r"^out is .*; expected a folder"):
        out_folder(out)
    assert out_folder("a/b") == out_folder(Path("a/b")) == Path("a/b")
