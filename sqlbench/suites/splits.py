"""Splits of a suite for training: train, dev and test, which share no question and no database.

Spider's own are its own: the file that a question comes from. A suite of several databases is
split by database. A suite of one or two can be split by question only: there the schema is the
same in all three, so that what is learned of it is not told apart from what is learned of SQL.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, get_args

from sqlbench.suites.base import Question, Suite

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
# Of five parts the first three are for training.
_PARTS: tuple[Split, ...] = ("train", "train", "train", "dev", "test")
# The splits of Spider's files, by what its questions' ids begin with.
_OWN: dict[str, Split] = {
    "train_spider": "train",
    "train_others": "train",
    "dev": "dev",
    "test": "test",
}


def splits(suite: Suite, seed: int = 0) -> dict[Split, tuple[Question, ...]]:
    """Return a suite's questions by split; a split without questions is left out.

    Parameters
    ----------
    suite : Suite
        What is asked.
    seed : int
        Deals the databases, or the questions, out: three fifths for training, one for each of
        the others. Spider's own splits do not depend on it.

    Returns
    -------
    dict of str to tuple of Question
        Each in the suite's order.
    """
    questions = tuple(suite)
    if suite.spec.startswith("spider:"):
        parts = {q.id: _OWN[q.id.rpartition("_")[0]] for q in questions}
    elif len({q.db_id for q in questions}) >= len(SPLITS):
        dealt = _deal(sorted({q.db_id for q in questions}), seed)
        parts = {q.id: dealt[q.db_id] for q in questions}
    else:
        parts, groups = {}, _same(questions)
        for task_id in suite.tasks:  # each split has its share of every task
            own = [group for group in groups if group[0].task_id == task_id]
            dealt = _deal([group[0].id for group in own], seed)
            parts |= {q.id: dealt[group[0].id] for group in own for q in group}
    found = {split: tuple(q for q in questions if parts[q.id] == split) for split in SPLITS}
    return {split: held for split, held in found.items() if held}


def _deal(keys: list[str], seed: int) -> dict[str, Split]:
    """Deal keys out in an order that depends on the seed and on the keys alone."""
    ranked = sorted(keys, key=lambda k: hashlib.sha256(f"{seed}\x00{k}".encode()).digest())
    return {key: _PARTS[i % len(_PARTS)] for i, key in enumerate(ranked)}


def _same(questions: Iterable[Question]) -> list[list[Question]]:
    """Group the questions that ask the same of one database: one text, or one gold query."""
    first: dict[tuple[str, str], str] = {}  # the first question with a text or a gold
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent[key] != key:
            key = parent[key]
        return key

    groups: dict[str, list[Question]] = defaultdict(list)
    asked = list(questions)
    for question in asked:
        parent[question.id] = question.id
        for text in (question.text, question.gold):
            if text is not None:
                other = first.setdefault((question.db_id, _plain(text)), question.id)
                parent[root(question.id)] = root(other)
    for question in asked:
        groups[root(question.id)].append(question)
    return list(groups.values())


def _plain(text: str) -> str:
    return " ".join(text.casefold().rstrip("; \n").split())
