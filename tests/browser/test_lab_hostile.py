"""Names and rows that are HTML: in JupyterLab they are read, and never run."""

from __future__ import annotations

import sqlite3

import pytest
from playwright.sync_api import expect

NAME = '<img src=x onerror="window.hacked=1">'
ROW = "<script>window.hacked=1</script>"
TEXT = "<b onclick=alert(1)>How many?</b> $x$ <style>*{display:none}</style>"
QUOTED = NAME.replace('"', '""')


@pytest.fixture
def notebook(lab, open_notebook, tmp_path):
    """Cards, a player and an explorer of a database whose names and rows are hostile."""
    with sqlite3.connect(tmp_path / "hostile.sqlite") as database:
        database.execute(f'CREATE TABLE "{QUOTED}" (id INTEGER PRIMARY KEY, "{QUOTED}" TEXT)')
        database.execute(f'INSERT INTO "{QUOTED}" VALUES (1, ?)', [ROW])
    database.close()
    gold = f'SELECT "{QUOTED}" FROM "{QUOTED}"'
    suite = tmp_path / "hostile.yaml"
    suite.write_text(
        "database: hostile.sqlite\ntasks:\n- id: simple_queries\n  difficulty: easy\n"
        f"  questions:\n  - id: q1\n    text: {TEXT!r}\n    gold: {gold!r}\n"
    )
    made = lab.make(
        "hostile.ipynb",
        "import sqlbench as sb\n"
        f"suite = sb.load_suite({str(suite)!r})\n"
        "env = sb.SQLAgentEnv(suite, 'simulated', 'linucb')\n"
        "run = await sb.run_experiment(suite, episodes=3, progress=False)\nsuite",
        "env.reset()\nfrom sqlbench.environment.environment import Action\n"
        f"action = Action(repair_action='auto', custom_sql={gold + ', nothing'!r})\n"
        "observation, reward = await env.step(action)\n"
        "display(env.question, suite.database(env.question).schema(), observation, env.episode)",
        "run",
        "sb.widgets.play(env)",
        "sb.widgets.explore(run, suite)",
    )
    notebook = open_notebook(made)
    notebook.run_all()
    notebook.wait_run()
    return notebook


def test_hostile_names_and_rows_are_text_in_cards_player_and_explorer(notebook):
    card = notebook.cell(1).locator(".jp-OutputArea-output")
    for i, text in enumerate((TEXT, NAME, TEXT, QUOTED)):
        expect(card.nth(i)).to_contain_text(text)
    expect(card.nth(1)).to_contain_text(ROW)

    player, explorer = notebook.cell(3), notebook.cell(4)
    expect(player.locator(".widget-html").first).to_contain_text(TEXT)
    player.get_by_label("show gold before the end").check()
    notebook.control("Action").select_option("own SQL")
    player.locator("textarea").fill(f"SELECT '{ROW}' AS \"{QUOTED}\"")
    notebook.button("Step").click()
    expect(player.locator("table", has_text=ROW).first).to_contain_text(NAME)
    expect(player.locator("pre", has_text=ROW).first).to_be_visible()

    explorer.locator("select[size]").select_option(index=0)
    expect(explorer.locator(".widget-html pre", has_text=QUOTED).first).to_be_visible()
    expect(explorer.locator(".widget-html").last).to_contain_text(TEXT)

    outputs = notebook.panel.locator(".jp-Cell-outputArea")
    expect(outputs.locator("script, img, style:has-text('display:none')")).to_have_count(0)
    assert notebook.page.evaluate("window.hacked") is None
    notebook.shot("hostile")
