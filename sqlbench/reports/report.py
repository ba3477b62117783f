"""A run's report: the notebook executed by papermill, exported to HTML that opens offline."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Any

from sqlbench.exceptions import ConfigError
from sqlbench.paths import located
from sqlbench.reports.title import title_text
from sqlbench.runs.run import Run

NOTEBOOK = "01_run_episodes.ipynb"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_STYLE = (
    # The contents stand above the text, which stands beside the cells' prompts.
    ".contents{margin:1em 2em 1em 86px;font-family:system-ui,sans-serif;line-height:1.6}"
    ".contents ul{margin:0;padding-left:1.2em}.contents a{color:inherit}"
    # Where it is narrow the export puts the prompts above the cells.
    "@media only screen and (max-width:760px){.contents{margin-left:24px}}"
    # SQL in a text that a cell wrote, which the export's own style takes for prose.
    ".jp-RenderedMarkdown .highlight pre{font:13px/1.35 var(--jp-code-font-family,monospace);"
    "background:var(--jp-cell-editor-background,#f5f5f5);padding:6px 8px;margin:4px 0 8px}"
    "body .jp-RenderedHTMLCommon h1{line-height:1.25}"
    "@media print{.anchor-link,.jp-InputPrompt,.jp-OutputPrompt{display:none}"
    ".contents{margin-left:10px}img,table,pre{break-inside:avoid}"
    # A heading, and the code of a picture or a table, stay on the page of what they lead to.
    "h2,.jp-MarkdownCell:has(h2),.jp-Cell-inputWrapper:has(+.jp-Cell-outputWrapper)"
    "{break-after:avoid}.jp-MarkdownCell,.jp-CodeCell:has(img,table){break-inside:avoid}"
    "pre{white-space:pre-wrap!important;overflow-wrap:anywhere}}"  # paper has no scroll bar
    ".code{margin-left:74px}.code>summary{cursor:pointer;opacity:.6;font:12px system-ui,sans-serif}"
    "@media only screen and (max-width:760px){.code{margin-left:24px}}"
    "@media print{details.code{display:none}}"
)
# Without its prompts, of which a reader of folded code has nothing, a report has one left edge.
_REPORT_STYLE = (
    ".jp-InputPrompt,.jp-OutputPrompt,.jp-OutputArea-prompt{display:none}"
    ".contents,.code{margin-left:10px}.jp-RenderedMarkdown,.jp-RenderedText{padding-left:10px}"
    ".jp-RenderedHTML{padding-left:10px}.jp-RenderedImage{margin-left:10px}"
    ".jp-OutputArea-output pre{white-space:pre-wrap;overflow-wrap:break-word;word-break:normal}"
)
# A report is read for its figures: the code that made them unfolds with a click.
_FOLDED = """{%- extends 'lab/index.html.j2' -%}
{%- block input_group -%}
<details class="code"><summary>{{ cell.metadata.get('summary', 'Code') }}</summary>
{{ super() }}</details>
{%- endblock input_group -%}"""


def find_notebook(name: str = NOTEBOOK) -> Path:
    """Return a notebook's path: inside the installed package, or beside it in a checkout.

    Raises
    ------
    ConfigError
        If it is in neither place.
    """
    package = Path(str(resources.files("sqlbench")))
    places = [package / "notebooks" / name, package.parent / "notebooks" / name]
    for path in places:
        if path.is_file():
            return path
    raise ConfigError(f"The notebook {name!r} is missing; looked at {places[0]} and {places[1]}.")


def write_report(run_dir: str | Path) -> Path:
    """Execute the notebook on a run, and export it to HTML.

    Parameters
    ----------
    run_dir : path
        The run's folder; ``report.ipynb`` and ``report.html`` are written into it.

    Returns
    -------
    Path
        The HTML file. It holds every picture, and needs no network.

    Raises
    ------
    RunFolderError
        If the folder holds no run.
    ConfigError
        If a cell of the notebook fails.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    folder = located(run_dir).resolve()
    run = Run.open(folder)
    executed = folder / "report.ipynb"
    try:
        papermill.execute_notebook(
            str(find_notebook()),
            str(executed),
            parameters=_parameters(run, folder),
            progress_bar=False,
            kernel_name="python3",
            cwd=str(Path.cwd()),
            # Without its warning of plain text on loopback, where it lives for this one notebook,
            # and without a word about the interrupt with which it is ended.
            extra_arguments=["--log-level=CRITICAL"],
        )
    except PapermillExecutionError as error:
        raise ConfigError(
            f"The notebook failed in cell {error.exec_count}: {error.ename}: {error.evalue}. "
            f"It is kept, with its traceback, in {executed}."
        ) from error
    return export_html(executed, f"{folder.name}: {run.label}{run.mark}", title_text(run))


