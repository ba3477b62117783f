"""A sweep's view in JupyterLab: followed by a click until nobody runs the sweep any more."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

# The only worker waits until it is let go on.
HELD = """
import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import sqlbench as sb
from sqlbench.runs.config import RunConfig
from sqlbench.grids.sweep import run_sweep

go, pool = threading.Event(), ThreadPoolExecutor(1)
pool.submit(go.wait)
configs = [RunConfig(policy=p, episodes=20) for p in ("linucb", "rules", "random")]
out = Path({out!r})
work = asyncio.to_thread(run_sweep, configs, out, workers=lambda: pool, progress=False)
running = asyncio.create_task(work)
while not (out / "sweep.json").exists():
    await asyncio.sleep(0.05)
"""


@pytest.fixture
def view(lab, open_notebook, tmp_path):
    """A notebook that shows a sweep of three runs, none of which has begun."""
    held = HELD.format(out=str(tmp_path / "sweep"))
    made = lab.make("sweep.ipynb", held, "sb.widgets.sweep(out, seconds=0.2)", "1 + 1")
    notebook = open_notebook(made)
    notebook.run_all()
    notebook.wait_run()
    return notebook


def test_a_sweep_is_followed_until_nobody_runs_it(view):
    card = view.cell(1).locator(".jp-RenderedHTMLCommon.jp-OutputArea-output")
    expect(card).to_contain_text("runs: 3 waiting")
    follow, pressed = view.button("Follow"), re.compile(r"\bmod-active\b")
    follow.click()
    expect(follow).to_have_class(pressed)
    view.ask("go.set()")
    expect(card).to_contain_text("runs: 3 finished")
    expect(follow).not_to_have_class(pressed)
    expect(card.locator("tr", has_text="finished")).to_have_count(3)
    expect(card).to_contain_text("20 of 20")
    view.shot("sweep")
    view.button("Refresh").click()
    expect(card).to_contain_text("runs: 3 finished")
