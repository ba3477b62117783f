"""What a benchmark is made of: questions in tasks, and the databases that they ask about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlbench.databases.base import Database
from sqlbench.exceptions import UnknownNameError
from sqlbench.html import Card, Grid, Shown, Sql, Text, facts

DIFFICULTIES = ("easy", "medium", "hard", "extra")
SHOWN_QUESTIONS = 5


@dataclass(frozen=True, slots=True)
class Question(Shown):
    """One question about one database.

    Attributes
    ----------
    id : str
        Unique within its suite.
    text : str
        The question in English.
    gold : str or None
        The query whose result answers it; None where nobody wrote one (own data).
    db_id : str
        The database that it asks about.
    task_id : str
        The task that it belongs to.
    evidence : str
        A hint that belongs to the question (BIRD), empty for most suites.
    """

    id: str
    text: str
    gold: str | None
    db_id: str
    task_id: str
    evidence: str = ""

    @property
    def asked(self) -> str:
        """The question as signals read it: what helps to read it stands on its own line."""
        return f"{self.text}\n{self.evidence}" if self.evidence else self.text

    def card(self) -> Card:
        """Return what a notebook shows of it, its gold query included."""
        hint = [Text(f"Evidence: {self.evidence}")] if self.evidence else []
        gold = Sql(self.gold) if self.gold is not None else Text("Nobody wrote a gold query.")
        title = f"Question {self.id} ({self.task_id}, {self.db_id})"
        return Card(title, [Text(self.text), *hint, gold])


@dataclass(frozen=True, slots=True)
class Entry:
    """One place in a benchmark's own order, which prediction files follow.

    Attributes
    ----------
    position : int
        From 0, counting every question of the benchmark's file.
    db_id : str
        The database that the question asks about.
    question_id : str or None
        The question here; None if it was left out (its database is missing).
    number : int
        The benchmark's own number of the question, by default its position.
    """

    position: int
    db_id: str
    question_id: str | None
    number: int


@dataclass(frozen=True, slots=True)
class Task:
    """A difficulty tier: an id, its difficulty and its questions in order."""

    id: str
    difficulty: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, eq=False)
class Suite(Shown):
    """Tasks plus the databases that their questions ask about.

    Attributes
    ----------
    spec : str
        What `load_suite` was given.
    tasks : mapping of str to Task
        In order of difficulty.
    databases : mapping of str to Database
        By db_id, opened on first use.
    fingerprints : mapping of str to str
        A content hash for each database.
    notes : tuple of str
        What a user must know about it, for example databases that are missing.
    entries : tuple of Entry
        The benchmark's own order, by default that of the tasks.
    hardness_by : str
        Who says how hard a question is: the benchmark, or a rule of ours.
    server : str or None
        The database server it runs on, without a password; None for the suite's own files.
    """

    spec: str
    tasks: Mapping[str, Task]
    databases: Mapping[str, Database]
    fingerprints: Mapping[str, str]
    notes: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    hardness_by: str = "its authors"
    server: str | None = None
    _by_id: dict[str, Question] = field(init=False, repr=False)
    _schema_texts: dict[str, str] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {q.id: q for q in self.questions()})
        if not self.entries:
            entries = (Entry(i, q.db_id, q.id, i) for i, q in enumerate(self.questions()))
            object.__setattr__(self, "entries", tuple(entries))

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Question]:
        return self.questions()

    def questions(self, task_ids: Iterable[str] | None = None) -> Iterator[Question]:
        """Yield the questions of the named tasks (default: of all), in order.

        Raises
        ------
        UnknownNameError
            If a task does not exist.
        """
        for task_id in self.tasks if task_ids is None else task_ids:
            yield from self.task(task_id).questions

    def task(self, task_id: str) -> Task:
        """Return a task by its id.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        if task_id not in self.tasks:
            raise UnknownNameError("task", task_id, self.tasks)
        return self.tasks[task_id]

    def question(self, question_id: str, task_id: str | None = None) -> Question:
        """Return a question by its id, within a task if one is named.

        Raises
        ------
        UnknownNameError
            If the task does not exist, or holds no such question.
        """
        if task_id is not None:
            found = {q.id: q for q in self.task(task_id).questions}
        else:
            found = self._by_id
        if question_id not in found:
            raise UnknownNameError("question", question_id, found)
        return found[question_id]

    def database(self, question: Question) -> Database:
        """Return the database that a question asks about."""
        return self.databases[question.db_id]

    def schema_text(self, question: Question) -> str:
        """Return the schema as the prompts show it, written once for each database."""
        text = self._schema_texts.get(question.db_id)
        if text is None:
            text = self._schema_texts[question.db_id] = self.database(question).schema().prompt()
        return text

    def card(self) -> Card:
        """Return what a notebook shows of it: its tasks, and questions by task."""
        tasks = [(t.id, t.difficulty, len(t.questions)) for t in self.tasks.values()]
        questions = (
            Grid(
                ("id", "database", "question"),
                [(q.id, q.db_id, q.text) for q in task.questions[:SHOWN_QUESTIONS]],
                _questions_title(task),
            )
            for task in self.tasks.values()
        )
        about = facts({"databases": len(self.databases), "on": self.server})
        return Card(
            f"Suite {self.spec}: {len(self)} questions",
            [about, Grid(("task", "difficulty", "questions"), tasks), *questions]
            + [Text(f"Note: {n}") for n in self.notes],
        )

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of every question and every database: what a run's results depend on."""
        content: dict[str, Any] = {
            "questions": [
                [q.id, q.text, q.gold, q.db_id, q.task_id, q.evidence] for q in self.questions()
            ],
            "databases": dict(sorted(self.fingerprints.items())),
        }
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()

    def close(self) -> None:
        """Close every database that was opened."""
        for database in self.databases.values():
            database.close()


def _questions_title(task: Task) -> str:
    n = len(task.questions)
    shown = f"the first {SHOWN_QUESTIONS} of {n}" if n > SHOWN_QUESTIONS else str(n)
    return f"{task.id}: {shown}"
