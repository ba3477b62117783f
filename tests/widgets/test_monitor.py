"""The monitor: a run is held up, stopped and gone on with from below its cell."""

from __future__ import annotations

import asyncio
import re
import tempfile
import threading
import time
from pathlib import Path

import pytest
from failing import Failing

import sqlbench as sb
from sqlbench.exceptions import ModelSetupError, RunFolderError, UnknownNameError
from sqlbench.models.simulated.simulated import SimulatedModel
from sqlbench.plots.painter import PaintError, png
from sqlbench.policies import ScoredPolicy


def text(widget):
    """What a reader sees of a piece of HTML."""
    return re.sub(r"<[^>]+>", "", widget.value)


@pytest.fixture(autouse=True)
def _monitors_leave_nothing_behind(tmp_path, monkeypatch):
    """Without ``out`` a monitor keeps its run in the temporary folder, for its user to read."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


async def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.005)


async def test_pause_holds_the_run_up_and_go_on_lets_it_run(suite):
    monitor = sb.widgets.monitor(suite, episodes=40)
    monitor.start_button.click()
    await until(lambda: monitor.run is not None and len(monitor.run.log) >= 5)
    monitor.pause_button.click()
    assert monitor.state == "paused" and monitor.policy.disabled
    held = len(monitor.run.log)
    await asyncio.sleep(0.5)
    assert len(monitor.run.log) <= held + 1 < 40, "the episode in flight may end"
    monitor.start_button.click()
    run = await monitor.finished()
    assert monitor.state == "finished" and run.finished and not monitor.policy.disabled


async def test_stop_keeps_what_is_done_and_start_goes_on_to_the_same_bytes(suite, tmp_path):
    whole = tmp_path / "whole"
    await sb.run_experiment(suite, episodes=40, out=whole, progress=False)
    monitor = sb.widgets.monitor(suite, episodes=40, out=tmp_path / "watched")
    monitor.start_button.click()
    await until(lambda: monitor.run is not None and len(monitor.run.log) >= 5)
    monitor.stop_button.click()
    await until(lambda: monitor.state == "stopped")
    kept = len(sb.Run.open(tmp_path / "watched").log)
    assert 5 <= kept < 40 and monitor.start_button.description == "Go on"
    monitor.start_button.click()
    await monitor.finished()
    for name in ("run.json", "episodes.jsonl", "summary.json"):
        assert (whole / name).read_bytes() == (tmp_path / "watched" / name).read_bytes()


async def test_a_paused_run_can_be_stopped(suite):
    monitor = sb.widgets.monitor(suite, episodes=40)
    monitor.start()
    await until(lambda: monitor.run is not None)
    monitor.pause()
    await asyncio.sleep(0.1)
    monitor.stop()
    await until(lambda: monitor.state == "stopped")
    assert (await monitor.finished()).finished


async def test_clicks_from_another_thread_work(suite):
    """JupyterLab delivers clicks in a subshell's thread."""
    monitor = sb.widgets.monitor(suite, episodes=10)
    thread = threading.Thread(target=monitor.start_button.click)
    thread.start()
    await asyncio.to_thread(thread.join)
    await until(lambda: monitor.state == "finished")
    assert monitor.run is not None and monitor.run.finished


async def test_the_kernel_stays_responsive(suite):
    monitor = sb.widgets.monitor(suite, episodes=30)
    monitor.start()
    turns = 0
    while monitor.state == "running":
        await asyncio.sleep(0)
        turns += 1
    assert monitor.state == "finished" and turns > 30


async def test_a_value_that_will_not_do_is_told_beside_the_controls(suite, tmp_path):
    (tmp_path / "file").write_text("x")
    monitor = sb.widgets.monitor(suite, policy="linucb?alpa=2", out=tmp_path, episodes=5)
    monitor.start_button.click()
    await until(lambda: monitor.state == "failed")
    assert "alpa" in monitor.message.value
    monitor.policy.value = "random"
    monitor.start_button.click()
    await until(lambda: monitor.state == "failed" and "holds files" in monitor.message.value)
    with pytest.raises(RunFolderError, match="holds files"):
        await monitor.finished()
    monitor.suite.value = "nonsense"
    assert "nonsense" in monitor.message.value and monitor.suite.value == "marketplace"
    with pytest.raises(UnknownNameError, match="no_task"):
        sb.widgets.monitor(suite, task="no_task")


async def test_a_model_that_fails_in_mid_run_is_shown_and_the_run_is_kept(suite):
    monitor = sb.widgets.monitor(suite, Failing(suite, after=30), episodes=20)
    run = await monitor.finished()
    assert run.failed and run.log and len(run.log) + len(run.failed) == 20
    assert "took&lt;/b&gt; too long" in monitor.status.value
    assert monitor.progress.value == 20 and monitor.progress.bar_style == "warning"
    broken = sb.widgets.monitor(suite, Failing(suite, after=10, kind="setup"), episodes=20)
    with pytest.raises(ModelSetupError, match="too long"):
        await broken.finished()
    assert broken.state == "failed" and broken.run is not None and broken.run.log
    assert "too long" in broken.message.value


