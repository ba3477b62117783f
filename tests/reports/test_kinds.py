"""A report of every kind of run that there is: long or short, stopped, failed, and of none."""

from __future__ import annotations

import asyncio
import re

import nbformat
import pytest
from folders import DATA, ROOT
from matplotlib.figure import Figure
from scripted import Scripted

from sqlbench import analysis, plots
from sqlbench.exceptions import BudgetReachedError
from sqlbench.models import Calling, load_model
from sqlbench.models.simulated.simulated import SimulatedModel
from sqlbench.reports.claims import check_claims
from sqlbench.reports.report import write_report
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.run import Run
from sqlbench.suites import load_suite
from sqlbench.widgets import monitor

SUITE = load_suite("marketplace")
MODEL = load_model("simulated", SUITE)  # it keeps the faults that it has verified
pytestmark = pytest.mark.slow


async def run(folder, suite=SUITE, model=MODEL, **options):
    await run_experiment(suite, model, out=folder, **{"progress": False, "episodes": 12} | options)


async def interrupted(folder):
    """As asyncio.run does it when Ctrl-C is pressed."""

    async def stop(run):
        if len(run.log) == 9:
            task.cancel()

    task = asyncio.ensure_future(run(folder, episodes=60, on_episode=stop))
    with pytest.raises(asyncio.CancelledError):
        await task


async def stopped_in_the_monitor(folder):
    watched = monitor(SUITE, MODEL, episodes=60, out=folder)
    watched.start()
    while watched.run is None or len(watched.run.log) < 5:
        await asyncio.sleep(0.01)
    watched.stop()
    await watched._background.settled()
    assert watched.state == "stopped"


async def out_of_budget(folder):
    with pytest.raises(BudgetReachedError):
        await run(folder, episodes=60, calling=Calling(max_calls=25))


async def without_an_episode(folder):
    with pytest.raises(BudgetReachedError):
        await run(folder, calling=Calling(max_calls=0))


async def partly_failed(folder):
    await run(folder, model=SimulatedModel(SUITE, failure_rate=0.3), feedback="always")


async def of_half_characters(folder):
    """Answers that hold a lone surrogate, as models send them."""
    await run(folder, model=Scripted("```sql\nSELECT '\ud83d', \"\udc00x\" FROM nowhere\n```"))


KINDS = {
    "spider": lambda f: run(f, f"spider:{DATA / 'small_spider'}", "simulated", episodes=60),
    "measured": lambda f: run(f, model="simulated:measured", episodes=40, policy="random"),
    "one_attempt": lambda f: run(f, max_attempts=1, samples=3),
    "interrupted": interrupted,
    "stopped": stopped_in_the_monitor,
    "budget": out_of_budget,
    "twelve": run,
    "none": without_an_episode,
    "failed": partly_failed,
    "half": of_half_characters,
}
# What a report of this kind must say.
SAYS = {
    "spider": (
        "Not claimed of this run: that the policy repairs more",
        "notebook's own experiment alone",
    ),
    "measured": ("simulated:measured", "has no estimates with widths"),
    "one_attempt": ("No episode was repaired", "pass@3", "With one attempt nothing is repaired"),
    "interrupted": ("stopped before its end", "The run stopped after 9 of 60"),
    "stopped": ("stopped before its end", "The run stopped after"),
    "budget": ("stopped before its end", "The run stopped after", "in the first half of"),
    "twelve": ("12 of 12 episodes", "Never solved"),
    "none": (
        "0 of 12 episodes",
        "There is no attempt",
        "Learning curve (simulated model): no failure",
    ),
    "failed": (
        "Episodes that the model or the database failed",
        "as failure_rate asks",
        "every episode of theirs failed",
        "a right first answer became wrong",
    ),
    "half": ("12 of 12 episodes", "No episode was repaired"),
}


DRAWN = (
    plots.rates, plots.learning_curve, plots.reward_breakdown, plots.arm_selection,
    plots.error_arm_heatmap,
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_report_of_every_kind_of_run(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    folder = tmp_path / kind
    asyncio.run(KINDS[kind](folder))
    page = write_report(folder).read_text(encoding="utf-8")
    for said in SAYS[kind]:
        assert said in page, said
    opened = Run.open(folder)
    assert check_claims(opened), "claims hold, or are said not to be claimed"
    title = re.search(r"<h1[^>]*>(.*?)<a", page).group(1)
    assert opened.config.suite in title and opened.config.policy in title
    assert re.search(r"\d{4}-\d\d-\d\d · ", page)
    shown = re.sub(r"<details.*?</details>", "", page, flags=re.DOTALL)
    explained = "how far it lets itself be tempted" in shown
    learned = opened.config.policy == "linucb" and len(analysis.arm_estimates(opened)) > 0
    assert explained == learned
    # Folded away, once, and no warning in red.
    assert page.count("<summary>Parameters</summary>") == 1
    cells = nbformat.read(folder / "report.ipynb", as_version=4).cells
    code = sum(cell.cell_type == "code" for cell in cells)
    assert page.count('<details class="code">') == code - 1, "all but the default parameters"
    outputs = [o for cell in cells for o in cell.get("outputs", ())]
    assert not [o for o in outputs if o.get("name") == "stderr"]
    # What has nothing to draw is a sentence, and no empty picture.
    figures = sum(isinstance(plots.shown(draw(opened)), Figure) for draw in DRAWN)
    assert page.count("<img") == figures + learned
