"""The long notebooks run headlessly with reduced parameters, and their copies carry outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
REDUCED = {
    "02_compare_policies.ipynb": {
        "policies": "linucb,table,rules,random,resample,oracle",
        "seeds": "0,1",
        "episodes": 60,
        "full": False,
    },
    "03_credit_and_hindsight.ipynb": {"seeds": "0,1", "episodes": 40, "full": False},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REDUCED)
def test_a_long_notebook_runs_with_reduced_parameters(name, tmp_path, monkeypatch):
    # The kernel must import this checkout, wherever the package is installed from.
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))
    papermill.execute_notebook(
        str(NOTEBOOKS / name),
        str(tmp_path / name),
        parameters=REDUCED[name] | {"out": str(tmp_path / "grid")},
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