def export_html(notebook: Path, title: str = "Notebook", head: str | None = None) -> Path:
    """Export an executed notebook to HTML beside it, free of anything that a network brings.

    Parameters
    ----------
    notebook : Path
        The executed notebook.
    title : str
        What a browser's tab, and each printed page, is called.
    head : str or None
        Of a report: what stands in place of the notebook's first cell. Code is then folded away,
        and the parameters stand once, as they were given.
    """
    import nbformat
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="lab",
        embed_images=True,
        **({"raw_template": _FOLDED} if head is not None else {}),
    )
    exporter.mathjax_url = ""
    exporter.require_js_url = ""
    exporter.mermaid_js_url = ""
    content = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    _drop_widgets(content)
    if head is not None:
        content.cells[0].source = head
        _keep_given(content)
    named = {"metadata": {"name": title}}
    body, _ = exporter.from_notebook_node(content, resources=named)
    target = notebook.with_suffix(".html")
    style = _STYLE if head is None else _STYLE + _REPORT_STYLE
    target.write_text(_with_contents(body, style), encoding="utf-8")
    return target


def _with_contents(page: str, style: str) -> str:
    """Put a list of the page's sections, with links, behind its first cell, which is the title."""
    sections = re.findall(r'<h2 id="([^"]+)">(.*?)<a class="anchor-link"', page, re.DOTALL)
    if not sections:
        return page
    # Both come out of the page, where nbconvert has escaped them.
    items = "".join(f'<li><a href="#{id_}">{title}</a></li>' for id_, title in sections)
    contents = f'<nav class="contents"><b>Contents</b><ul>{items}</ul></nav>'
    page = page.replace("</head>", f"<style>{style}</style></head>", 1)
    cells = [cell.start() for cell in re.finditer(r'<div[^>]*class="jp-Cell ', page)]
    place = cells[1]
    return page[:place] + contents + page[place:]


def _drop_widgets(notebook: Any) -> None:
    """Drop progress bars and controls: offline they are blank, and their script asks a network."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if WIDGET_VIEW not in o.get("data", {})]


def _keep_given(notebook: Any) -> None:
    """Leave out the default parameters where others were given."""
    tags = [set(cell.metadata.get("tags", ())) for cell in notebook.cells]
    if not any("injected-parameters" in t for t in tags):
        return
    kept = [c for c, t in zip(notebook.cells, tags, strict=True) if "parameters" not in t]
    for cell in kept:
        if "injected-parameters" in cell.metadata.get("tags", ()):
            cell.metadata["summary"] = "Parameters"
    notebook.cells = kept


def _parameters(run: Run, folder: Path) -> dict[str, Any]:
    c = run.config
    return {
        "suite": c.suite,
        "model": c.model,
        "repair_model": c.repair_model or "",
        "policy": c.policy,
        "episodes": c.episodes,
        "seed": c.seed,
        "lag": c.lag,
        "feedback": c.feedback,
        "metric": c.metric,
        "max_attempts": c.max_attempts,
        "temperature": c.temperature,
        "task": c.task or "",
        "database": c.database or "",
        "samples": c.samples,
        "prompts": c.prompts or "",
        "start_from": c.start_from or "",
        "opens": str(folder),
    }
