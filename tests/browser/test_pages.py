"""Reports and the list of runs, opened from the disk with the network off."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest
from lab import ROOT, new_context, shot
from playwright.sync_api import expect
from serving import serve

HOSTILE = "<img src=x onerror=document.title='hacked'>"
# A picture that is there has a width, and one that is still coming is not complete.
PICTURES = "[...document.images].map(e => [e.complete, e.naturalWidth])"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder of results as `make run` leaves it, with a run whose name is hostile beside it."""
    folder = tmp_path_factory.mktemp("results")
    run = folder / "first-run"
    for command in (["run", "--episodes", "60", "--out", str(run)], ["report", str(run)]):
        subprocess.run(
            [sys.executable, "-m", "sqlbench", *command], check=True, cwd=ROOT, capture_output=True
        )
    shutil.copytree(run, folder / HOSTILE, ignore=shutil.ignore_patterns("report.*"))
    from sqlbench.reports.index import write_index

    write_index(folder)
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_is_complete_without_a_network(results, offline_page, scheme):
    page = offline_page
    page.emulate_media(color_scheme=scheme)
    address = (results / "first-run" / "report.html").as_uri()
    page.goto(address)
    pictures = page.evaluate(PICTURES)
    assert len(pictures) >= 6 and all(complete and width > 0 for complete, width in pictures)
    asked = [url for url in page.asked if not url.startswith("data:")]
    assert asked == [address], "nothing is asked of anything else"
    shot(page, f"report-{scheme}", full=True)


def test_the_links_of_a_reports_contents_lead_to_its_sections(results, offline_page):
    page = offline_page
    page.goto((results / "first-run" / "report.html").as_uri())
    links = page.locator("nav.contents a")
    assert links.count() >= 5
    for link in links.all():
        link.click()
        target = re.sub(r"^#", "", link.get_attribute("href"))
        expect(page.locator(f'[id="{target}"]')).to_be_in_viewport()
        page.evaluate("scrollTo(0, 0)")


def test_a_report_prints(results, offline_page, tmp_path):
    page = offline_page
    page.goto((results / "first-run" / "report.html").as_uri())
    pdf = page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
    assert pdf.startswith(b"%PDF") and pdf.count(b"/Type /Page\n") >= 3
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_of_runs_opens_without_a_network_and_leads_to_reports(
    results, offline_page, scheme
):
    page = offline_page
    page.emulate_media(color_scheme=scheme)
    page.goto((results / "index.html").as_uri())
    expect(page.get_by_text(HOSTILE, exact=True)).to_be_visible()
    shot(page, f"index-{scheme}", full=True)
    assert page.title() != "hacked" and page.locator("img, script").count() == 0
    page.get_by_role("link", name="report").click()
    heading = page.get_by_role("heading", name="marketplace: simulated with linucb", exact=False)
    expect(heading).to_be_visible()
    assert all(url.startswith(("file:", "data:")) for url in page.asked)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_served_page_plays_an_episode_in_either_theme(server, browser, scheme):
    with new_context(browser, color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(server.url)
        page.get_by_label("Task").select_option("join_queries")
        page.get_by_label("Who acts").select_option("actions")
        page.get_by_label("Actions").fill("generate, rewrite_cte, rewrite_cte, rewrite_cte")
        # The question whose first answer fails, as in the tour.
        page.get_by_label("Question").select_option("join_05")
        page.get_by_role("button", name="Run an episode").click()
        expect(page.locator(".attempt h2").nth(1)).to_contain_text("Attempt 2: rewrite_cte")
        expect(page.locator("#end")).not_to_be_empty()
        expect(page.locator(".attempt .arms").first).to_be_visible()
        paper, ink = (
            page.evaluate(f"getComputedStyle(document.body).{name}")
            for name in ("backgroundColor", "color")
        )
        assert (lightness(paper) > lightness(ink)) == (scheme == "light")
        shot(page, f"served-{scheme}", full=True)


def test_the_served_page_says_what_the_reward_is(server, browser):
    with new_context(browser) as context:
        page = context.new_page()
        page.goto(server.url)
        expect(page.locator("#served")).to_contain_text("gain: what an attempt adds")


def test_the_page_of_a_server_for_agents_offers_no_episode(browser):
    with serve("--agent", "--reward", "final") as agents, new_context(browser) as context:
        page = context.new_page()
        page.goto(agents.url)
        expect(page.locator("#served")).to_contain_text("the agents' own: an action is SQL")
        expect(page.locator("#served")).to_contain_text("final: the episode's value, at its end")
        expect(page.get_by_role("button", name="Run an episode")).to_be_hidden()


def lightness(colour):
    return sum(map(int, re.findall(r"\d+", colour)[:3]))
