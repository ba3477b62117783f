"""What README and docs/ tell a reader to type exists: commands, options, modules, files, names."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from documents import PAGES, Piece, python_cells, shell_lines, words
from folders import ROOT

import sqlbench as sb
from sqlbench.cli import app

LINES = shell_lines()
# Auditors: `make integrations` gives each an environment of its own, and a test there runs it.
INSTALLED_APART = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"])
COMMAND: Any = typer.main.get_command(app)
# Told as others' options: they are theirs to keep.
# Of entry points: these are no modules.
GROUPS = {"sqlbench.metrics"}
FOREIGN = {"--keep_distinct"}


def calls(*programs: str) -> list[tuple[Piece, list[str]]]:
    """Return the lines that start one of these programs, with its arguments."""
    found = []
    for line in LINES:
        split = words(line.text)
        for place, word in enumerate(split):
            name = word.removeprefix(".venv/bin/")
            if name in programs and all(_leads(w) for w in split[:place]):
                found.append((line, [name, *split[place + 1 :]]))
                break
    return found


def _leads(word: str) -> bool:
    """Whether a word may stand before a program's name: settings, another program, cron's stars."""
    return bool(re.fullmatch(r"[A-Z_]+=\S*|&&|\d+|\*|python3?|-m|sqlbench\S*local_server", word))


def below_of(command: Any) -> dict[str, Any]:
    """Return a command's subcommands, which may be imported only when they are asked for."""
    if not hasattr(command, "list_commands"):
        return {}
    context = command.make_context("sqlbench", [], resilient_parsing=True)
    return {name: command.get_command(context, name) for name in command.list_commands(context)}


def command_of(arguments: list[str]) -> tuple[Any, list[str]]:
    command, rest = COMMAND, arguments
    while rest and rest[0] in (below := below_of(command)):
        command, rest = below[rest[0]], rest[1:]
    return command, rest


def options_of(command: Any) -> set[str]:
    return {o for p in command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("-")}


def every_option() -> set[str]:
    def walk(command: Any) -> set[str]:
        return options_of(command).union(*map(walk, below_of(command).values()))

    return walk(COMMAND) | {"--help"}


def test_a_command_of_sqlbench_has_the_options_that_it_is_given():
    assert not [problem for line, split in calls("sqlbench") for problem in wrong(line, split)]


@pytest.mark.parametrize(
    "line", ["sqlbench runn", "sqlbench run --episode 3", "sqlbench --nothing"]
)
def test_a_wrong_command_is_noticed(line):
    assert [*wrong(Piece("page", line), words(line))]


def wrong(line: Piece, split: list[str]) -> Iterator[str]:
    _, *arguments = split
    if not arguments or not re.match(r"[-a-z]", arguments[0]):
        return  # `sqlbench` in a sentence, or `sqlbench …`
    command, rest = command_of(arguments)
    if command is COMMAND and not arguments[0].startswith("-"):
        yield f"{line}: no such command"
    options = options_of(command) | {"--help"}
    if command is not COMMAND:
        # `sqlbench suites marketplace` is `sqlbench suites show marketplace`.
        options |= {o for c in below_of(command).values() for o in options_of(c)}
    for word in rest:
        if word.startswith("--") and word.partition("=")[0] not in options:
            yield f"{line}: no option {word}"


def test_there_are_commands_to_look_at():
    assert len(calls("sqlbench")) > 40 and len(calls("python")) > 10 and len(calls("make")) > 5


def test_an_option_that_a_sentence_names_exists():
    known = every_option() | FOREIGN
    theirs = {
        o
        for _, split in calls("python", "openenv", "buildah", "pip", "docker", "dask")
        for o in split
    }
    theirs |= {
        option
        for script in (ROOT / "tests" / "benchmarks").glob("*.py")
        for option in re.findall(r'"(--[a-z][\w-]+)"', script.read_text(encoding="utf-8"))
    }
    named = [(p, w) for p in LINES for w in words(p.text)[:1] if re.fullmatch(r"--[a-z][\w-]+", w)]
    assert len(named) > 10
    assert not [f"{p.page}: {word}" for p, word in named if word not in known | theirs]


@pytest.mark.parametrize("call", calls("make"), ids=lambda call: str(call[0])[:80])
def test_a_target_of_make_exists(call):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    line, (_, *arguments) = call
    asked = [a for a in arguments if "=" not in a and re.fullmatch(r"[a-z-]+", a)]
    assert set(asked[:1]) <= targets, str(line)


@pytest.mark.parametrize("call", calls("python", "pytest"), ids=lambda call: str(call[0])[:80])
def test_a_script_a_module_and_a_test_exist_with_the_options_they_are_given(call):
    line, (program, *arguments) = call
    if arguments[:1] == ["-m"]:
        if arguments[1].partition(".")[0] in INSTALLED_APART:
            return
        assert importlib.util.find_spec(arguments[1]), str(line)
        return
    for word in arguments[:1]:
        if word.endswith(".py"):
            script = ROOT / word
            assert script.is_file(), str(line)
            if program == "python":
                asked = [w for w in arguments[1:] if w.startswith("--")]
                text = script.read_text(encoding="utf-8")
                assert all(f'"{w.partition("=")[0]}"' in text for w in asked), str(line)


def test_a_path_of_the_checkout_exists():
    path = re.compile(r"(?:sqlbench|tests|docs|notebooks|envs)/[\w./-]+[\w/]")
    found = [(p, w) for p in LINES for w in words(p.text) if path.fullmatch(w)]
    assert len(found) > 10
    # Made by a command, a name to fill in, the server's, a task of Inspect's registry.
    others = re.compile(r"docs/_build/|NAME\.ipynb|/splits|/tasks|inspect eval")
    gone = [str(p) for p, word in found if not (ROOT / word).exists()]
    assert not [line for line in gone if not others.search(line)]


def test_a_module_that_a_sentence_names_can_be_imported():
    dotted = re.compile(r"sqlbench(?:\.[a-z_]+)+")
    for piece in LINES:
        if dotted.fullmatch(piece.text) and piece.text not in GROUPS:
            resolve(piece.text)


def resolve(name: str) -> object:
    """Return the module, or the name in one, that a dotted name means."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("cell", python_cells(), ids=lambda cell: str(cell)[:60].replace("\n", " "))
def test_a_python_cell_compiles_and_its_names_exist(cell):
    tree = compile(cell.text, cell.page, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if importlib.util.find_spec(node.module.partition(".")[0]) is None:
                continue  # an extra's, or the reader's own
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
        elif isinstance(node, ast.Attribute):
            names = dotted_name(node)
            if names and names[0] == "sb" and isinstance(getattr(sb, names[1]), type(ast)):
                assert hasattr(getattr(sb, names[1]), names[2] if len(names) > 2 else "__name__")
            elif names and names[0] == "sb":
                assert hasattr(sb, names[1])


def dotted_name(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        front = dotted_name(node.value)
        return [*front, node.attr] if front else []
    return []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_exist(page):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)", page.read_text(encoding="utf-8"))
    assert all((page.parent / link).exists() for link in links), links


def test_the_readme_is_one_that_a_newcomer_finishes():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200
