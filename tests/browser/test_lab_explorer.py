"""The run explorer in JupyterLab: filtered, sorted and read by clicks."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def test_episodes_are_filtered_sorted_and_opened_by_clicks(lab, open_notebook):
    explorer = open_notebook(
        lab.make(
            "explorer.ipynb",
            "import sqlbench as sb\n"
            "run = await sb.run_experiment(episodes=150, progress=False)\n"
            "sb.widgets.explore(run)",
            "1 + 1",
        )
    )
    explorer.run_all()
    explorer.wait_run()
    panel, lines = explorer.panel, explorer.panel.locator(".sqlbench-list option")
    counted = panel.locator(".widget-label", has_text="episodes")
    expect(counted).to_have_text("1–100 of 150 episodes")
    expect(lines).to_have_count(100)

    explorer.control("Outcome").select_option("repaired")
    explorer.control("Error").select_option("no_such_column")
    wanted = int(explorer.ask(
        "sum(e.success and not e.first and any(s.error_class == 'no_such_column' for s in e.steps)"
        " for e in run.log)"
    ))  # fmt: skip
    expect(lines).to_have_count(wanted)
    assert wanted > 1
    assert all("repaired" in line and "no_such_column" in line for line in lines.all_inner_texts())

    explorer.control("Sort by").select_option("total reward")
    panel.locator("button", has_text="descending").click()
    rewards = explorer.ask(
        "[f'{r:+.2f}' for r in sorted((e.total_reward for e in run.log if e.success and not e.first"
        " and any(s.error_class == 'no_such_column' for s in e.steps)), reverse=True)]"
    )
    expect(lines.first).to_contain_text(re.findall(r"'([^']+)'", rewards)[0])

    first = lines.first.inner_text()
    panel.locator(".sqlbench-list select").select_option(index=0)
    page = panel.locator(".widget-html").last
    expect(page).to_contain_text(f"Episode {first.split()[0]}")
    expect(page).to_contain_text("Attempt 2")
    expect(page.get_by_text("CREATE TABLE", exact=False)).to_have_count(0)
    panel.get_by_label("what was sent").check()
    expect(page.get_by_text("system").first).to_be_visible()
    page.get_by_text("system").first.click()
    expect(page.locator("details[open] pre", has_text="CREATE TABLE").first).to_be_visible()
    explorer.shot("explorer")

    # By keyboard: JupyterLab keeps the arrow keys from a list, and not from a number.
    number = explorer.control("Episode")
    opened = int(first.split()[0])
    expect(number).to_have_value(str(opened))
    number.focus()
    for key, shown in (("ArrowDown", opened - 1), ("ArrowUp", opened)):
        number.press(key)
        expect(page).to_contain_text(f"Episode {shown},")
