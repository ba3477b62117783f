"""What an experiment will do, before it does it: its configuration, its questions, its episodes."""

from __future__ import annotations

import contextlib
import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Protocol

import sqlbench
from sqlbench.episodes.repair import Prompts
from sqlbench.exceptions import SQLBenchError, SuiteError
from sqlbench.grading import Golds, InvalidGoldError
from sqlbench.models import ChatModel
from sqlbench.policies import Policy
from sqlbench.runs.config import RunConfig
from sqlbench.runs.run import SCHEMA_VERSION
from sqlbench.runs.start import Start
from sqlbench.seeds import Role, generator
from sqlbench.suites import Question, Suite


class Answering(Protocol):
    """Who answers: a `ChatModel`, or an agent that has its own."""

    @property
    def spec(self) -> str:
        """What it is called."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether every figure must say that no real model answered."""
        ...

    @property
    def fingerprint(self) -> str:
        """What its answers depend on, beside its name."""
        ...


@dataclass(frozen=True, slots=True)
class Slot:
    """One episode to run: its number, its question, and how often that was asked before."""

    index: int
    question: Question
    repeat: int


def askable(suite: Suite, golds: Golds, task: str | None) -> tuple[list[Question], dict[str, str]]:
    """Return the questions whose gold runs, and the others with what is wrong with them."""
    questions, invalid = [], {}
    for question in suite.questions([task] if task is not None else None):
        try:
            golds.get(question)
            questions.append(question)
        except InvalidGoldError as error:
            invalid[question.id] = str(error)
    if not questions:
        raise SuiteError(f"The suite {suite.spec!r} has no question that can be asked.")
    return questions, invalid


def make_slots(config: RunConfig, questions: Sequence[Question]) -> list[Slot]:
    """Return a run's episodes in order: every pass over the questions in a fresh seeded one."""

    @cache
    def order(repeat: int) -> list[int]:
        rng = generator(config.seed, Role.ORDER, repeat=repeat)
        return [int(i) for i in rng.permutation(len(questions))]

    slots = []
    for index in range(config.episodes):
        repeat, place = divmod(index, len(questions))
        slots.append(Slot(index, questions[order(repeat)[place]], repeat))
    return slots


def read_schemas(suite: Suite, slots: Sequence[Slot]) -> None:
    """Read the schemas that the episodes will show, so that none is read on the event loop.

    One that cannot be read is read again when its first episode begins, which raises the error.
    """
    for question in {slot.question.db_id: slot.question for slot in slots}.values():
        with contextlib.suppress(SQLBenchError):
            suite.schema_text(question)


def make_meta(
    config: RunConfig,
    suite: Suite,
    model: Answering,
    prompts: Prompts,
    questions: Sequence[Question],
    invalid: dict[str, str],
    start: Start | None = None,
) -> dict[str, Any]:
    """Return what ``run.json`` keeps: all that the results depend on."""
    return {
        "schema_version": SCHEMA_VERSION,
        "config": config.model_dump(),
        "simulated": model.simulated,
        "suite_hash": suite.content_hash,
        "prompts_hash": prompts.hash,
        "model_fingerprint": model.fingerprint,
        "versions": {
            "sqlbench": sqlbench.__version__,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "sqlglot": version("sqlglot"),
            **_engines(suite),
        },
        "notes": list(suite.notes),
        "questions": len(questions),
        "without_gold": sum(q.gold is None for q in questions),
        "invalid_questions": invalid,
        **({} if start is None else {"start_hash": start.hash}),
        **({"start_simulated": True} if start is not None and start.simulated else {}),
    }


def _engines(suite: Suite) -> dict[str, str]:
    """Return the versions of the PostgreSQL server and of DuckDB, where a suite runs on them."""
    versions = {getattr(d, "server_version", None) for d in suite.databases.values()} - {None}
    found = {"postgres": ", ".join(sorted(map(str, versions)))} if versions else {}
    if any(d.dialect == "duckdb" for d in suite.databases.values()):
        found["duckdb"] = version("duckdb")
    return found


def why_bound(models: Sequence[ChatModel | None], policy: Policy) -> str | None:
    """Return why episodes depend on how many there will be; None: a run can be extended.

    Parameters
    ----------
    models : sequence of ChatModel or None
        Who answers and who repairs.
    policy : Policy
        Who chooses; one of the user's own may look at how far the run has come.
    """
    for model in models:
        drift = getattr(getattr(model, "profile", None), "drift_at", None)
        if model is not None and drift is not None:
            return f"{model.spec} changes after {drift:g} of the episodes"
    if not type(policy).snapshot.__module__.startswith("sqlbench."):
        return f"{policy.spec} is told what share of the episodes lies behind it"
    return None
