"""One JupyterLab server and one browser for all browser tests, in folders that go with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = "/usr/bin/chromium"
HERE = Path(__file__).parent
FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


# Package scope, not session: Playwright's event loop runs in this thread for as long as it lives,
# and no asynchronous test can run beside it.
@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless."""
    if not Path(CHROMIUM).is_file():
        text = f"there is no {CHROMIUM}: apt-get install chromium"
        # A skipped test proves nothing, so where it must run it may not be skipped.
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    from lab import WAIT
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT * 1000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def lab_server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from lab import running_lab

    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="package")
def lab_tabs(browser: Any) -> Iterator[Any]:
    """A browser session that keeps JupyterLab's scripts from test to test."""
    from lab import new_context

    with new_context(browser) as context:
        yield context


@pytest.fixture
def lab(lab_server: Any) -> Iterator[Any]:
    """The JupyterLab server; its kernels end with the test."""
    yield lab_server
    lab_server.shut_kernels()


@pytest.fixture
def open_notebook(
    lab: Any, lab_tabs: Any, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Any]]:
    """Open a notebook of the server's folder in a tab of its own."""
    from lab import Notebook, shot

    pages = []

    def opened(name: str) -> Notebook:
        pages.append(lab_tabs.new_page())
        return Notebook(pages[-1], lab, name)

    yield opened
    for page in pages:
        if request.node.stash.get(FAILED, False) and not page.is_closed():
            shot(page, f"failed-{request.node.name}")
        page.close()


@pytest.fixture
def offline_page(browser: Any) -> Iterator[Any]:
    """A tab without a network, with the addresses that it asks for in ``page.asked``."""
    from lab import new_context

    with new_context(browser, offline=True) as context:
        page = context.new_page()
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        yield page
