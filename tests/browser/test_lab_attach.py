"""What a person does beside the plan: a cell run again, an interrupt, a double click."""

from __future__ import annotations

import re

import pytest
from lab import wait_until
from playwright.sync_api import expect

MAKE = """
import sqlbench as sb
suite = sb.load_suite("marketplace")
model = sb.models.simulated.simulated.SimulatedModel(suite, latency=0.02)
"""
both_themes = pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
IMPORT = "import sqlbench.models.simulated.simulated\n"


def choose_theme(notebook, theme):
    """Choose a theme as the settings menu does."""
    command = f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: '{theme}'}})"
    notebook.page.evaluate(command)
    expect(notebook.page.locator("body")).to_have_attribute(
        "data-jp-theme-light", "true" if theme.endswith("Light") else "false"
    )


@both_themes
def test_a_cell_that_is_run_again_attaches_and_an_interrupt_stops_it(lab, open_notebook, theme):
    folder = f"run-{theme.split()[-1].lower()}"
    notebook = open_notebook(
        lab.make(
            "attach.ipynb",
            IMPORT + MAKE,
            f"watched = sb.widgets.monitor(suite, model, episodes=2000, out='{folder}')\nwatched",
            "watched.start()",
            "1 + 1",
        )
    )
    choose_theme(notebook, theme)
    notebook.run_all()
    notebook.wait_run()
    notebook.run(1)
    panel = notebook.panel
    expect(panel.get_by_text("Attached to the run that is under way")).to_be_visible()
    expect(notebook.button("Stop")).to_be_enabled()
    expect(panel.get_by_text("Another process is writing")).to_have_count(0)
    notebook.shot(f"attached-{theme.split()[-1].lower()}")
    waiting = notebook.cell(notebook.begin("print('the kernel is here')\nawait watched.finished()"))
    # Before, the interrupt would end what the kernel does on its way to the cell.
    here = waiting.locator(".jp-OutputArea-output", has_text="the kernel is here")
    expect(here).to_be_visible(timeout=60_000)
    notebook.page.evaluate("window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    wait_until(notebook.errors)
    assert [e.partition(":")[0] for e in notebook.errors()] == ["CancelledError"]
    kept = (lab.root / folder / "episodes.jsonl").read_text().count("\n")
    assert 0 < kept < 2000


@both_themes
def test_a_double_click_is_one_attempt(lab, open_notebook, theme):
    player = open_notebook(
        lab.make(
            "double.ipynb",
            "import sqlbench as sb\nenv = sb.SQLAgentEnv('marketplace', 'simulated', 'linucb')\n"
            "env.suite.task('join_queries')",
            "sb.widgets.play(env)",
            "1 + 1",
        )
    )
    choose_theme(player, theme)
    player.run_all()
    player.wait_run()
    player.button("Step").dblclick()
    expect(
        player.panel.locator(".widget-html b", has_text=re.compile(r"Attempt 1:"))
    ).to_be_visible()
    assert player.ask("len(env.episode.steps)").strip() == "1"


@both_themes
def test_the_explorer_shows_the_gold_and_the_rows_that_differ(lab, open_notebook, theme):
    explorer = open_notebook(
        lab.make(
            "gold.ipynb",
            "import sqlbench as sb\n"
            "run = await sb.run_experiment(policy='random', episodes=60, max_attempts=2,"
            " progress=False)\nsb.widgets.explore(run)",
            "1 + 1",
        )
    )
    choose_theme(explorer, theme)
    explorer.run_all()
    explorer.wait_run()
    explorer.control("Outcome").select_option("failed")
    explorer.control("Reason").select_option("row_count")
    panel = explorer.panel
    panel.get_by_label("gold beside a wrong answer").check()
    panel.locator(".sqlbench-list select").select_option(index=0)
    gold = panel.locator(".sqlbench-gold")
    expect(gold.get_by_text("Gold query")).to_be_visible()
    expect(gold.get_by_text(re.compile("rows of the gold are missing|did not run"))).to_be_visible()
    explorer.shot(f"gold-{theme.split()[-1].lower()}")
