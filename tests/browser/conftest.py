"""One JupyterLab server and one browser for all browser tests, in folders that go with them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = "/usr/bin/chromium"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


# Package scope, not session: Playwright's event loop runs in this thread for as long as it lives,
# and no asynchronous test can run beside it.
@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Debian's Chromium, headless, with a profile of its own."""
    if not Path(CHROMIUM).is_file():
        text = f"there is no {CHROMIUM}: apt-get install chromium"
        # A skipped test proves nothing, so where it must run it may not be skipped.
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    from playwright.sync_api import expect, sync_playwright

    from browser.lab import WAIT

    expect.set_options(timeout=WAIT * 1000)
    profile = tmp_path_factory.mktemp("profile")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            headless=True,
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
            ],
            viewport={"width": 1280, "height": 1000},
        )  # fmt: skip
        context.set_default_timeout(WAIT * 1000)
        yield context
        context.close()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture(scope="package")
def lab_server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from browser.lab import running_lab

    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def lab(lab_server: Any) -> Iterator[Any]:
    """The JupyterLab server; its kernels end with the test."""
    yield lab_server
    lab_server.shut_kernels()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """An empty tab."""
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture
def notebook(lab: Any, page: Any) -> Callable[[str], Any]:
    """Open a notebook, by its name in the server's folder."""
    from browser.lab import Notebook

    return lambda name: Notebook(page, lab, name)
