"""The notebooks, run in JupyterLab as a reader runs them."""

from __future__ import annotations

from lab import ROOT


def test_the_tour_runs_to_its_end(lab, open_notebook):
    tour = open_notebook(lab.add(ROOT / "notebooks" / "00_tour.ipynb"))
    tour.run_all()
    tour.wait_run()
    tour.shot("tour")
