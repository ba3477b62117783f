"""The list of all runs and reports in a folder: ``index.html``, readable without a network."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlbench.exceptions import ConfigError, SQLBenchError
from sqlbench.html import escape
from sqlbench.paths import located
from sqlbench.runs.config import RunConfig
from sqlbench.runs.run import Run

NAME = "index.html"
_MARK = '<meta name="generator" content="sqlbench report">'
_RATES = ("first", "field", "any")
_HEAD = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">{_MARK}<title>Runs and reports</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 14px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1140px; padding: 0 1em }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: 4px 12px 4px 0;
  border-bottom: 1px solid rgba(128,128,128,.35); font-variant-numeric: tabular-nums }}
td {{ overflow-wrap: anywhere }}
td:nth-child(n+2):nth-child(-n+5) {{ min-width: 6em }}
.whole {{ white-space: nowrap; overflow-wrap: normal }}
</style></head><body>
"""


def write_index(folder: str | Path) -> Path:
    """Write the list of the runs and reports in a folder, newest first.

    Parameters
    ----------
    folder : path
        Each folder in it that holds a run is a line; HTML files of other folders are listed too.

    Returns
    -------
    Path
        ``index.html`` in the folder.

    Raises
    ------
    ConfigError
        If there is an ``index.html`` that was not written by this function.
    """
    root = located(folder)
    target = root / NAME
    if target.exists() and _MARK not in target.read_text(encoding="utf-8", errors="replace"):
        raise ConfigError(
            f"{str(target)!r} was not written by sqlbench and is left as it is; move it away to "
            "have a list of runs there."
        )
    folders = [p for p in root.iterdir() if p.is_dir()]
    runs = sorted((p for p in folders if (p / "run.json").is_file()), key=_time, reverse=True)
    lines = "".join(_run_line(p, root) for p in runs)
    names = ("date (UTC)", "run", "suite", "model", "policy", "episodes", *_RATES, "report")
    head = "".join(f"<th>{n}</th>" for n in names)
    page = (
        f"{_HEAD}<h1>Runs</h1><p>Rates with 95% intervals, clustered by question.</p>"
        f"<table><tr>{head}</tr>{lines}</table>{_other_reports(root, runs)}</body></html>\n"
    )
    partial = target.with_name(NAME + ".partial")
    partial.write_text(page, encoding="utf-8", errors="backslashreplace")
    partial.replace(target)
    return target


def _run_line(folder: Path, root: Path) -> str:
    cells = [_date(_time(folder)), escape(folder.name)]
    try:
        cells += _about(*_read(folder))
    except (SQLBenchError, OSError, ValueError, KeyError, TypeError) as error:
        return _row(cells, f'<td colspan="8">{escape(f"cannot be read: {error}")}</td>')
    report = folder / "report.html"
    return _row([*cells, _link(report, root, "report") if report.is_file() else ""])


def _about(config: RunConfig, summary: dict[str, Any], caveat: str) -> list[str]:
    model = f"{config.model} + {config.repair_model}" if config.repair_model else config.model
    cells = [escape(config.suite), escape(model) + (f"<br>({escape(caveat)})" if caveat else "")]
    cells += [escape(config.policy), f"{summary['episodes']:,} of {config.episodes:,}"]
    return cells + [_rate(summary["rates"][name]) for name in _RATES]


def _read(folder: Path) -> tuple[RunConfig, dict[str, Any], str]:
    """Return a run's configuration, summary and caveat; only an unfinished one reads its log."""
    summary = folder / "summary.json"
    if not summary.is_file():
        run = Run.open(folder)
        return run.config, run.summary, run.caveat
    meta = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    values = json.loads(summary.read_text(encoding="utf-8"))
    return RunConfig(**meta["config"]), values, values["caveat"]


def _rate(values: dict[str, Any]) -> str:
    if values["rate"] is None:
        return "—"
    interval = f"{values['rate']:.1%}<br>[{values['low']:.1%}, {values['high']:.1%}]"
    return f'<span class="whole">{interval}</span>'


def _other_reports(root: Path, runs: list[Path]) -> str:
    found = [p for p in (*root.glob("*.html"), *root.glob("*/*.html")) if p.name != NAME]
    others = sorted((p for p in found if p.parent not in runs), key=lambda p: str(p))
    if not others:
        return ""
    items = "".join(
        f"<li>{_date(p.stat().st_mtime)} {_link(p, root, str(p.relative_to(root)))}</li>"
        for p in others
    )
    return f"<h2>Other reports</h2><ul>{items}</ul>"


def _link(path: Path, root: Path, text: str) -> str:
    # A name that begins like a scheme ("javascript:…") is still a path.
    return f'<a href="./{escape(quote(path.relative_to(root).as_posix()))}">{escape(text)}</a>'


def _row(cells: list[str], rest: str = "") -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + rest + "</tr>\n"


def _time(folder: Path) -> float:
    kept = folder / "summary.json"
    return (kept if kept.is_file() else folder / "run.json").stat().st_mtime


def _date(seconds: float) -> str:
    when = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
    return f'<span class="whole">{when}</span>'
