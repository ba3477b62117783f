"""A run's report: executed by papermill, complete without a network."""

from __future__ import annotations

import asyncio
import re
import shutil
from html.parser import HTMLParser

import nbformat
import pytest
from folders import NOTEBOOKS

from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.reports.index import write_index
from sqlbench.reports.parameters import check_parameters
from sqlbench.reports.report import find_notebook, write_report
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.run import Run

FIGURES = 6


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "run"
    # Values that are no parameter of the notebook: the report opens the run all the same.
    asyncio.run(
        run_experiment(
            episodes=60, out=folder, progress=False, feedback="execution", max_attempts=3,
            hindsight=0.1, repair_model="simulated:drift",
        )
    )  # fmt: skip
    return write_report(folder)


def test_every_figure_is_in_the_html(report):
    html = report.read_text(encoding="utf-8")
    images = re.findall(r"<img[^>]+src=\"([^\"]{0,30})", html)
    assert len(images) == FIGURES
    assert all(source.startswith("data:image/png;base64") for source in images)


class Unfolded(HTMLParser):
    """What a page shows in its order, and what of it stands inside of folded code."""

    def __init__(self, page):
        super().__init__()
        self.shown, self.code, self._open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        if tag == "details":
            self._open.append(told.get("class") == "code" and "open" not in told)
        folded = any(self._open)
        if "hl-ipython3" in (told.get("class") or ""):
            self.code.append(folded)
        elif tag in ("img", "table") and not folded:
            self.shown.append(tag)
        elif tag == "h2":
            self.shown.append(told.get("id"))

    def handle_endtag(self, tag):
        if tag == "details":
            self._open.pop()


def test_figures_and_tables_come_first_and_code_is_folded_away(report):
    page = Unfolded(report.read_text(encoding="utf-8"))
    cells = nbformat.read(report.with_name("report.ipynb"), as_version=4).cells
    code = [c for c in cells if c.cell_type == "code"]
    assert page.code == [True] * (len(code) - 1), "all but the default parameters, and all folded"
    # The rates, as a table and as a figure, before anything else; the stories after all figures.
    first = page.shown.index("The-experiment")
    assert page.shown[first : first + 3] == ["The-experiment", "table", "img"]
    stories = page.shown.index("Repaired-episodes")
    assert page.shown[:stories].count("img") == FIGURES and "img" not in page.shown[stories:]
    assert page.shown.index("Question-by-question") < page.shown.index("What-this-report-claims")
    assert page.shown[-1] == "What-this-report-claims"


def test_the_html_asks_nothing_of_a_network(report):
    html = report.read_text(encoding="utf-8")
    asked = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"([^\"]*)\"", html)
    assert [url for url in asked if url and not url.startswith(("data:", "#"))] == []
    assert not re.findall(r"@import|url\(['\"]?https?:", html)
    assert "unpkg.com" not in html


def test_the_report_opens_the_run_and_does_not_run_it_again(report):
    log = (report.parent / "episodes.jsonl").read_bytes()
    write_report(report.parent)
    assert (report.parent / "episodes.jsonl").read_bytes() == log


def test_the_report_names_the_runs_configuration(report):
    """Its parameters, given to the notebook again, make that run."""
    notebook = nbformat.read(report.with_name("report.ipynb"), as_version=4)
    injected = next(c for c in notebook.cells if "injected-parameters" in c.metadata.tags)
    given: dict[str, object] = {}
    exec(injected.source, given)
    config = Run.open(report.parent).config.model_dump()
    shown = {k: v for k, v in given.items() if k in config}
    assert shown["repair_model"] == "simulated:drift" and shown["max_attempts"] == 3
    whole = dict(Run.open(report.parent).config)
    assert shown == {k: "" if whole[k] is None else whole[k] for k in shown}
    # What no parameter of the notebook sets is as it is by default, or is the report's alone.
    assert config.keys() - shown.keys() == {"hindsight", "learner"}


def test_the_report_says_that_it_is_simulated(report):
    html = report.read_text(encoding="utf-8")
    assert "(simulated model)" in html


