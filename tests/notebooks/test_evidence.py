"""The notebooks of evidence, run headlessly in a reduced form; their committed copies are full."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from folders import NOTEBOOKS
from pictures import check_pictures

NAMES = ("04_off_policy", "08_real_repairs", "09_signals", "10_when_a_bandit_pays")


def execute(name: str, folder: Path, least: int = 1, **parameters) -> str:
    """Execute a notebook with papermill; return everything that it printed."""
    import papermill

    out = folder / f"{name}.ipynb"
    papermill.execute_notebook(
        str(NOTEBOOKS / f"{name}.ipynb"),
        str(out),
        parameters=parameters,
        progress_bar=False,
        kernel_name="python3",
        cwd=str(NOTEBOOKS),
    )
    check_pictures(out, least)
    outputs = [o for c in nbformat.read(out, as_version=4).cells for o in c.get("outputs", [])]
    return "\n".join(o.get("text", "") for o in outputs)


@pytest.mark.slow
def test_the_off_policy_notebook_runs(tmp_path):
    text = execute(
        "04_off_policy",
        tmp_path,
        answers=2,
        samples=1,
        seeds=10,
        decisions=300,
        episodes=150,
        logs=20,
    )
    assert "DR varies less than IPS" in text


@pytest.mark.slow
@pytest.mark.shared
def test_the_notebook_of_real_repairs_runs(tmp_path, traces_dir):
    text = execute(
        "08_real_repairs", tmp_path, traces=str(traces_dir), seeds=3, held_out_seeds=2,
        sweep_seeds=3, sweep_decisions=300,
    )  # fmt: skip
    assert "No policy is shown to close any of the gap" in text


@pytest.mark.slow
def test_the_notebook_of_real_repairs_skips_where_the_records_are_absent(tmp_path):
    text = execute(
        "08_real_repairs",
        tmp_path,
        traces=str(tmp_path),
        seeds=2,
        sweep_seeds=2,
        sweep_decisions=100,
    )
    assert "Skipped: the stored records are not at" in text


@pytest.mark.slow
@pytest.mark.shared
def test_the_notebook_of_signals_runs(tmp_path, spider_dir):
    bird = spider_dir.parent / "bird_superhero"
    text = execute(
        "09_signals", tmp_path, spider=str(spider_dir), bird=str(bird),
        answers=200, ablation=False, chain_questions=3,
    )  # fmt: skip
    assert "200 distinct answers" in text
    assert "Chains that end below their own first answers" in text


@pytest.mark.slow
def test_the_notebook_of_signals_skips_where_the_records_are_absent(tmp_path):
    text = execute("09_signals", tmp_path, 0, spider=str(tmp_path), bird=str(tmp_path))
    assert text.count("Skipped: ") == 2
    assert "with 'Germany': doubt" in text


@pytest.mark.slow
@pytest.mark.shared
def test_the_notebook_of_when_a_bandit_pays_runs(tmp_path, spider_dir, traces_dir):
    bird = spider_dir.parent / "bird_superhero"
    text = execute(
        "10_when_a_bandit_pays", tmp_path, spider=str(spider_dir), traces=str(traces_dir),
        bird=str(bird), systems=400, models=2, signals=False, seeds=2, failures=80, processes=1,
        sample_questions=2, held_out_seeds=2, chain_questions=2,
    )  # fmt: skip
    assert "88 systems" in text
    assert "Above the best fixed arm beyond chance: none." in text


@pytest.mark.slow
def test_the_notebook_of_when_a_bandit_pays_skips_where_the_records_are_absent(tmp_path):
    text = execute(
        "10_when_a_bandit_pays", tmp_path, spider=str(tmp_path), traces=str(tmp_path),
        bird=str(tmp_path), models=2, seeds=2, failures=80, processes=1,
    )  # fmt: skip
    assert text.count("Skipped: ") == 3
    assert "full: hybrid mends more than rules" in text


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_copies_carry_full_outputs_and_no_error(name):
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert all(c.execution_count for c in code)
    assert not [o for c in code for o in c.outputs if o.output_type == "error"]
    assert sum("image/png" in o.get("data", {}) for c in code for o in c.outputs) >= 3
