"""Your own data: a suite in one YAML file, about a file, a folder of files or a server.

The layout is that of the built-in benchmark::

    database: shop.sqlite            # seen from this file's folder; or shop.duckdb, a folder or
                                     # pattern of Parquet and CSV files, postgresql://HOST/DATABASE
    tasks:
    - id: simple_queries
      difficulty: easy               # easy, medium, hard or extra
      questions:
      - id: q1
        text: How many products are there?
        gold: SELECT COUNT(*) FROM products

``gold`` and ``evidence`` may be left out. Without a gold query success means that the query ran
and returned rows, and everything that reports on it says so.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import yaml

from sqlbench.databases.base import Database
from sqlbench.exceptions import ConfigError, SuiteError
from sqlbench.paths import located, shown
from sqlbench.suites.adhoc import fingerprint, open_database
from sqlbench.suites.base import DIFFICULTIES, Question, Suite, Task

_NULL = "tag:yaml.org,2002:null"
_SUITE = {"database": True, "tasks": True, "name": False, "description": False}
_TASK = {"id": True, "questions": True, "difficulty": True, "description": False}
_QUESTION = {"id": True, "text": True, "gold": False, "evidence": False}


def load_file(spec: str) -> Suite:
    """Load a suite from a YAML file.

    Parameters
    ----------
    spec : str
        The file's path, ending in ``.yaml`` or ``.yml``.

    Raises
    ------
    SuiteError
        If the file or its database cannot be read, or anything in it is not as it should be: the
        message names the line.
    """
    return _Reader(located(spec), spec).suite()


class _Reader:
    """Reads one file; keeps YAML's nodes, which know their lines, and not only their values."""

    def __init__(self, path: Path, spec: str) -> None:
        self.path, self.spec = path, spec
        self.lines: dict[str, int] = {}

    def suite(self) -> Suite:
        fields = self.mapping(self.root(), "a suite", _SUITE)
        database = self.database(fields["database"])
        tasks = [self.task(node, database.db_id) for node in self.items(fields["tasks"], "tasks")]
        by_id = {task.id: task for task in tasks}
        questions = [q for task in tasks for q in task.questions]
        without = sum(q.gold is None for q in questions)
        note = (
            f"{without} of {len(questions)} questions have no gold query: in a run success on them "
            "means that the query ran and returned rows; `sqlbench grade` leaves them out."
        )
        return Suite(
            spec=self.spec,
            tasks=by_id,
            databases={database.db_id: database},
            fingerprints={database.db_id: fingerprint(database)},
            notes=(note,) if without else (),
        )

    def root(self) -> yaml.Node:
        try:
            node = yaml.compose(self.path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except FileNotFoundError:
            raise SuiteError(f"The suite {shown(self.path)} does not exist.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise SuiteError(f"The suite {str(self.path)!r} cannot be read: {error}.") from error
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise SuiteError(
                f"{self.path}, line {line}: no valid YAML ({error.problem})."
            ) from None
        except (yaml.YAMLError, RecursionError) as error:
            raise SuiteError(f"{self.path} is no valid YAML: {error}.") from error
        if node is None:
            raise SuiteError(f"The suite {str(self.path)!r} is empty.")
        return node

    def database(self, node: yaml.Node) -> Database:
        try:
            return open_database(self.text(node, "database"), folder=self.path.parent)
        except (SuiteError, ConfigError) as error:
            raise self.error(node, str(error).rstrip(".")) from None

    def task(self, node: yaml.Node, db_id: str) -> Task:
        fields = self.mapping(node, "a task", _TASK)
        task_id = self.unique(fields["id"], "task")
        difficulty = self.text(fields["difficulty"], "difficulty")
        if difficulty not in DIFFICULTIES:
            raise self.error(
                fields["difficulty"],
                f"difficulty is one of {', '.join(DIFFICULTIES)}, not {difficulty!r}",
            )
        nodes = self.items(fields["questions"], f"questions of task {task_id!r}")
        return Task(task_id, difficulty, tuple(self.question(n, task_id, db_id) for n in nodes))

    def question(self, node: yaml.Node, task_id: str, db_id: str) -> Question:
        fields = self.mapping(node, "a question", _QUESTION)
        gold, evidence = fields.get("gold"), fields.get("evidence")
        return Question(
            id=self.unique(fields["id"], "question"),
            text=self.text(fields["text"], "text"),
            gold=self.gold(gold) if gold else None,
            db_id=db_id,
            task_id=task_id,
            evidence=self.text(evidence, "evidence") if evidence else "",
        )

    def gold(self, node: yaml.Node) -> str:
        if isinstance(node, yaml.SequenceNode):
            raise self.error(
                node,
                "gold is one query; others that are right as well are for a file that  sqlbench "
                "grade --accept  takes",
            )
        if isinstance(node, yaml.ScalarNode) and not node.value.strip():
            raise self.error(node, "gold is empty: leave it out where there is none")
        return self.text(node, "gold").rstrip(";").rstrip()

    def mapping(self, node: yaml.Node, what: str, known: dict[str, bool]) -> dict[str, yaml.Node]:
        """Return the nodes of a mapping's fields; fields that are null count as left out."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(node, f"{what} needs fields ({', '.join(known)})")
        fields: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise self.error(
                    key, f"{what} has no field {name!r}, only {', '.join(known)}{hint}"
                )
            if name in fields:
                raise self.error(key, f"the field {name!r} stands here for the second time")
            fields[name] = value
        fields = {name: value for name, value in fields.items() if value.tag != _NULL}
        missing = [name for name, needed in known.items() if needed and name not in fields]
        if missing:
            raise self.error(node, f"{what} needs the field {missing[0]!r}")
        return fields

    def items(self, node: yaml.Node, what: str) -> Sequence[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self.error(node, f"{what} must be a list with at least one entry")
        return list(node.value)

    def text(self, node: yaml.Node, name: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            raise self.error(node, f"{name} must be a text")
        return str(node.value).strip()

    def unique(self, node: yaml.Node, kind: str) -> str:
        value, line = self.text(node, "id"), node.start_mark.line + 1
        before = self.lines.setdefault(f"{kind} {value}", line)
        if before != line:
            raise self.error(
                node, f"the {kind} id {value!r} is taken by line {before}; ids must be unique"
            )
        return value

    def error(self, node: yaml.Node, problem: str) -> SuiteError:
        return SuiteError(f"{self.path}, line {node.start_mark.line + 1}: {problem}.")
