"""What papermill passes is converted to what is meant, or refused in one sentence."""

from __future__ import annotations

import json

import nbformat
import pytest
from folders import NOTEBOOKS

from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.reports.parameters import check_parameters

DEFAULTS = """episodes: int = 300  # how many
temperature: float = 0.1
out: str = ""
wait: bool = True
files: list[str] = ["a.txt"]
task: str | None = None
seeds = "0-9"
"""


def injected(**values: object) -> str:
    return "# Parameters\n" + "".join(f"{n} = {v!r}\n" for n, v in values.items())


@pytest.mark.parametrize(
    ("name", "given", "meant"),
    [
        ("episodes", 40, 40),
        ("episodes", 4e1, 40),
        ("episodes", "4e1", 40),
        ("episodes", " 12 ", 12),
        ("temperature", 1, 1.0),
        ("temperature", "0.5", 0.5),
        ("out", 20261128, "20261128"),
        ("out", "runs/a", "runs/a"),
        ("seeds", 3, "3"),
        ("wait", "false", False),
        ("wait", "False", False),
        ("wait", "yes", True),
        ("wait", 0, False),
        ("files", "b.txt", ["b.txt"]),
        ("files", ["b.txt", 7], ["b.txt", "7"]),
        ("task", None, None),
        ("task", "join_queries", "join_queries"),
    ],
)
def test_a_value_becomes_what_is_meant(name, given, meant):
    namespace = {name: given}
    check_parameters(["", DEFAULTS, injected(**{name: given})], namespace)
    assert namespace == {name: meant} and type(namespace[name]) is type(meant)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("episodes", "many", "a whole number"),
        ("episodes", 4.5, "a whole number"),
        ("episodes", True, "a whole number"),
        ("episodes", None, "a whole number"),
        ("episodes", [40], "a whole number"),
        ("temperature", "warm", "a number"),
        ("temperature", "nan", "a number"),
        ("temperature", True, "a number"),
        ("out", 1.5, "a text"),
        ("out", True, "a text"),
        ("out", None, "a text"),
        ("wait", "later", "true or false"),
        ("wait", 2, "true or false"),
        ("files", [1.5], "a text"),
    ],
)
def test_another_value_is_refused_in_one_sentence(name, given, expected):
    cells = ["", DEFAULTS, injected(**{name: given})]
    with pytest.raises(ConfigError) as raised:
        check_parameters(cells, {name: given})
    shown = given[0] if isinstance(given, list) and name == "files" else given
    assert str(raised.value).startswith(f"The parameter {name} is {expected}")
    assert str(raised.value).endswith(f"not {shown!r}.")


OWN_COMMENT = "# Parameters\n" + DEFAULTS
SPREAD = "episodes, out = 300, ''\n(wait, *rest), seeds = (True, 1), '0-9'\n"
UNDER_IF = "import os\nif os.environ.get('X'):\n    episodes = 3\nelse:\n    episodes = 300\n"
GOOD = {
    "no papermill": ["", DEFAULTS, "import sqlbench as sb"],
    "its own comment": ["", OWN_COMMENT, "x = 1"],
    "its own comment behind another cell": ["", "import os", OWN_COMMENT, "x = 1"],
    "its own plain comment": ["", "import os", "# Parameters\nepisodes = 3\n", "x = 1"],
    "its own comment, and papermill's": ["", "y = 2", OWN_COMMENT, injected(episodes=4)],
    "plain, and papermill's": ["", "# Parameters\nepisodes = 3\n", injected(episodes=4)],
    "unpacked": ["", SPREAD, injected(episodes=4, wait=False, seeds="1", rest=[])],
    "under an if": ["", UNDER_IF, injected(episodes=4)],
    "beside a magic": ["", "%matplotlib inline\n" + DEFAULTS, injected(episodes=4)],
    "run again": ["", DEFAULTS, injected(episodes=4), "x = 1", injected(episodes=4)],
    "run again at once": ["", DEFAULTS, injected(episodes=4), injected(episodes=4)],
    "changed by hand": ["", DEFAULTS, injected(episodes=4), "x = 1", injected(out="a")],
    "no number": ["", DEFAULTS, "# Parameters\ntemperature = float('nan')\n"],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_notebook_is_not_refused(name):
    check_parameters(GOOD[name], {})


@pytest.mark.parametrize(
    "cells",
    [
        ["", DEFAULTS, injected(episods=4)],
        ["", OWN_COMMENT, injected(episods=4)],
        ["", DEFAULTS, injected(episodes=4), "x = 1", injected(episods=4)],
    ],
)
def test_a_parameter_that_does_not_exist_is_refused(cells):
    with pytest.raises(UnknownNameError, match=r"Unknown parameter 'episods'.*Did you mean"):
        check_parameters(cells, {})


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_every_notebook_checks_its_parameters_before_it_uses_one(path):
    notebook = nbformat.read(path, as_version=4)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    place = next(i for i, c in enumerate(code) if "parameters" in c.metadata.get("tags", []))
    names = [line.split(":")[0] for line in code[place].source.splitlines() if ": " in line[:20]]
    before = code[place + 1].source.partition("sb.check_parameters()")
    assert before[1] and names, json.dumps(names)
    used = [
        n
        for n in names
        if any(
            n in line.split() or f"({n}" in line
            for line in before[0].splitlines()
            if "import" not in line
        )
    ]
    assert not used, f"{used} are used before they are checked"
