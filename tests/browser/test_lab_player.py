"""The episode player in JupyterLab: a question chosen and repaired by clicks."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

# Writes the first half of an answer, and the rest when it is let go on.
SLOW = """
import asyncio
import sqlbench as sb
from sqlbench.models.simulated.simulated import SimulatedModel

class Slow(SimulatedModel):
    go = asyncio.Event()

    async def stream(self, request):
        completion = await self.complete(request)
        half = len(completion.text) // 2
        yield completion.text[:half]
        await self.go.wait()
        yield completion.text[half:]
        yield completion

suite = sb.load_suite("marketplace")
env = sb.SQLAgentEnv(suite, Slow(suite), "linucb", seed=0)
"""


@pytest.fixture
def play(lab, open_notebook):
    """A notebook whose second cell is a player of the environment that the first one makes."""

    def opened(source):
        notebook = open_notebook(lab.make("player.ipynb", source, "sb.widgets.play(env)", "1 + 1"))
        notebook.run_all()
        notebook.wait_run()
        return notebook

    return opened


def attempts(player):
    """The headings of the attempts made so far."""
    return player.panel.locator(".widget-html b", has_text=re.compile(r"Attempt \d:"))


def test_an_episode_is_chosen_and_repaired_by_clicks_while_its_sql_streams_in(play):
    player = play(SLOW)
    panel, step = player.panel, player.button("Step")
    player.control("Task").select_option("join_queries")
    question = player.control("Question")
    question.select_option(question.locator("option", has_text="join_05:").get_attribute("value"))
    text = player.ask("print(env.question.text)").strip()
    expect(panel.locator(".widget-html b", has_text=text)).to_be_visible()

    step.click()
    written = panel.locator(".widget-html pre", has_text="SELECT").or_(
        panel.locator(".widget-html pre", has_text="WITH")
    )
    expect(panel.get_by_text("Attempt 1: generate is being written …")).to_be_visible()
    half = written.first.inner_text().strip().removeprefix("```sql\n")
    expect(step).to_be_disabled()
    player.shot("player-streams")
    player.ask("env.model.go.set()")
    expect(step).to_be_enabled()
    whole = written.first.inner_text()
    assert half and whole.startswith(half) and len(whole) > len(half)

    # What failed, what is marked in it, and what the policy thinks of all arms.
    expect(panel.locator(".widget-html mark").first).to_be_visible()
    scores = panel.locator(".widget-html table", has_text="width")
    expect(scores.locator("tr")).to_have_count(9)
    expect(scores).to_contain_text("rewrite_cte")
    expect(panel.get_by_text("Gold rows")).to_have_count(0)

    player.control("Action").select_option("fix_table")
    step.click()
    expect(attempts(player).nth(1)).to_contain_text("Attempt 2: fix_table")
    changed = panel.get_by_text("Changed since the attempt before").first
    changed.click()
    expect(panel.locator(".widget-html details[open] pre").first).to_be_visible()
    player.shot("player-repaired")

    ended = panel.get_by_text("total reward", exact=False)
    for made in range(2, 5):
        if ended.count() == 0:
            step.click()
            expect(attempts(player)).to_have_count(made + 1)
    expect(step).to_be_disabled()
    expect(panel.get_by_text("Gold rows")).to_be_visible()
    step.scroll_into_view_if_needed()
    player.shot("player-ended")
    player.button("Start again").click()
    expect(ended).to_have_count(0)


def test_sql_of_ones_own_that_will_not_do_is_told_and_the_player_goes_on(play):
    player = play("import sqlbench as sb\nenv = sb.SQLAgentEnv('marketplace')")
    player.control("Action").select_option("own SQL")
    own = player.panel.locator("textarea")
    own.fill("DROP TABLE orders")
    player.button("Step").click()
    expect(player.panel.get_by_text("not authorized", exact=False).first).to_be_visible()
    expect(attempts(player)).to_have_count(1)
    expect(player.button("Step")).to_be_enabled()
    own.fill("SELECT 1")
    player.button("Step").click()
    expect(attempts(player)).to_have_count(2)