def test_the_report_is_called_what_it_is_about(report):
    title = re.search("<title>(.*?)</title>", report.read_text(encoding="utf-8")).group(1)
    assert title.startswith("run: marketplace · simulated + simulated:drift · linucb · seed 0")
    assert title.endswith("(simulated model)")


def test_the_notebook_has_exactly_one_parameters_cell():
    notebook = nbformat.read(find_notebook(), as_version=4)
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert any(c.get("outputs") for c in notebook.cells), "the committed copy carries its outputs"


def test_the_report_has_a_contents_list_whose_links_lead_somewhere(report):
    html = report.read_text(encoding="utf-8")
    contents = re.search(r'<nav class="contents">.*?</nav>', html, re.DOTALL).group()
    targets = re.findall(r'href="#([^"]+)"', contents)
    assert len(targets) >= 5
    assert all(f'id="{target}"' in html for target in targets)
    first = html.index("<h1"), html.index('<nav class="contents">'), html.index("<h2")
    assert first == tuple(sorted(first)), "the title stands first"


def test_the_index_lists_every_run_and_report(report, tmp_path):
    shutil.copytree(report.parent, tmp_path / "a<b>")
    unfinished = tmp_path / "unfinished"
    shutil.copytree(report.parent, unfinished)
    (unfinished / "summary.json").unlink()
    (unfinished / "report.html").unlink()
    log = (unfinished / "episodes.jsonl").read_text().splitlines(keepends=True)
    (unfinished / "episodes.jsonl").write_text("".join(log[:10]))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text("{")
    (tmp_path / "comparison").mkdir()
    (tmp_path / "comparison" / "compare.html").write_text("x")
    page = write_index(tmp_path).read_text(encoding="utf-8")
    assert "60 of 60" in page and "10 of 60" in page and "cannot be read" in page
    assert 'href="./a%3Cb%3E/report.html"' in page and "a&lt;b&gt;" in page and "a<b>" not in page
    assert 'href="./comparison/compare.html"' in page and "unfinished/report" not in page
    assert "simulated model" in page and re.search(r"\d+\.\d%<br>\[", page)
    assert not re.search(r"https?://", page)
    write_index(tmp_path)  # its own page it may replace


@pytest.mark.parametrize("content", ["{}", "[]", '{"caveat": ""}', '{"caveat": "", "episodes": 1}'])
def test_a_run_with_a_damaged_summary_is_listed_as_such(report, tmp_path, content):
    run = shutil.copytree(report.parent, tmp_path / "run")
    (run / "summary.json").write_text(content)
    assert "cannot be read" in write_index(tmp_path).read_text(encoding="utf-8")


def test_an_index_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(ConfigError, match="left as it is"):
        write_index(tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"


def test_an_unknown_parameter_is_an_error_that_names_the_known_ones():
    cells = ["", "episodes: int = 3  # how many\nseed = 0", "# Parameters\nepisode = 5\n", "x"]
    with pytest.raises(UnknownNameError, match=r"'episode'.*episodes, seed"):
        check_parameters(cells)
    check_parameters([*cells[:2], "# Parameters\nepisodes = 5\nseed = 1\n"])
    check_parameters(cells[:2])


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_every_notebook_checks_its_parameters_right_after_them(path):
    code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    places = [i for i, c in enumerate(code) if "parameters" in c.metadata.get("tags", [])]
    assert places == [0], "papermill puts its cell right behind the first one"
    assert "sb.check_parameters()" in code[1].source


@pytest.mark.slow
def test_papermill_stops_at_an_unknown_parameter(tmp_path, monkeypatch):
    import papermill
    from papermill.exceptions import PapermillExecutionError

    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))
    with pytest.raises(PapermillExecutionError, match="Unknown parameter 'episode'"):
        papermill.execute_notebook(
            str(NOTEBOOKS / "00_tour.ipynb"), str(tmp_path / "out.ipynb"),
            parameters={"episode": 5}, progress_bar=False, kernel_name="python3",
        )  # fmt: skip
