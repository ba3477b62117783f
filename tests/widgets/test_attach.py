"""A cell that is run again, an interrupt, a restart, a double click, an empty query."""

from __future__ import annotations

import asyncio

import pytest

import sqlbench as sb
from sqlbench.grids.cells import plan
from sqlbench.grids.sweep_status import Sweep
from sqlbench.models import load_model
from sqlbench.runs.config import RunConfig
from sqlbench.widgets import monitor, play, sweep
from sqlbench.widgets.player import OWN


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


@pytest.fixture(scope="module")
def model(suite):
    return load_model("simulated", suite)


async def until(condition):
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


async def test_a_cell_that_is_run_again_attaches_to_the_run_under_way(suite, model, tmp_path):
    first = monitor(suite, model, episodes=400, out=tmp_path / "run")
    first.start()
    await until(lambda: first.run is not None and first.run.log)
    again = monitor(suite, model, episodes=400, out=tmp_path / "run")
    assert again is first and "Attached to the run" in again.message.value
    again.stop()
    await first._background.settled()
    assert first.state == "stopped"
    # It is over: a new cell has a monitor of its own, which says how far the folder is.
    later = monitor(suite, model, episodes=400, out=tmp_path / "run")
    assert later is not first and f"holds {len(first.run.log)} of 400" in later.message.value
    assert later.start_button.description == "Go on" and later.progress.value


async def test_without_a_folder_a_cell_in_the_same_words_attaches(suite, model):
    first = monitor(suite, model, episodes=400)
    first.start()
    await until(lambda: first.run is not None and first.run.log)
    again = monitor(suite, model, episodes=400)
    other = monitor(suite, model, episodes=300)
    assert again is first and "Attached to the run" in again.message.value
    assert other is not first and other.state == "ready"
    again.stop()
    await first._background.settled()
    assert monitor(suite, model, episodes=400) is not first


async def test_a_sweeps_cell_that_is_run_again_goes_on_following(tmp_path, monkeypatch):
    drawn = []

    class Handle:
        def __init__(self):
            drawn.append([])
            self.mine = drawn[-1]

        def update(self, shown):
            self.mine.append(shown)

    monkeypatch.setattr("IPython.display.display", lambda *a, **k: Handle())
    folders = [tmp_path / name for name in ("sweep", "other")]
    sweeps = [Sweep(plan([RunConfig(episodes=5)], f / "runs"), f) for f in folders]
    with sweeps[0].writing(), sweeps[1].writing():  # as whoever runs them does
        first = sweep(folders[0], seconds=0.01)
        first._ipython_display_()
        first.follow_button.value = True
        again = sweep(str(folders[0]), seconds=0.01)
        assert again is first and again.follow_button.value, "its buttons, as they are"
        assert sweep(folders[1]) is not first
        drawn.clear()
        again._ipython_display_()
        await until(lambda: drawn[-1])
        following = asyncio.ensure_future(again.finished())
        await asyncio.sleep(0.05)
        assert not following.done()
    assert await following is again.sweep
    assert not again.follow_button.value
    # Nobody runs or follows it any more: a new cell has a view of its own.
    assert sweep(folders[0]) is not first


async def test_an_interrupt_stops_a_watched_run_and_keeps_what_is_done(suite, model, tmp_path):
    watched = monitor(suite, model, episodes=400, out=tmp_path / "run")
    cell = asyncio.ensure_future(watched.finished())
    await until(lambda: watched.run is not None and watched.run.log)
    cell.cancel()  # what the kernel does to the cell that it interrupts
    with pytest.raises(asyncio.CancelledError):
        await cell
    assert watched.state == "stopped"
    assert 0 < len(sb.Run.open(tmp_path / "run").log) < 400
    more = monitor(suite, model, episodes=400, out=tmp_path / "run")
    more.start()
    await until(lambda: more.run is not None and len(more.run.log) > len(watched.run.log))
    more.stop()
    await more._background.settled()


async def test_a_double_click_is_one_attempt_and_no_later_click_is_lost(suite, model):
    env = sb.SQLAgentEnv(suite, model, "linucb")
    player = play(env)
    player.action.value, player.sql.value = OWN, "SELECT 1"
    player.step_button.click()
    assert player.step_button.disabled, "while it works"
    player.step_button.click()
    await until(lambda: env.episode.steps and not player.restart.disabled)
    assert player.step_button.disabled, "while the second click may still come"
    player.step_button.click()  # the answer came before the second click
    await until(lambda: not player.step_button.disabled)
    assert len(env.episode.steps) == 1
    player.step_button.click()
    await player.settled()
    assert len(env.episode.steps) == 2


async def test_an_empty_query_is_no_attempt(suite, model):
    env = sb.SQLAgentEnv(suite, model, "linucb")
    player = play(env)
    player.action.value, player.sql.value = OWN, "  \n"
    await player.step()
    assert not env.episode.steps and "no attempt was counted" in player.message.value
    assert not player.step_button.disabled
    player.sql.value = "SELECT 1"
    await player.step()
    assert [s.sql for s in env.episode.steps] == ["SELECT 1"] and not player.message.value