class Raising(ScoredPolicy):
    """Raises at its first repair."""

    def scores(self, context):
        return {}["x"]


async def test_what_a_policy_of_ones_own_raises_is_raised_and_shown(suite):
    sb.register_policy("raising", Raising)
    monitor = sb.widgets.monitor(suite, policy="raising", episodes=30)
    with pytest.raises(KeyError, match="x") as caught:
        await monitor.finished()
    assert caught.traceback[-1].name == "scores"
    assert monitor.state == "failed" and "KeyError" in text(monitor.message)
    monitor.policy.value = "rules"
    assert (await monitor.finished()).finished, "and another run may follow"


async def test_alpha_has_a_control_and_goes_into_the_policy(suite):
    monitor = sb.widgets.monitor(suite, policy="linucb?alpha=0.5&gamma=0.9", episodes=3)
    assert monitor.alpha.value == 0.5
    monitor.alpha.value = 2.0
    run = await monitor.finished()
    assert run.config.policy == "linucb?alpha=2&gamma=0.9"
    monitor.policy.value = "rules"
    assert monitor.alpha.disabled
    assert (await monitor.finished()).config.policy == "rules"


class Handle:
    """Takes pictures, as a display handle does."""

    def __init__(self):
        self.pictures = []

    def update(self, image):
        self.pictures.append(image.data)


@pytest.fixture
def handle(monkeypatch):
    import IPython.display

    handle = Handle()
    monkeypatch.setattr(IPython.display, "display", lambda *a, **k: handle)
    return handle


async def test_drawings_are_few_and_every_run_ends_with_one(suite, handle):
    monitor = sb.widgets.monitor(suite, episodes=60)
    monitor._ipython_display_()
    begun = time.monotonic()
    run = await monitor.finished()
    assert 1 <= len(handle.pictures) <= 3 + 2 * (time.monotonic() - begun)
    assert handle.pictures[-1] == png(run), "the last one shows the whole run"
    assert monitor.problem == ""


async def test_a_picture_that_cannot_be_drawn_is_told_and_the_run_goes_on(suite, handle, tmp_path):
    monitor = sb.widgets.monitor(suite, episodes=30, out=tmp_path / "run")
    monitor._ipython_display_()
    painter = monitor._painter
    with pytest.raises(PaintError, match="holds no run"):
        await painter.paint(tmp_path)
    run = await monitor.finished()
    assert run.finished and handle.pictures, "another process was started"

    async def die(folder):
        raise PaintError("The picture could not be drawn (killed); the run goes on.")

    painter.paint = die
    monitor.episodes.value = 40
    monitor._folders.named = None
    assert (await monitor.finished()).finished
    assert monitor.state == "finished" and "killed" in monitor.message.value


async def test_a_run_that_goes_on_at_once_is_drawn_to_its_end(suite, handle):
    monitor = sb.widgets.monitor(suite, episodes=100)
    monitor._ipython_display_()
    monitor.start()
    await until(lambda: monitor.run is not None)
    monitor.stop()
    await until(lambda: monitor.state == "stopped")
    run = await monitor.finished()
    assert run.finished and monitor.problem == ""
    assert handle.pictures[-1] == png(run)


async def test_the_drawing_process_ends_with_the_run(suite, handle):
    monitor = sb.widgets.monitor(suite, episodes=20)
    monitor._ipython_display_()
    started = []
    paint = monitor._painter.paint

    async def watched(folder):
        picture = await paint(folder)
        started.append(monitor._painter._process)
        return picture

    monitor._painter.paint = watched
    await monitor.finished()
    assert started and all(process.returncode is not None for process in started)


async def test_a_run_without_a_folder_is_kept_until_the_kernel_ends():
    import subprocess
    import sys

    code = (
        "import asyncio, sqlbench as sb\n"
        "async def main():\n"
        "    monitor = sb.widgets.monitor(episodes=3)\n"
        "    run = await monitor.finished()\n"
        "    del monitor\n"
        "    assert sb.Run.open(run.folder).finished\n"
        "    print(run.folder)\n"
        "asyncio.run(main())"
    )
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    folder = Path(ended.stdout.strip())
    assert folder.is_absolute() and not folder.exists()
    assert not any("sqlbench-monitor" in p.name and p.exists() for p in folder.parents)


class Priced(SimulatedModel):
    """Answers for nothing what another model would cost."""

    def __init__(self, suite):
        super().__init__(suite)
        self.spec = "openai:gpt-4o-mini"


async def test_the_monitor_says_what_a_model_with_a_price_costs(suite):
    monitor = sb.widgets.monitor(suite, Priced(suite), episodes=5)
    run = await monitor.finished()
    cost = run.summary["cost"]
    assert cost > 0 and f"{cost:.4f}" in text(monitor.status)
    assert f"{run.summary['prompt_tokens']:,} /" in text(monitor.status)
    free = sb.widgets.monitor(suite, episodes=5)
    await free.finished()
    assert "cost" not in text(free.status)
