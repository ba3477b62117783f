"""Notebooks run headlessly, with reduced parameters where they are long, and show their pictures.

The others are executed, and checked in the same way, elsewhere: 01 is the report (test_report), 04,
08 and 09 are in test_evidence, 05 in test_grading.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
import pytest
from answering import answering, whole
from folders import DATA, NOTEBOOKS
from pictures import check_pictures

from sqlbench.runs.run import Run

REDUCED = {
    "02_compare_policies.ipynb": {
        "policies": "linucb,table,rules,random,resample,oracle",
        "seeds": "0,1",
        "episodes": 60,
        "full": False,
    },
    "03_credit_and_hindsight.ipynb": {"seeds": "0,1", "episodes": 40, "full": False},
}
# What others hand in: any list of policies, any suite.
OTHERS = {
    "02_compare_policies.ipynb": {
        "policies": "fixed:fix_column,linucb?alpha=0.5&epsilon=0.1", "seeds": "0,1", "episodes": 15,
    },
    "07_your_database_and_model.ipynb": {"questions": f"spider:{DATA / 'small_spider'}"},
}  # fmt: skip
SHORT = {
    "00_tour.ipynb": ({"episodes": 60}, 2),
    "06_live_dashboard.ipynb": ({"episodes": 60}, 1),
    "07_your_database_and_model.ipynb": ({}, 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REDUCED)
def test_a_long_notebook_runs_with_reduced_parameters(name, tmp_path, monkeypatch):
    # The kernel must import this checkout, wherever the package is installed from.
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))
    execute(name, tmp_path, REDUCED[name] | {"out": str(tmp_path / "grid")})
    check_pictures(tmp_path / name, least=4)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_a_notebook_takes_what_others_hand_in(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the kernel's own leavings
    out = {"out": str(tmp_path / "grid")} if "policies" in OTHERS[name] else {}
    execute(name, tmp_path, OTHERS[name] | out)
    said = (tmp_path / name).read_text()
    assert ("are not claimed of this comparison" in said) == ("policies" in OTHERS[name])
    check_pictures(tmp_path / name, least=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_a_short_notebook_runs_with_its_pictures_in_every_export(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the kernel's own leavings
    parameters, pictures = SHORT[name]
    execute(name, tmp_path, parameters)
    check_pictures(tmp_path / name, pictures)


@pytest.mark.slow
def test_a_run_that_loses_an_episode_is_watched_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    lost = []

    def reply(request):  # of the first question that is asked, whenever it is, a thought alone
        asked = request["messages"][-1]["content"]
        lost.append(asked) if not lost else None
        return 200, whole("", reasoning="Hm.") if asked == lost[0] else whole("SELECT 1")

    with answering(reply) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        parameters = {"model": "openai:m", "episodes": 4, "out": str(tmp_path / "run")}
        execute("06_live_dashboard.ipynb", tmp_path, parameters)
    assert len(Run.open(tmp_path / "run").failed) == 1
    assert "All claims hold." in (tmp_path / "06_live_dashboard.ipynb").read_text()


def execute(name: str, folder: Path, parameters: dict[str, object]) -> None:
    papermill.execute_notebook(
        str(NOTEBOOKS / name),
        str(folder / name),
        parameters=parameters,
        progress_bar=False,
        kernel_name="python3",
    )


@pytest.mark.parametrize("name", REDUCED)
def test_the_committed_copy_carries_full_outputs(name):
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert all(c.execution_count for c in code)
    assert not any(o.output_type == "error" for c in code for o in c.outputs)
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert "full: bool = True" in tagged[0].source
    pictures = sum("image/png" in o.get("data", {}) for c in code for o in c.outputs)
    assert pictures >= 4
