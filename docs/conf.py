"""How Sphinx builds this folder (`make docs`)."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref

import sqlbench

project = "sqlbench"
author = "the sqlbench authors"
copyright = f"2026, {author}"
version = release = sqlbench.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "notebooks/README.md", "notebooks/.ipynb_checkpoints"]

# Pages: MyST, and the notebooks as they are committed.
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True

# The reference: one page a module, found by itself, each object where it is defined.
default_role = "autolink"  # a link where the name can be imported, and else only its letters
autosummary_generate = True
autodoc_default_options = {"members": True, "show-inheritance": True, "ignore-module-all": True}
autodoc_member_order = "bysource"
# What extras bring may be absent; the type checker's settings list it.
_settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
_optional = [
    m.removesuffix(".*") for o in _settings["tool"]["mypy"]["overrides"] for m in o["module"]
]
autodoc_mock_imports = [m for m in _optional if importlib.util.find_spec(m) is None]
autodoc_typehints = "none"  # the docstrings say the types
napoleon_google_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]  # no second entry beside autodoc's
napoleon_use_rtype = False

html_theme = "pydata_sphinx_theme"
html_theme_options = {"navigation_depth": 2, "collapse_navigation": True, "show_prev_next": False}
html_title = f"sqlbench {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
copybutton_prompt_text = r"\$ "


def _follow_export(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Let a name that a package hands on (`sqlbench.Run`) lead to where it is defined."""
    if node.get("refdomain") != "py":
        return None
    module, _, name = node["reftarget"].rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
        home, name = found.__module__, found.__qualname__
    except (ImportError, AttributeError, ValueError):
        return None
    domain, target = env.get_domain("py"), f"{home}.{name}"
    if target == node["reftarget"]:
        return None
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], target, node, contnode
    )


@cache
def _names(module: str) -> dict[str, str]:
    """Return what the names in a module's source mean, those for the type checker among them."""
    found = {}
    for node in ast.walk(ast.parse(inspect.getsource(importlib.import_module(module)))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.ClassDef):
            found[node.name] = f"{module}.{node.name}"
    return found


def _mean_one(app: Any, doctree: nodes.document) -> None:
    """Let a type in a docstring mean what its module means, and not any class of that name."""
    for node in doctree.findall(pending_xref):
        if node.get("refdomain") == "py" and node.get("refspecific"):
            module, name = node.get("py:module"), node["reftarget"]
            node["refspecific"] = False
            node["reftarget"] = _names(module).get(name, name) if module else name


def setup(app: Any) -> None:
    """Connect what is above."""
    app.connect("doctree-read", _mean_one)
    app.connect("missing-reference", _follow_export)
