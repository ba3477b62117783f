"""The live monitor in JupyterLab: watched, held up, stopped and left alone by clicks."""

from __future__ import annotations

import asyncio
import re
import threading

import pytest
from lab import ROOT, wait_until
from playwright.sync_api import expect

import sqlbench as sb

EPISODES = 20_000  # more than any test waits for
GROWN = """
import asyncio
before = len(watched.run.log)
for _ in range(300):
    await asyncio.sleep(0.001)
len(watched.run.log) - before
"""
GROWS = """
import asyncio
before = len(watched.run.log)
while len(watched.run.log) < before + 5:
    await asyncio.sleep(0.001)
"""
FAILING = f"""
import sys
sys.path.append({str(ROOT / "tests" / "helpers")!r})
from failing import Failing
suite = sb.load_suite("marketplace")
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def watch(lab, open_notebook, folder):
    """A notebook with a monitor of these arguments, and a cell after it."""

    def opened(*arguments, before="", **options):
        options = {"out": str(folder), "episodes": EPISODES} | options
        given = ", ".join([*arguments, *(f"{k}={v!r}" for k, v in options.items())])
        name = lab.make(
            "monitor.ipynb",
            "import asyncio\nimport sqlbench as sb\n" + before,
            f"watched = sb.widgets.monitor({given})\nwatched",
            "1 + 1",
        )
        notebook = open_notebook(name)
        notebook.run_all()
        notebook.wait_run()
        return notebook

    return opened


def state(notebook, name):
    """Wait until the monitor says that it is in a state."""
    expect(notebook.panel.locator(".sqlbench-state")).to_have_text(name)


def done(notebook):
    """How many episodes the monitor says are done."""
    text = notebook.panel.locator(".sqlbench-episodes").inner_text()
    return int(re.match(r"[\d,]+", text).group().replace(",", ""))


def picture(notebook):
    """The picture below the controls: what it is, and how wide."""
    return notebook.panel.locator(".jp-RenderedImage img").evaluate(
        "e => [e.src, e.complete ? e.naturalWidth : 0]"
    )


def test_a_run_starts_draws_pauses_goes_on_and_stops_by_clicks(lab, open_notebook, folder):
    """On the notebook that shows the monitor."""
    path = ROOT / "notebooks" / "06_live_dashboard.ipynb"
    name = lab.add(path, wait=False, episodes=EPISODES, out=str(folder))
    monitor = open_notebook(name)
    monitor.run_all()
    monitor.wait_run()
    empty, _ = picture(monitor)
    monitor.button("Start").click()
    state(monitor, "running")
    wait_until(lambda: picture(monitor)[0] != empty)
    drawn, width = picture(monitor)
    assert width > 0
    monitor.shot("monitor-running")
    monitor.ask(GROWS)  # a cell runs while the run goes on

    monitor.button("Pause").click()
    state(monitor, "paused")
    assert int(monitor.ask(GROWN)) <= 1, "the episode in flight may end"
    held = done(monitor)
    assert int(monitor.ask(GROWN)) == 0 and done(monitor) == held
    wait_until(lambda: picture(monitor)[0] != drawn)

    monitor.button("Go on").click()
    state(monitor, "running")
    wait_until(lambda: done(monitor) > held + 10)
    monitor.button("Stop").click()
    state(monitor, "stopped")
    expect(monitor.button("Go on")).to_be_enabled()
    kept = len(sb.Run.open(folder).log)
    assert held < kept == done(monitor) < EPISODES
    monitor.shot("monitor-stopped")


def test_closing_the_tab_neither_stops_nor_corrupts_the_run(watch, folder, tmp_path):
    monitor = watch(episodes=500)
    monitor.button("Start").click()
    wait_until(lambda: done(monitor) > 0)
    monitor.page.close()
    assert not (folder / "summary.json").exists(), "it was closed in mid-run"
    wait_until((folder / "summary.json").exists)
    in_a_thread(sb.run_experiment(episodes=500, out=tmp_path / "whole", progress=False))
    for name in ("run.json", "episodes.jsonl"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def in_a_thread(work):
    """Run a coroutine beside Playwright's own loop, which holds this thread."""
    thread = threading.Thread(target=asyncio.run, args=(work,))
    thread.start()
    thread.join()


def test_a_value_that_will_not_do_is_told_beside_the_controls(watch, folder):
    monitor = watch(policy="linucb?alpa=2", episodes=5)
    told = monitor.panel.locator(".sqlbench-problem")
    expect(told).to_have_count(0)
    monitor.button("Start").click()
    expect(told).to_contain_text("alpa")
    monitor.shot("monitor-bad-value")
    suite = monitor.control("Suite")
    suite.fill("<i>nonsense</i>")
    suite.press("Enter")
    expect(told).to_contain_text("<i>nonsense</i>")
    expect(suite).to_have_value("marketplace")
    monitor.control("Policy").select_option("random")
    monitor.button("Start").click()
    state(monitor, "finished")
    expect(told).to_have_count(0)
    run = sb.Run.open(folder)
    assert run.config.policy == "random" and len(run.log) == 5


def test_a_model_that_fails_in_mid_run_is_shown_and_the_run_is_kept(watch, folder):
    monitor = watch("suite", "Failing(suite, 20, 'timeout')", before=FAILING, episodes=20)
    monitor.button("Start").click()
    state(monitor, "finished")
    failed = monitor.panel.get_by_text("episode 19: The model <b>took</b> too long.")
    expect(failed).to_be_visible()
    monitor.shot("monitor-failures")
    run = sb.Run.open(folder)
    assert run.log and run.failed and len(run.log) + len(run.failed) == 20


def test_pause_and_stop_work_while_a_cell_waits(watch, folder):
    monitor = watch()
    monitor.button("Start").click()
    wait_until(lambda: done(monitor) > 0)
    monitor.begin("await asyncio.Event().wait()")  # it waits for ever
    busy = monitor.panel.locator(".jp-InputPrompt", has_text="[*]")
    expect(busy).to_have_count(1)
    before = done(monitor)
    wait_until(lambda: done(monitor) > before)
    monitor.button("Pause").click()
    state(monitor, "paused")
    monitor.button("Stop").click()
    state(monitor, "stopped")
    expect(busy).to_have_count(1)
    assert 0 < len(sb.Run.open(folder).log) < EPISODES


def test_a_click_while_a_cell_computes_takes_effect_as_soon_as_it_ends(watch, folder, tmp_path):
    monitor = watch()
    monitor.button("Start").click()
    wait_until(lambda: done(monitor) > 0)
    end, begun = tmp_path / "end", tmp_path / "begun"
    computing = monitor.begin(
        f"from pathlib import Path\nat = len(watched.run.log)\nPath({str(begun)!r}).touch()\n"
        f"while not Path({str(end)!r}).exists():\n    pass\nlen(watched.run.log) - at"
    )
    wait_until(begun.exists)
    monitor.button("Pause").click()
    state(monitor, "paused")
    monitor.button("Stop").click()
    end.touch()
    monitor.wait_run(computing)
    state(monitor, "stopped")
    assert monitor.ask("len(watched.run.log) - at") in ("0", "1"), "the episode in flight may end"
