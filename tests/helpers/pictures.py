"""An executed notebook's pictures: in the notebook, and in the HTML that opens offline."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from sqlbench.reports.report import export_html


def check_pictures(executed: Path, least: int) -> None:
    """Check that at least so many pictures are in the output notebook, and all in its export."""
    cells = nbformat.read(executed, as_version=4).cells
    outputs = [o for c in cells for o in c.get("outputs", [])]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) >= least
    page = export_html(executed).read_text(encoding="utf-8")
    shown = re.findall(r'<img[^>]+src="data:image/png;base64,([^"]{100,})"', page)
    assert len(shown) == len(pictures) == page.count("<img")
    assert not re.findall(r'<(?:script|link|iframe)[^>]+(?:src|href)="(?!#|data:)[^"]+"', page)
