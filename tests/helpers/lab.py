"""A JupyterLab server of the tests' own, and a notebook in it as a person at a browser has it."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from folders import ROOT
from playwright.sync_api import Locator, Page

SCREENSHOTS = ROOT / "results" / "screenshots"
WAIT = 60.0  # seconds for anything; what is well takes a small part of it
_SETTINGS: dict[str, Any] = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
    "@jupyterlab/notebook-extension:tracker": {"autoStartDefaultKernel": True},
    # A dialog would stand before what is clicked.
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}


@dataclass
class Lab:
    """A running server: its address with the token, and the folder that it shows."""

    url: str
    token: str
    root: Path

    def add(self, path: Path, *, name: str = "", **parameters: object) -> str:
        """Copy a notebook into the server's folder, with other parameters; return its name."""
        notebook = nbformat.read(path, as_version=4)
        if parameters:
            cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
            cell.source += "".join(f"\n{key} = {value!r}" for key, value in parameters.items())
        return self.write(name or path.name, notebook)

    def make(self, name: str, *cells: str) -> str:
        """Write a notebook of code cells; return its name."""
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        return self.write(name, made)

    def write(self, name: str, notebook: Any) -> str:
        """Write a notebook without its outputs; return its name."""
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, self.root / name)
        return name

    def ask(self, method: str, path: str) -> Any:
        """Ask the server's own API."""
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method)
        request.add_header("Authorization", f"token {self.token}")
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def shut_kernels(self) -> None:
        """End all kernels."""
        for session in self.ask("GET", "sessions"):
            self.ask("DELETE", f"sessions/{session['id']}")


@contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """Start JupyterLab in a folder of its own; end it, its kernels and its files."""
    root, temporary, settings = folder / "root", folder / "tmp", folder / "settings"
    for made in (root, temporary, settings):
        made.mkdir()
    (settings / "overrides.json").write_text(json.dumps(_SETTINGS))
    token = secrets.token_hex(16)
    environ = os.environ | {
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "user"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        # The kernels import this checkout, and leave their temporary files where they are removed.
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(temporary),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        f"--port={port}",  # or, where somebody was quicker, another: the server says which
        f"--ServerApp.root_dir={root}",
        f"--LabApp.app_settings_dir={settings}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.expose_app_in_browser=True",
        "--ServerApp.terminals_enabled=False",
    ]
    log = folder / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            command, env=environ, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield Lab(_address(server, folder / "runtime", log), token, root)
    finally:
        server.send_signal(signal.SIGTERM)  # it ends its kernels before itself
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _address(server: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline and server.poll() is None:
        for said in runtime.glob("jpserver-*.json"):
            try:
                url = f"http://127.0.0.1:{json.loads(said.read_text())['port']}"
                urllib.request.urlopen(f"{url}/api", timeout=5).close()
            except (OSError, ValueError):  # not listening yet, or only half said
                continue
            return url
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@contextmanager
def new_context(browser: Any, **options: Any) -> Iterator[Any]:
    """Open a browser session whose waits are as long as everything's here."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, **options)
    context.set_default_timeout(WAIT * 1000)
    yield context
    context.close()


class Notebook:
    """A notebook that is open in a tab.

    What is done to it is done by clicks and keys. What is read without being seen (have all cells
    run?) is read from the application's own model, which knows where a screen only shows.
    """

    def __init__(self, page: Page, lab: Lab, name: str) -> None:
        self.page, self.lab, self.name = page, lab, name
        self.open()

    def open(self) -> None:
        """Open it, and wait for a kernel that is idle."""
        self.page.goto(
            f"{self.lab.url}/lab/tree/{self.name}?reset&token={self.lab.token}",
            wait_until="domcontentloaded",
        )
        self.panel.locator(".jp-Notebook").wait_for()
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")
        # The toolbar says idle before there is a kernel; the status bar does not.
        idle = re.compile(r"^Python 3.* \| Idle$")
        self.page.locator("#jp-main-statusbar").get_by_text(idle).first.wait_for()

    @property
    def panel(self) -> Locator:
        """The notebook's part of the window."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def cell(self, index: int) -> Locator:
        """A cell, by its place."""
        return self.panel.locator(f'.jp-Cell[data-windowed-list-index="{index}"]')

    def find(self, text: str) -> int:
        """Return the place of the cell whose source has this text."""
        for i, source in enumerate(self.evaluate("cells.map(c => c.source)")):
            if text in source:
                return i
        raise AssertionError(f"no cell has {text!r}")

    def evaluate(self, expression: str) -> Any:
        """Evaluate JavaScript on ``cells``, the notebook's cells as they would be saved."""
        model = "window.jupyterapp.shell.currentWidget.content.model"
        return self.page.evaluate(f"(() => {{const cells={model}.toJSON().cells;"
                                  f"return {expression}}})()")  # fmt: skip

    def run_all(self) -> None:
        """Run all cells, from the menu."""
        self.page.locator(".lm-MenuBar-item", has_text=re.compile("^Run$")).click()
        self.page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()

    def run(self, index: int) -> None:
        """Run one cell, with Shift and Enter."""
        self.cell(index).locator(".jp-InputArea-editor").first.click()
        self.page.keyboard.press("Shift+Enter")

    def begin(self, source: str) -> int:
        """Run code in a new cell at the end, and do not wait for it; return the cell's place."""
        new = self.evaluate("cells.length")
        self.cell(new - 1).locator(".jp-InputArea-editor").first.click()
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("b")
        self.cell(new).locator(".jp-InputArea-editor").click()
        self.page.keyboard.insert_text(source)  # whole, or the editor would close brackets itself
        self.page.keyboard.press("Control+Enter")
        return new

    def ask(self, source: str) -> str:
        """Run code in a new cell at the end; return what it shows."""
        new = self.begin(source)
        self.wait_run(new)
        return self.evaluate(
            f"(cells[{new}].outputs || []).map(o => o.text || o.data['text/plain']).flat().join('')"
        )

    def wait_run(self, index: int | None = None, seconds: float = WAIT) -> None:
        """Wait until a cell (all, for None) has run; an error in any is this test's."""
        which = "true" if index is None else f"i === {index}"
        waiting = (
            f"cells.filter((c, i) => c.cell_type === 'code' && {which}"
            " && c.source.trim() && c.execution_count === null).length"
        )
        busy = self.panel.locator(".jp-InputPrompt", has_text="[*]")
        scope = busy if index is None else self.cell(index).locator(".jp-InputPrompt",
                                                                    has_text="[*]")  # fmt: skip
        wait_until(lambda: bool(self.errors()) or (self.evaluate(waiting) == 0
                                                   and scope.count() == 0), seconds)  # fmt: skip
        assert not self.errors(), self.errors()

    def errors(self) -> list[str]:
        """The errors that cells ended in."""
        return self.evaluate(
            "cells.flatMap(c => (c.outputs || []).filter(o => o.output_type === 'error')"
            ".map(o => o.ename + ': ' + o.evalue))"
        )

    def button(self, name: str) -> Locator:
        """A widget's button."""
        return self.panel.locator("button.jupyter-button", has_text=re.compile(f"^{name}$"))

    def control(self, label: str) -> Locator:
        """A widget's control, by the label before it."""
        row = self.panel.locator(".widget-inline-hbox").filter(
            has=self.page.locator(".widget-label", has_text=re.compile(f"^{re.escape(label)}$"))
        )
        return row.locator("input, select, textarea").first

    def shot(self, name: str) -> None:
        """Keep a picture of the window."""
        shot(self.page, name)


def shot(page: Page, name: str, *, full: bool = False) -> None:
    """Keep a picture of a page among the artefacts."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full)


def wait_until(condition: Any, seconds: float = WAIT) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds:g} s"
        time.sleep(0.05)
